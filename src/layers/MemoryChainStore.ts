/**
 * `ChainStore` in memory: for tests, simulations and nodes without a data directory.
 *
 * A batch is worked out on a draft of what it changes, so that one that does not fit changes nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import * as Limits from "../protocol/Limits.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import { type ChainBatch, ChainStore, type ChainTip, type ConnectedBlock, StoreError } from "../services/ChainStore.ts"
import { brokenLink } from "./BatchLinks.ts"
import { MemoryIndexes } from "./MemoryIndexes.ts"

/** A new, empty store. Everything is lost with it. */
export const layer: Layer.Layer<ChainStore> = Layer.sync(ChainStore, () => {
  const chain = new MemoryChain()
  return ChainStore.of({
    tip: Effect.sync(() => chain.tip),
    hashes: (from, limit) => Effect.sync(() => chain.range(from, limit).map(({ tip }) => tip.hash)),
    blocks: (from, to, limits) => Effect.sync(() => chain.blocks(from, to, limits)),
    utxos: (outpoints) => Effect.sync(() => chain.utxos(outpoints.map(outPointKey))),
    utxoCount: Effect.sync(() => chain.utxoCount),
    utxoPage: (after, limit) => Effect.sync(() => chain.utxoPage(after, limit)),
    transaction: (txid) => Effect.sync(() => chain.indexes.transaction(txid)),
    unspentOf: (script, { after, limit }) =>
      Effect.sync(() => [...chain.utxos(chain.indexes.unspentOf(script, after, limit).map(outPointKey)).values()]),
    history: (script, { before, limit }) => Effect.sync(() => chain.indexes.history(script, before, limit)),
    undo: (count) => Effect.sync(() => chain.undo(count)),
    // Snapshots are loaded into data directories, and this has none.
    base: Effect.succeed(null),
    refute: () => Effect.void,
    commit: (batch) =>
      Effect.suspend(() => {
        const misfit = chain.commit(batch)
        if (misfit === undefined) return Effect.void
        return Effect.fail(new StoreError({ operation: "commit", reason: "Failed", detail: misfit }))
      })
  })
})

// --- internal ---

interface StoredBlock {
  readonly tip: ChainTip
  readonly bytes: Uint8Array
}

class MemoryChain {
  readonly indexes = new MemoryIndexes()
  readonly #blocks: Array<StoredBlock> = []
  readonly #undo: Array<BlockDelta> = []
  readonly #utxos = new Map<OutPointKey, Utxo>()
  /** All keys in order, made when a page is asked for after a change. */
  #keys: ReadonlyArray<OutPointKey> | undefined

  get tip(): ChainTip | null {
    return this.#blocks.at(-1)?.tip ?? null
  }

  get utxoCount(): number {
    return this.#utxos.size
  }

  range(from: bigint, limit: number): ReadonlyArray<StoredBlock> {
    if (from >= BigInt(this.#blocks.length)) return []
    return this.#blocks.slice(Number(from), Number(from) + limit)
  }

  blocks(
    from: bigint,
    to: bigint,
    limits: { readonly count: number; readonly bytes: number }
  ): ReadonlyArray<Uint8Array> {
    if (to < from) return []
    const asked = Number(to - from) + 1
    const found: Array<Uint8Array> = []
    let size = 0
    for (const { bytes } of this.range(from, Math.min(asked, Math.max(limits.count, 1)))) {
      size += bytes.length
      if (size > limits.bytes && found.length > 0) break
      found.push(bytes)
    }
    return found
  }

  utxos(keys: ReadonlyArray<OutPointKey>): ReadonlyMap<OutPointKey, Utxo> {
    const found = new Map<OutPointKey, Utxo>()
    for (const key of keys) {
      const utxo = this.#utxos.get(key)
      if (utxo !== undefined) found.set(key, utxo)
    }
    return found
  }

  utxoPage(after: OutPointKey | null, limit: number): ReadonlyArray<Utxo> {
    this.#keys ??= [...this.#utxos.keys()].sort()
    const from = after === null ? 0 : firstAfter(this.#keys, after)
    return this.#keys.slice(from, from + limit).map((key) => this.#utxos.get(key)!)
  }

  undo(count: number): ReadonlyArray<BlockDelta> {
    return count === 0 ? [] : this.#undo.slice(-count).reverse()
  }

  /** Applies the batch, or says why it does not fit. */
  commit({ connect, disconnect }: ChainBatch): string | undefined {
    const removed = this.undo(disconnect)
    if (removed.length < disconnect) return `undo data of ${removed.length} blocks is kept, not of ${disconnect}`
    const broken = brokenLink(this.#blocks.at(-1 - disconnect)?.tip ?? null, connect)
    if (broken !== undefined) return broken

    const draft = new Map<OutPointKey, Utxo | null>()
    const misfit =
      this.#draft(
        draft,
        removed.map((delta) => ({ gone: delta.created, come: delta.spent }))
      ) ??
      this.#draft(
        draft,
        connect.map(({ delta }) => ({ gone: delta.spent, come: delta.created }))
      )
    if (misfit !== undefined) return misfit
    this.#apply(draft, disconnect, connect)
    for (const delta of removed) this.indexes.disconnect(delta)
    for (const { delta } of connect) this.indexes.connect(delta)
    return undefined
  }

  #draft(
    draft: Map<OutPointKey, Utxo | null>,
    changes: ReadonlyArray<{ readonly gone: ReadonlyArray<Utxo>; readonly come: ReadonlyArray<Utxo> }>
  ): string | undefined {
    const unspent = (key: OutPointKey): boolean => {
      const drafted = draft.get(key)
      return drafted === undefined ? this.#utxos.has(key) : drafted !== null
    }
    for (const { come, gone } of changes) {
      for (const { outpoint } of gone) {
        const key = outPointKey(outpoint)
        if (!unspent(key)) return `${key} is not unspent`
        draft.set(key, null)
      }
      for (const utxo of come) {
        const key = outPointKey(utxo.outpoint)
        if (unspent(key)) return `${key} is there already`
        draft.set(key, utxo)
      }
    }
    return undefined
  }

  #apply(
    draft: ReadonlyMap<OutPointKey, Utxo | null>,
    disconnect: number,
    connect: ReadonlyArray<ConnectedBlock>
  ): void {
    for (const [key, utxo] of draft) {
      if (utxo === null) this.#utxos.delete(key)
      else this.#utxos.set(key, utxo)
    }
    this.#keys = undefined
    this.#blocks.length -= disconnect
    this.#undo.length -= disconnect
    for (const { bytes, delta } of connect) {
      this.#blocks.push({ tip: { height: delta.height, hash: delta.hash, timestamp: delta.timestamp }, bytes })
      this.#undo.push(delta)
    }
    this.#undo.splice(0, Math.max(this.#undo.length - Limits.UNDO_BLOCKS, 0))
  }
}

/** The index of the first key that sorts after the given one. */
const firstAfter = (keys: ReadonlyArray<OutPointKey>, after: OutPointKey): number => {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! > after) high = middle
    else low = middle + 1
  }
  return low
}
