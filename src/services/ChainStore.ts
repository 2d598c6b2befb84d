/**
 * The storage port of the chain: blocks, undo data, the confirmed UTXO set and the indexes over them, changed together
 * or not at all.
 *
 * It stores what it is told and knows no rules. One batch is one transaction: after a crash the store holds the whole
 * batch or none of it. Only `Blockchain` writes; everybody may read.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import type { Height } from "../protocol/Height.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import type { OutPointKey, Utxo } from "../protocol/Utxo.ts"

/** The last block of the best chain. */
export interface ChainTip {
  readonly height: Height
  readonly hash: Hash256
  /** Seconds. */
  readonly timestamp: bigint
}

/** A block to connect: what it does, and its wire bytes (a JSON object, no line end). */
export interface ConnectedBlock {
  readonly delta: BlockDelta
  readonly bytes: Uint8Array
}

/** One atomic change of the best chain: blocks taken off its end, then blocks put on. */
export interface ChainBatch {
  /** How many blocks to take off, using the stored undo data. */
  readonly disconnect: number
  /** In order of height. */
  readonly connect: ReadonlyArray<ConnectedBlock>
  /** `durable` survives a power cut when `commit` returns; `batched` may lose the last batches, whole ones, in order. */
  readonly durability: "durable" | "batched"
}

/** Where a transaction of the best chain is: the height of its block, and its place in it. */
export interface TransactionPlace {
  readonly height: Height
  readonly index: number
}

/** A transaction that paid to a script or spent from it. */
export interface HistoryEntry extends TransactionPlace {
  readonly txid: Hash256
}

/** What a chain began with that did not begin with its genesis: a block, and the outputs that were unspent after it. */
export interface SnapshotBase {
  readonly height: Height
  readonly hash: Hash256
  readonly utxoCount: bigint
  /** The hash of the set as `timed` computes it. */
  readonly utxoHash: Hash256
  /** SHA-256 of the outputs as a snapshot has them. Unlike `utxoHash` it covers where each of them ends. */
  readonly coinsHash: Hash256
}

/** The base of a stored chain, and what the replay of the blocks up to it has found. */
export interface StoredBase extends SnapshotBase {
  /** Why the snapshot is false; null as long as that has not been found. */
  readonly refuted: string | null
}

/** The store failed or holds what it cannot hold. `Damaged` needs the operator, who has `timenode chain verify --repair`. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  operation: Schema.String,
  reason: Schema.Literals(["Failed", "Damaged", "InUse", "WrongNetwork", "NewerSchema"]),
  detail: Schema.String
}) {}

export class ChainStore extends Context.Service<
  ChainStore,
  {
    /** Null in a store without a block, which is only a new one. */
    readonly tip: Effect.Effect<ChainTip | null, StoreError>
    /** Hashes of the best chain from `from` on, at most `limit`. */
    readonly hashes: (from: Height, limit: number) => Effect.Effect<ReadonlyArray<Hash256>, StoreError>
    /**
     * Wire bytes of blocks of the best chain, in order: at least one where there is one, then up to both limits, and up
     * to the first that is not here (see `base`).
     */
    readonly blocks: (
      from: Height,
      to: Height,
      limits: { readonly count: number; readonly bytes: number }
    ) => Effect.Effect<ReadonlyArray<Uint8Array>, StoreError>
    /** The outputs among those asked for that are unspent. */
    readonly utxos: (outpoints: ReadonlyArray<OutPoint>) => Effect.Effect<ReadonlyMap<OutPointKey, Utxo>, StoreError>
    readonly utxoCount: Effect.Effect<number, StoreError>
    /** Unspent outputs in the order of their keys, after `after`; a page shorter than `limit` is the last. */
    readonly utxoPage: (after: OutPointKey | null, limit: number) => Effect.Effect<ReadonlyArray<Utxo>, StoreError>
    /** Where a transaction is on the best chain. */
    readonly transaction: (txid: Hash256) => Effect.Effect<TransactionPlace | undefined, StoreError>
    /** Unspent outputs of a script in the order of their keys; a page shorter than `limit` is the last. */
    readonly unspentOf: (
      scriptPubkey: Uint8Array,
      page: { readonly after: OutPointKey | null; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<Utxo>, StoreError>
    /** Transactions that paid to a script or spent from it, newest first; a page shorter than `limit` is the last. */
    readonly history: (
      scriptPubkey: Uint8Array,
      page: { readonly before: TransactionPlace | null; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<HistoryEntry>, StoreError>
    /** Undo data of the last `count` blocks, newest first. */
    readonly undo: (count: number) => Effect.Effect<ReadonlyArray<BlockDelta>, StoreError>
    readonly commit: (batch: ChainBatch) => Effect.Effect<void, StoreError>
    /** The snapshot that the chain began with: blocks 1 to its height are not here. Null where all are. */
    readonly base: Effect.Effect<StoredBase | null>
    /** Notes for good why the snapshot that the chain began with is false. Nothing is committed from then on. */
    readonly refute: (why: string) => Effect.Effect<void, StoreError>
  }
>()("timenode/services/ChainStore") {
  /** An empty store that accepts every batch and keeps nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<ChainStore["Service"]> = {}): Layer.Layer<ChainStore> =>
    Layer.succeed(
      ChainStore,
      ChainStore.of({
        tip: Effect.succeed(null),
        hashes: () => Effect.succeed([]),
        blocks: () => Effect.succeed([]),
        utxos: () => Effect.succeed(new Map()),
        utxoCount: Effect.succeed(0),
        utxoPage: () => Effect.succeed([]),
        transaction: () => Effect.succeed(undefined),
        unspentOf: () => Effect.succeed([]),
        history: () => Effect.succeed([]),
        undo: () => Effect.succeed([]),
        commit: () => Effect.void,
        base: Effect.succeed(null),
        refute: () => Effect.void,
        ...overrides
      })
    )
}
