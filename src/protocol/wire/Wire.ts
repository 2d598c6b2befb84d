/**
 * The peer protocol's bytes: lines to messages and messages to lines. The only module of the codec that others import.
 *
 * Decoding is total and synchronous: a line is a `Message` or a `WireError`, as serde_json decides it. Encoding writes
 * exactly what serde_json would, so that equal messages are equal bytes on all nodes.
 */
import { Block } from "../Block.ts"
import { MasternodeRecord } from "../Masternode.ts"
import { Message, type MessageOf, type MessageTag } from "../Message.ts"
import { Transaction } from "../Transaction.ts"
import { Utxo } from "../Utxo.ts"
import { makeDecoder } from "./Decoder.ts"
import { type Encoded, encodedUnsafe } from "./Encoded.ts"
import { makeEncoder } from "./Encoder.ts"
import { makePages } from "./Pages.ts"
import { shapeOf } from "./Shape.ts"
import type { WireError } from "./WireError.ts"
import type { EncoderOf } from "./Writer.ts"

export type { Encoded } from "./Encoded.ts"
export { Framer, type LineLimit, LineTooLong, type OnLine, PREFIX_BYTES } from "./Framer.ts"
export { WireError, type WireErrorReason } from "./WireError.ts"

// --- decoding ---

/**
 * The message of the line `buffer[start, end)`, without its LF. Never throws. The message holds no reference to the
 * buffer.
 */
export const decode = (buffer: Uint8Array, start = 0, end = buffer.length): Message | WireError =>
  decodeMessage(buffer, start, end)

/** A block from its stored form, which is its wire JSON. */
export const decodeBlock = (bytes: Uint8Array): Block | WireError => decodeStoredBlock(bytes, 0, bytes.length)

// --- encoding ---

/** The message as one line. The values must be ones that the schema allows: they come from code, not from peers. */
export const encode = <M extends Message>(message: M): Encoded<M> =>
  encodedUnsafe<M>(message._tag, [toBytes(messageEncoder, message, "\n")])

/** The canonical line without its LF, as text: for logs, tests and people. */
export const encodeText = (message: Message): string => toBytes(messageEncoder, message).toString()

/** The stored form of a block: what stands for it in any message. */
export const encodeBlock = (block: Block): Uint8Array => toBytes(blockEncoder, block)

/** What stands for a transaction in any message; its length is what the transaction costs in answers and pools. */
export const encodeTransaction = (transaction: Transaction): Uint8Array => toBytes(transactionEncoder, transaction)

/** A `BlockResponse` around a stored block, which is not copied. */
export const encodedBlock = (block: Uint8Array): Encoded<MessageOf<"BlockResponse">> =>
  encodedUnsafe("BlockResponse", [Buffer.from(`{"BlockResponse":`), block, END_OF_VALUE])

/** A range answer around stored blocks, which are not copied. */
export const encodedBlocks = <Tag extends "BlocksResponse" | "BlockRangeResponse">(
  tag: Tag,
  blocks: ReadonlyArray<Uint8Array>
): Encoded<MessageOf<Tag>> =>
  encodedUnsafe<MessageOf<Tag>>(tag as MessageOf<Tag>["_tag"], [
    openList(tag),
    ...blocks.flatMap((block, index) => (index === 0 ? [block] : [COMMA, block])),
    END_OF_LIST
  ])

/** An answer that is a list, and whether items had to be left out of it. */
export interface EncodedList<Tag extends keyof ListItem> {
  readonly encoded: Encoded<MessageOf<Tag>>
  readonly truncated: boolean
}

/** What the list answers are lists of. */
export interface ListItem {
  readonly UTXOSetResponse: Utxo
  readonly PendingTransactionsResponse: Transaction
  readonly MasternodesResponse: MasternodeRecord
}

/** A list answer in the making. */
export interface ListWriter<Tag extends keyof ListItem> {
  /** False, and nothing added, when the item does not fit any more; then none after it may be added either. */
  readonly add: (item: ListItem[Tag]) => boolean
  readonly done: () => EncodedList<Tag>
}

/** Begins an answer of at most `maxBytes`, for lists too long to be written in one go. */
export const listWriter = <Tag extends keyof ListItem>(tag: Tag, maxBytes: number): ListWriter<Tag> => {
  const opening = openList(tag)
  const pages = makePages(listEncoders[tag], maxBytes - opening.length - END_OF_LIST.length)
  let truncated = false
  return {
    add: (item) => {
      truncated ||= !pages.add(item)
      return !truncated
    },
    done: () => ({
      encoded: encodedUnsafe<MessageOf<Tag>>(tag as MessageOf<Tag>["_tag"], [opening, ...pages.done(), END_OF_LIST]),
      truncated
    })
  }
}

/** An answer with as many of the items, from the first on, as fit a line of `maxBytes`. */
export const encodedList = <Tag extends keyof ListItem>(
  tag: Tag,
  items: Iterable<ListItem[Tag]>,
  maxBytes: number
): EncodedList<Tag> => {
  const list = listWriter(tag, maxBytes)
  for (const item of items) if (!list.add(item)) break
  return list.done()
}

// --- internal ---

const messageShape = shapeOf(Message)
const blockShape = shapeOf(Block)

const decodeMessage = makeDecoder<Message>(messageShape)
const decodeStoredBlock = makeDecoder<Block>(blockShape)

const messageEncoder = makeEncoder<Message>(messageShape)
const blockEncoder = makeEncoder<Block>(blockShape)
const transactionEncoder = makeEncoder<Transaction>(shapeOf(Transaction))
const listEncoders: { readonly [Tag in keyof ListItem]: EncoderOf<ListItem[Tag]> } = {
  UTXOSetResponse: makeEncoder(shapeOf(Utxo)),
  PendingTransactionsResponse: transactionEncoder,
  MasternodesResponse: makeEncoder(shapeOf(MasternodeRecord))
}

const COMMA = Buffer.from(",")
const END_OF_VALUE = Buffer.from("}\n")
const END_OF_LIST = Buffer.from("]}\n")

const openList = (tag: MessageTag): Uint8Array => Buffer.from(`{"${tag}":[`)

/** Values are written here first, because their exact length is only known afterwards. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

const toBytes = <A>(encoder: EncoderOf<A>, value: A, ending: "" | "\n" = ""): Buffer => {
  const bound = encoder.bound(value) + ending.length
  const target = bound <= scratch.length ? scratch : Buffer.allocUnsafeSlow(bound)
  let length = encoder.write(target, 0, value)
  if (ending === "\n") target[length++] = 0x0a
  const bytes = Buffer.allocUnsafe(length)
  target.copy(bytes, 0, 0, length)
  return bytes
}
