/**
 * Blocks that follow one another, checked against the coins at their parent, ready to be committed.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { validateBlock } from "../consensus/BlockRules.ts"
import { coinView } from "../consensus/CoinView.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { toHex } from "../protocol/Hash.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { BlockRejected } from "../services/Blockchain.ts"
import type { ChainTip, ConnectedBlock } from "../services/ChainStore.ts"

export interface CheckedBlock extends ConnectedBlock {
  readonly block: Block
  readonly tip: ChainTip
}

export interface Checked {
  readonly checked: ReadonlyArray<CheckedBlock>
  /** Why the block after the last of `checked` cannot follow it. */
  readonly rejected: BlockRejected | undefined
}

export interface CheckOptions {
  readonly network: Network
  readonly legacy: boolean
  readonly parent: ChainTip
  /** Those of the outputs spent by the blocks that are unspent after the parent; becomes what is after the blocks. */
  readonly coins: Map<OutPointKey, Utxo>
  /** `commit` stops at what one commit takes while blocks are merely added; `all` is for what must not be divided. */
  readonly extent: "commit" | "all"
}

/** Checks blocks one after the other, up to the first that breaks a rule. Others run in between; nothing is changed. */
export const checkBlocks = Effect.fnUntraced(function* (
  blocks: ReadonlyArray<Block>,
  { coins, extent, legacy, network, parent: first }: CheckOptions
): Effect.fn.Return<Checked> {
  const clock = yield* Clock.Clock
  const now = toUnixSeconds(clock.currentTimeMillisUnsafe())
  const checked: Array<CheckedBlock> = []
  let bytesTaken = 0
  let coinsTaken = 0
  let parent = first
  let resumed = clock.monotonicTimeNanosUnsafe()
  for (const block of blocks) {
    const context = { network, parent: { header: parent, hash: parent.hash }, now, coins: coinView(coins), legacy }
    const result = validateBlock(block, context)
    if (Result.isFailure(result)) return { checked, rejected: rejectedBlock(block, result.failure) }
    const delta = result.success
    for (const { outpoint } of delta.spent) coins.delete(outPointKey(outpoint))
    for (const utxo of delta.created) coins.set(outPointKey(utxo.outpoint), utxo)
    const bytes = Wire.encodeBlock(block)
    parent = { height: delta.height, hash: delta.hash, timestamp: delta.timestamp }
    checked.push({ block, delta, bytes, tip: parent })
    bytesTaken += bytes.length
    coinsTaken += delta.spent.length + delta.created.length
    const full = bytesTaken >= Limits.COMMIT_BYTES || coinsTaken >= Limits.COINS_PER_COMMIT
    if (full && extent === "commit") break
    if (clock.monotonicTimeNanosUnsafe() - resumed > TURN) {
      yield* Effect.yieldNow
      resumed = clock.monotonicTimeNanosUnsafe()
    }
  }
  return { checked, rejected: undefined }
})

/** The block's rejection with its name. */
export const rejectedBlock = ({ header }: Block, rejection: BlockRejected["rejection"]): BlockRejected =>
  new BlockRejected({ height: header.height, hash: toHex(blockHash(header)), rejection })

// --- internal ---

/** How long validation goes on before others get their turn, in nanoseconds. */
const TURN = 4_000_000n
