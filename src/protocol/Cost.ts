/**
 * What a message costs this node: microseconds of its time, measured and rounded.
 *
 * The time to read a line is left out, because it is spent when the cost is known. Costs compare peers with each other
 * and with a budget (docs/protocol.md, S-12); they need to be right within a factor of two.
 */
import type { Block } from "./Block.ts"
import { Exchange, isRequest, type RequestTag } from "./Exchange.ts"
import type { Message, MessageOf, MessageTag } from "./Message.ts"
import type { Transaction } from "./Transaction.ts"
import type { WireError } from "./wire/Wire.ts"

/** What handling a message takes, in microseconds; for a request, without the bytes of its answer. */
export const costOf = (inbound: Message | WireError): number => {
  if (inbound._tag === "WireError") return TRIFLE
  if (isRequest(inbound)) {
    const { cost } = Exchange[inbound._tag]
    return inbound._tag === "UTXOStateQuery" ? cost + OUTPOINT * inbound.outpoints.length : cost
  }
  const cost = told[inbound._tag]
  // The table is indexed by the message's own tag, which the compiler does not follow.
  return typeof cost === "number" ? cost : (cost as (message: Message) => number)(inbound)
}

/** What it takes to compose and send so many bytes of an answer, in microseconds. */
export const answerCost = (bytes: number): number => 2 * (bytes / 1024)

// --- internal ---

/** A look at it, and no more. */
const TRIFLE = 10
/** One signature checked. */
const SIGNATURE = 100
/** One output looked up, and its state written. */
const OUTPOINT = 5
/** One address parsed and put in the book. */
const ADDRESS = 2

const transactionCost = ({ inputs }: Transaction): number => 30 + (SIGNATURE + OUTPOINT) * inputs.length

const blockCost = ({ transactions }: Block): number => {
  let cost = 100
  for (const { inputs, outputs } of transactions) cost += 20 + SIGNATURE * inputs.length + OUTPOINT * outputs.length
  return cost
}

type ToldTag = Exclude<MessageTag, RequestTag>

/** Everything that asks nothing. Answers come here only when nobody asked for them, to be thrown away. */
const told: { readonly [T in ToldTag]: number | ((message: MessageOf<T>) => number) } = {
  GenesisHashResponse: TRIFLE,
  BlockHeightResponse: TRIFLE,
  BlocksResponse: TRIFLE,
  Ack: TRIFLE,
  TransactionBroadcast: ({ transaction }) => transactionCost(transaction),
  TransactionVoteRequest: TRIFLE,
  TransactionVote: SIGNATURE + TRIFLE,
  TransactionFinalized: TRIFLE,
  TransactionRejected: TRIFLE,
  UTXOStateResponse: TRIFLE,
  UTXOStateNotification: TRIFLE,
  UTXOStateUpdate: TRIFLE,
  Subscribe: ({ subscription: { addresses, outpoints } }) => TRIFLE + OUTPOINT * (addresses.length + outpoints.length),
  Unsubscribe: TRIFLE,
  BlockAnnouncement: ({ block }) => blockCost(block),
  BlockResponse: TRIFLE,
  UTXOSetResponse: TRIFLE,
  UTXOStateHashResponse: TRIFLE,
  MasternodeAnnouncement: TRIFLE,
  MasternodesResponse: TRIFLE,
  Version: TRIFLE,
  Pong: TRIFLE,
  PendingTransactionsResponse: TRIFLE,
  PeersResponse: ({ addresses }) => TRIFLE + ADDRESS * addresses.length,
  HeartbeatBroadcast: SIGNATURE + TRIFLE,
  HeartbeatAttestation: SIGNATURE + TRIFLE,
  BlockHashResponse: TRIFLE,
  ConsensusQueryResponse: TRIFLE,
  BlockRangeResponse: TRIFLE,
  BlockProposal: ({ block }) => SIGNATURE + blockCost(block),
  BlockVote: SIGNATURE + TRIFLE,
  BlockCommit: ({ signatures }) => TRIFLE + SIGNATURE * signatures.length
}
