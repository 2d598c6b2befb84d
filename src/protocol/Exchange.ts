/**
 * Which message asks, and which answers it: one row an exchange.
 *
 * Types, the matcher of answers to requests, line limits, timeouts, retries, handlers and documentation
 * all derive from this table. A peer answers the requests of one connection in the order it read them, and answers
 * carry no id: they are told apart by variant and by the correlating value, first asked first answered.
 */
import * as Limits from "./Limits.ts"
import type { Message, MessageOf, MessageTag } from "./Message.ts"

/** How long an answer may take: see `peer/Policies.ts` for the numbers. */
export type TimeoutClass = "quick" | "normal" | "bulk"

/** Who answers. `accepting` peers answer on links we dialled; a `timed` never answers the `timenode` rows. */
export type AnsweredBy = "everyone" | "accepting" | "timenode"

export interface ExchangeRow {
  readonly response: MessageTag
  readonly answeredBy: AnsweredBy
  readonly timeout: TimeoutClass
  /** Asking twice does no harm. */
  readonly idempotent: boolean
  /** Longest line accepted as the answer, in bytes. */
  readonly answerLimit: number
  /** What it takes to answer, in microseconds, besides what {@link ./Cost.ts} adds for size. */
  readonly cost: number
  /** The answer may be given from the transport's callback, without a turn of the handler. */
  readonly inline: boolean
}

export const Exchange = {
  Handshake: row({
    response: "Ack",
    answeredBy: "everyone",
    idempotent: false,
    answerLimit: Limits.LINE_BEFORE_HANDSHAKE
  }),
  Ping: row({ response: "Pong", answeredBy: "everyone", inline: true }),
  GetBlockHeight: row({ response: "BlockHeightResponse", inline: true }),
  GetBlockHash: row({ response: "BlockHashResponse", inline: true }),
  GetUTXOStateHash: row({ response: "UTXOStateHashResponse", timeout: "normal", inline: true }),
  ConsensusQuery: row({ response: "ConsensusQueryResponse" }),
  GetGenesisHash: row({ response: "GenesisHashResponse", answeredBy: "timenode" }),
  BlockRequest: row({
    response: "BlockResponse",
    answeredBy: "timenode",
    timeout: "normal",
    answerLimit: Limits.LINE_BLOCKS,
    cost: 50
  }),
  GetBlocks: row({ response: "BlocksResponse", timeout: "bulk", answerLimit: Limits.LINE_BLOCKS, cost: 50 }),
  GetBlockRange: row({ response: "BlockRangeResponse", timeout: "bulk", answerLimit: Limits.LINE_BLOCKS, cost: 50 }),
  GetUTXOSet: row({ response: "UTXOSetResponse", timeout: "bulk", answerLimit: Limits.LINE_UTXO_SET, cost: 500 }),
  UTXOStateQuery: row({ response: "UTXOStateResponse", timeout: "normal" }),
  GetMasternodes: row({ response: "MasternodesResponse", timeout: "normal", cost: 50 }),
  GetPeers: row({ response: "PeersResponse", timeout: "normal", cost: 300 }),
  GetPendingTransactions: row({
    response: "PendingTransactionsResponse",
    timeout: "normal",
    answerLimit: Limits.LINE_BLOCKS,
    cost: 50
  })
} as const

/** The name of a message that asks. */
export type RequestTag = keyof typeof Exchange
export type Request = MessageOf<RequestTag>
export type RequestOf<Tag extends RequestTag> = MessageOf<Tag>

/** The name of the answer to a request. */
export type ResponseTag = (typeof Exchange)[RequestTag]["response"]
export type Response = MessageOf<ResponseTag>

/** The one message that answers `R`. */
export type ResponseOf<R extends Request> = MessageOf<(typeof Exchange)[R["_tag"]]["response"]>

export const requestTags = Object.keys(Exchange) as ReadonlyArray<RequestTag>

export const isRequest = (message: Message): message is Request => Object.hasOwn(Exchange, message._tag)

/** The request that a response variant answers; `undefined` for every other variant. */
export const requestAnsweredBy = (tag: MessageTag): RequestTag | undefined => requests.get(tag)

/** What decides who answers what: the program a peer runs, and who dialled, as seen from us. */
export interface Respondent {
  readonly agent: "timed" | "timenode"
  readonly direction: "inbound" | "outbound"
}

/** True when that kind of peer, on that side of a link, answers this kind of request. */
export const answers = ({ agent, direction }: Respondent, { _tag }: Request): boolean => {
  const { answeredBy } = Exchange[_tag]
  return answeredBy === "everyone" || agent === "timenode" || (answeredBy === "accepting" && direction === "outbound")
}

/** False for what must not be said to that kind of peer: a `timed` that is told of a proposal never answers again. */
export const mayTell = (tag: MessageTag, { agent }: Pick<Respondent, "agent">): boolean =>
  tag !== "BlockProposal" || agent === "timenode"

/** Longest line of a variant that answers nothing we asked, in bytes. */
export const unaskedLimit = (tag: MessageTag | undefined): number => {
  switch (tag) {
    case "BlockAnnouncement":
    case "BlockProposal":
      return Limits.LINE_UNASKED_BLOCK
    case "TransactionBroadcast":
      return Limits.LINE_UNASKED_TRANSACTION
    // Two thirds of all masternodes that are known sign in less than half of it.
    case "BlockCommit":
      return Limits.LINE_ANSWER
    default:
      return Limits.LINE_UNASKED
  }
}

/**
 * The value by which an answer is matched to its request, besides the variant: a nonce or a height. Exchanges without
 * one are matched first asked, first answered.
 */
export const correlation = (message: Message): bigint | undefined => {
  switch (message._tag) {
    case "Ping":
    case "Pong":
      return message.nonce
    case "GetBlockHash":
    case "BlockHashResponse":
    case "ConsensusQuery":
    case "ConsensusQueryResponse":
    case "BlockRequest":
      return message.height
    case "BlockResponse":
      return message.block.header.height
    default:
      return undefined
  }
}

/** True unless the answer shows by its content that it belongs to another request of the same kind. */
export const fits = (request: Request, response: Message): boolean => {
  if (request._tag === "GetBlocks" && response._tag === "BlocksResponse") {
    return response.blocks.every(({ header }) => header.height >= request.start && header.height <= request.end)
  }
  if (request._tag === "GetBlockRange" && response._tag === "BlockRangeResponse") {
    return response.blocks.every(
      ({ header }) => header.height >= request.startHeight && header.height <= request.endHeight
    )
  }
  return true
}

// --- internal ---

/** The usual exchange: cheap, quick, harmless to repeat, answered by a peer that we dialled. */
function row<const Tag extends MessageTag>(
  fields: Partial<ExchangeRow> & { readonly response: Tag }
): ExchangeRow & { readonly response: Tag } {
  return {
    answeredBy: "accepting",
    timeout: "quick",
    idempotent: true,
    answerLimit: Limits.LINE_ANSWER,
    cost: 10,
    inline: false,
    ...fields
  }
}

const requests: ReadonlyMap<MessageTag, RequestTag> = new Map(requestTags.map((tag) => [Exchange[tag].response, tag]))
