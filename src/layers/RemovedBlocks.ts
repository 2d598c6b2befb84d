/**
 * The last blocks of the best chain, as they come off: what undoes them, and what is left of them.
 */
import * as Effect from "effect/Effect"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { toHex } from "../protocol/Hash.ts"
import { isCoinbase, type Transaction } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import { ChainStore, StoreError } from "../services/ChainStore.ts"
import type { CheckedBlock } from "./CheckedBlocks.ts"
import { readBlock } from "./StoredChain.ts"

/** A block that comes off, and what it did. */
export interface RemovedBlock {
  readonly delta: BlockDelta
  readonly block: Block
}

/** The last blocks of the store, newest first; fails with `Damaged` if one of them cannot be undone. */
export const lastBlocks = Effect.fnUntraced(function* (count: number) {
  const store = yield* ChainStore
  const removed: Array<RemovedBlock> = []
  for (const delta of yield* store.undo(count)) {
    const block = yield* readBlock(delta.height)
    if (block === undefined || !bytesEqual(blockHash(block.header), delta.hash)) break
    removed.push({ delta, block })
  }
  if (removed.length === count) return removed
  const detail = `only ${removed.length} of the last ${count} blocks can be taken off`
  return yield* new StoreError({ operation: "reorganise", reason: "Damaged", detail })
})

/** Makes of the coins after these blocks, newest first, those before them. */
export const undo = (removed: ReadonlyArray<RemovedBlock>, coins: Map<OutPointKey, Utxo>): void => {
  // The newest block first: what it spent may have been created by the one before it, which then takes it away.
  for (const { delta } of removed) {
    for (const { outpoint } of delta.created) coins.delete(outPointKey(outpoint))
    for (const utxo of delta.spent) coins.set(outPointKey(utxo.outpoint), utxo)
  }
}

/** The transactions of these blocks, newest first, that are not in those which replace them; the oldest first. */
export const returnedBy = (
  removed: ReadonlyArray<RemovedBlock>,
  connected: ReadonlyArray<CheckedBlock>
): ReadonlyArray<Transaction> => {
  const again = new Set(connected.flatMap(({ delta }) => delta.txids.map(toHex)))
  return removed
    .toReversed()
    .flatMap(({ block, delta }) =>
      block.transactions.filter((transaction, at) => !isCoinbase(transaction) && !again.has(toHex(delta.txids[at]!)))
    )
}
