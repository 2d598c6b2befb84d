/**
 * Transactions that are not in a block yet, and how far each has come.
 *
 * Every input of the pool is promised to one transaction. What the pool says it also keeps: after a restart it gives the
 * same answers, and it knows which spends this node has approved, so that it never approves a second one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Electorate, IllegalTransition, PoolPhase, ReleaseReason, SpendStep } from "../consensus/SpendPhase.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import type { Height } from "../protocol/Height.ts"
import type { OutPoint, Transaction } from "../protocol/Transaction.ts"
import type { OutPointKey, UtxoState } from "../protocol/Utxo.ts"
import type { Vote } from "../protocol/Vote.ts"
import type { StoreError } from "./ChainStore.ts"
import type { ChainDelta } from "./UtxoStore.ts"

/**
 * The transaction is not taken. `UnknownInput` may pass once its parent has come, and the pool tries it again by itself
 * as long as it has room for orphans; `Full` may pass once there is room. `VotedDown` was rejected by the masternodes.
 */
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
    "VotedDown",
    "Full"
  ]),
  /** Of a `Conflict`: the transaction of the pool that spends the same, when this one is valid but for that. */
  rival: Schema.optionalKey(Schema.String)
}) {}

/** No transaction of that id is in the pool, any more or yet. */
export class NotInPool extends Schema.TaggedError<NotInPool>()("NotInPool", { txid: Schema.String }) {}

/**
 * An approving vote must not be cast. `Conflict`: this node has approved another spend of the same output, `rival`, and
 * never approves a second. `Full`: no more votes can be kept, which passes as blocks confirm what was voted on.
 */
export class VoteRefused extends Schema.TaggedError<VoteRefused>()("VoteRefused", {
  txid: Schema.String,
  reason: Schema.Literals(["NotInPool", "Conflict", "Full"]),
  rival: Schema.optionalKey(Schema.String)
}) {}

export interface PooledTransaction {
  readonly txid: Hash256
  readonly transaction: Transaction
  /** Satoshi. */
  readonly fee: bigint
  readonly phase: PoolPhase
  /** When it came, in seconds. */
  readonly arrivedAt: bigint
  /** Who votes on it; null until the vote has begun. */
  readonly electorate: Electorate | null
}

export interface FinalizedTransaction extends PooledTransaction {
  /** It spends an output of another transaction of the pool, and cannot be in a block with that. */
  readonly waitsForParent: boolean
}

/** Steps that are taken from outside; the others follow from what is submitted and from blocks. */
export type PoolStep = Extract<SpendStep, { readonly _tag: "Poll" | "Count" | "Finalize" | "Release" }>

export type PoolEvent =
  /** `returned` came off the chain with a block; an `orphan` was sent before its parent. */
  | {
      readonly _tag: "Accepted"
      readonly pooled: PooledTransaction
      readonly origin: "submitted" | "orphan" | "returned"
    }
  | { readonly _tag: "Advanced"; readonly pooled: PooledTransaction; readonly step: PoolStep["_tag"] }
  | { readonly _tag: "Released"; readonly pooled: PooledTransaction; readonly reason: ReleaseReason }
  | { readonly _tag: "Mined"; readonly pooled: PooledTransaction; readonly height: Height }
  /** The best chain spends otherwise what it spent, or took away what it spent. */
  | { readonly _tag: "Overruled"; readonly pooled: PooledTransaction; readonly by: Overruling | null }

/** The block, and its transaction, that stand against one of the pool. */
export interface Overruling {
  readonly height: Height
  readonly block: Hash256
  readonly txid: Hash256
}

export class Mempool extends Context.Service<
  Mempool,
  {
    /** Takes a transaction that breaks no rule and promises its inputs to it; `known` says that it was there. */
    readonly submit: (transaction: Transaction) => Effect.Effect<"accepted" | "known", TransactionRejected | StoreError>
    readonly get: (txid: Hash256) => Effect.Effect<PooledTransaction | undefined>
    /** All of the pool, in order of arrival, whatever their phase. */
    readonly pending: Effect.Effect<ReadonlyArray<PooledTransaction>>
    /** Those that are final, in the order of their txids, for whoever makes a block. */
    readonly finalized: Effect.Effect<ReadonlyArray<FinalizedTransaction>>
    /** States that the pool gives to outputs: what it spends, and `Unspent` for what its final transactions made. */
    readonly states: (outpoints: ReadonlyArray<OutPoint>) => Effect.Effect<ReadonlyMap<OutPointKey, UtxoState>>
    /** Takes a transaction one step on, and keeps that before it says so; finality survives a power cut as well. */
    readonly advance: (
      txid: Hash256,
      step: PoolStep
    ) => Effect.Effect<PooledTransaction, IllegalTransition | NotInPool | StoreError>
    /**
     * Keeps this node's approving vote on disk, after which it may be sent. Gives the vote that counts: an earlier one
     * on the same transaction, if there was one.
     */
    readonly pledge: (vote: Vote) => Effect.Effect<Vote, VoteRefused | StoreError>
    /** This node's approving vote on a transaction, also after it has left the pool. */
    readonly ownVote: (txid: Hash256) => Effect.Effect<Vote | undefined, StoreError>
    /** What happens from now on. A slow subscriber loses the oldest events; {@link pending} tells what there is. */
    readonly events: Stream.Stream<PoolEvent>
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
        finalized: Effect.succeed([]),
        states: () => Effect.succeed(new Map()),
        advance: (txid) => Effect.fail(new NotInPool({ txid: toHex(txid) })),
        pledge: (vote) => Effect.succeed(vote),
        ownVote: () => Effect.succeed(undefined),
        events: Stream.empty,
        applied: () => Effect.void,
        ...overrides
      })
    )
}
