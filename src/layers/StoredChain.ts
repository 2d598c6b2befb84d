/**
 * What a chain store holds when the node starts: the hashes of its blocks, checked as far as can be done at once.
 *
 * The genesis is compared with that of the network, the tip with its block. Whether all blocks between follow the rules
 * is what `timenode chain verify` is for.
 */
import * as Effect from "effect/Effect"
import { createdOutputs } from "../consensus/BlockRules.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { height as toHeight, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { ChainStore, type ChainTip, type ConnectedBlock, StoreError } from "../services/ChainStore.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import { ChainIndex } from "./ChainIndex.ts"

export interface StoredChain {
  readonly index: ChainIndex
  readonly tip: ChainTip
}

/** Reads the chain of the network; a store without a block gets its genesis first. */
export const loadChain = Effect.fn("StoredChain.load")(function* (
  network: Network
): Effect.fn.Return<StoredChain, StoreError, ChainStore | UtxoStore> {
  const store = yield* ChainStore
  if ((yield* store.tip) === null) {
    const first = genesisBlock(network)
    yield* store.commit({ disconnect: 0, connect: [first], durability: "durable" })
    const coins = yield* UtxoStore
    yield* coins.applied({ disconnected: [], connected: [first.delta] })
  }
  const tip = yield* store.tip
  if (tip === null) return yield* storeError("Failed", "the store did not keep the genesis block")

  const index = yield* loadIndex
  const first = index.hashAt(0n)
  if (first === undefined || !bytesEqual(first, genesis(network).hash)) {
    return yield* storeError("WrongNetwork", `the store begins with another block than the ${network.name}`)
  }
  const last = index.hashAt(tip.height)
  if (BigInt(index.length) !== tip.height + 1n || last === undefined || !bytesEqual(last, tip.hash)) {
    return yield* storeError("Damaged", `the store holds ${index.length} blocks, its tip is ${tip.height}`)
  }
  // While a snapshot is loaded, its base is the tip, and the block of that is not here.
  if ((yield* store.base)?.height === tip.height) return { index, tip }
  const block = yield* readBlock(tip.height)
  if (block === undefined || !bytesEqual(blockHash(block.header), tip.hash)) {
    return yield* storeError("Damaged", `block ${tip.height} is not the one that is the tip`)
  }
  return { index, tip }
})

/** A block of the best chain. Bytes that are no block are `Damaged`. */
export const readBlock = Effect.fnUntraced(function* (
  height: Height
): Effect.fn.Return<Block | undefined, StoreError, ChainStore> {
  const store = yield* ChainStore
  const [bytes] = yield* store.blocks(height, height, { count: 1, bytes: 0 })
  if (bytes === undefined) return undefined
  const block = Wire.decodeBlock(bytes)
  if ("_tag" in block) return yield* storeError("Damaged", `block ${height} does not decode: ${block.reason}`)
  return block
})

// --- internal ---

const loadIndex = Effect.gen(function* () {
  const store = yield* ChainStore
  const index = new ChainIndex()
  for (;;) {
    const hashes = yield* store.hashes(toHeight(index.length), Limits.HASHES_PER_READ)
    for (const hash of hashes) index.push(hash)
    if (hashes.length < Limits.HASHES_PER_READ) return index
    yield* Effect.yieldNow
  }
})

const genesisBlock = (network: Network): ConnectedBlock => {
  const { block, hash, txids } = genesis(network)
  const { height, previousHash, timestamp } = block.header
  const created = createdOutputs(block, txids)
  return {
    delta: { height, hash, previousHash, timestamp, txids, spent: [], spenders: [], created },
    bytes: Wire.encodeBlock(block)
  }
}

const storeError = (reason: StoreError["reason"], detail: string): StoreError =>
  new StoreError({ operation: "load", reason, detail })
