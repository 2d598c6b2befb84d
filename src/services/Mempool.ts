/**
 * Transactions that are not in a block yet.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Hash256 } from "../protocol/Hash.ts"
import type { Transaction } from "../protocol/Transaction.ts"
import type { ChainDelta } from "./UtxoStore.ts"
import type { StoreError } from "./ChainStore.ts"

/** The transaction is not taken. `UnknownInput` may pass once its parent has come; `Full` once there is room. */
export class TransactionRejected extends Schema.TaggedError<TransactionRejected>()("TransactionRejected", {
  txid: Schema.String,
  reason: Schema.Literals([
    "NoInputs",
    "NoOutputs",
    "TooLarge",
    "DuplicateInput",
    "UnknownInput",
    "Conflict",
    "ValueOverflow",
    "OutputsExceedInputs",
    "FeeTooLow",
    "UnsignedSpend",
    "Full"
  ])
}) {}

export interface PooledTransaction {
  readonly txid: Hash256
  readonly transaction: Transaction
  /** Satoshi. */
  readonly fee: bigint
}

export class Mempool extends Context.Service<
  Mempool,
  {
    /** Takes a transaction that breaks no rule; `known` says that it was there. */
    readonly submit: (transaction: Transaction) => Effect.Effect<"accepted" | "known", TransactionRejected | StoreError>
    readonly get: (txid: Hash256) => Effect.Effect<PooledTransaction | undefined>
    /** In order of arrival. */
    readonly pending: Effect.Effect<ReadonlyArray<PooledTransaction>>
    /** Drops what the new blocks contain or contradict, and takes back what came off with old ones if it is valid. */
    readonly applied: (delta: ChainDelta) => Effect.Effect<void>
  }
>()("timenode/services/Mempool") {
  /** An empty pool that takes nothing but says it did, except as overridden. */
  static readonly layerTest = (overrides: Partial<Mempool["Service"]> = {}): Layer.Layer<Mempool> =>
    Layer.succeed(
      Mempool,
      Mempool.of({
        submit: () => Effect.succeed("accepted"),
        get: () => Effect.succeed(undefined),
        pending: Effect.succeed([]),
        applied: () => Effect.void,
        ...overrides
      })
    )
}
