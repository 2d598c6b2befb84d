/**
 * Blocks and their headers.
 *
 * The block hash covers the header alone; transactions are bound by `merkleRoot`, and `masternodeRewards` only by the
 * rule that the coinbase repeats them.
 */
import * as Schema from "effect/Schema"
import * as Bincode from "./Bincode.ts"
import { Hash256, sha256 } from "./Hash.ts"
import { Height } from "./Height.ts"
import { U32, UnixSeconds } from "./Integer.ts"
import { Satoshi } from "./Satoshi.ts"
import { Transaction } from "./Transaction.ts"
import { tupleStruct } from "./WireType.ts"

export const BlockHeader = Schema.Struct({
  version: U32,
  height: Height,
  previousHash: Hash256,
  merkleRoot: Hash256,
  timestamp: UnixSeconds,
  blockReward: Satoshi
})
export type BlockHeader = typeof BlockHeader.Type

/** What one masternode is paid by a block. */
export const MasternodeReward = tupleStruct({ address: Schema.String, amount: Satoshi })
export type MasternodeReward = typeof MasternodeReward.Type

export const Block = Schema.Struct({
  header: BlockHeader,
  transactions: Schema.Array(Transaction),
  masternodeRewards: Schema.Array(MasternodeReward)
})
export type Block = typeof Block.Type

/** The hash that names a block: of the 92 bytes of its header. */
export const blockHash = (header: BlockHeader): Hash256 => sha256(headerBytes(header))

/** The header as it is hashed. */
export const headerBytes = Bincode.encoder(BlockHeader)

/** The whole block as `timed` stores it. */
export const blockBytes = Bincode.encoder(Block)

/** About what a decoded block takes of memory, in bytes: for bounds on how many are held. */
export const blockMemory = ({ masternodeRewards, transactions }: Block): number => {
  let bytes = 1_000 + 200 * masternodeRewards.length
  for (const { inputs, outputs } of transactions) {
    bytes += 200
    for (const { scriptSig } of inputs) bytes += 400 + scriptSig.length
    for (const { scriptPubkey } of outputs) bytes += 250 + scriptPubkey.length
  }
  return bytes
}
