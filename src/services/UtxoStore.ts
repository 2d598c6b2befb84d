/**
 * The coins as handlers, rules, RPC and wallet see them: the confirmed set of {@link ./ChainStore.ts}, and who spent what
 * is no longer in it. What transactions that are in no block want to spend is the matter of {@link ./Mempool.ts}.
 *
 * A layer of your own replaces the view, for instance with an index or a cache; it never replaces durability, which is
 * the chain store's. `Blockchain` computes a block through this view, commits it to the store, then calls `applied`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { sha256, type Hash256 } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import type { OutPoint, Transaction } from "../protocol/Transaction.ts"
import type { OutPointKey, Utxo } from "../protocol/Utxo.ts"
import type { OutPointState } from "../protocol/Message.ts"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import type { StoreError } from "./ChainStore.ts"

/** The UTXO set at one height: its hash as `timed` computes it, and its size. */
export interface UtxoSetSummary {
  readonly height: Height
  readonly hash: Hash256
  readonly count: bigint
}

/** Blocks that came off the best chain, newest first, and those that were put on, oldest first. */
export interface ChainDelta {
  readonly disconnected: ReadonlyArray<BlockDelta>
  readonly connected: ReadonlyArray<BlockDelta>
  /** Transactions of the blocks that came off, oldest first, without those of the new blocks. Absent: none. */
  readonly returned?: ReadonlyArray<Transaction>
}

export class UtxoStore extends Context.Service<
  UtxoStore,
  {
    readonly get: (outpoint: OutPoint) => Effect.Effect<Utxo | undefined, StoreError>
    readonly getMany: (outpoints: ReadonlyArray<OutPoint>) => Effect.Effect<ReadonlyMap<OutPointKey, Utxo>, StoreError>
    /**
     * What the chain says of outputs, in the order asked: `Unspent`, or `Confirmed` for those that its last blocks have
     * spent. Others are left out. What the pool says of them is the pool's to tell.
     */
    readonly states: (outpoints: ReadonlyArray<OutPoint>) => Effect.Effect<ReadonlyArray<OutPointState>, StoreError>
    /** Computed once a tip and then remembered. */
    readonly summary: Effect.Effect<UtxoSetSummary, StoreError>
    /** The remembered summary of the current tip, if it was asked for since the tip changed. For callbacks. */
    readonly summaryUnsafe: () => UtxoSetSummary | undefined
    /** The whole confirmed set in key order. */
    readonly stream: Stream.Stream<Utxo, StoreError>
    /** The best chain has changed and is stored. Called by `Blockchain` alone. */
    readonly applied: (delta: ChainDelta) => Effect.Effect<void>
  }
>()("timenode/services/UtxoStore") {
  /** An empty set, except as overridden. */
  static readonly layerTest = (overrides: Partial<UtxoStore["Service"]> = {}): Layer.Layer<UtxoStore> => {
    const summary: UtxoSetSummary = { height: height(0), hash: sha256(new Uint8Array(0)), count: 0n }
    return Layer.succeed(
      UtxoStore,
      UtxoStore.of({
        get: () => Effect.succeed(undefined),
        getMany: () => Effect.succeed(new Map()),
        states: () => Effect.succeed([]),
        summary: Effect.succeed(summary),
        summaryUnsafe: () => summary,
        stream: Stream.empty,
        applied: () => Effect.void,
        ...overrides
      })
    )
  }
}
