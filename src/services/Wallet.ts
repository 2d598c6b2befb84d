/**
 * The operator's own money: one key, the coins of its address, and payments from them.
 *
 * A wallet spends what is its own, confirmed and promised to no other transaction, and pays change back to itself. Its
 * address is known while it is locked; only paying needs the key.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Address } from "../protocol/Address.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import { formatTime, type InvalidAmount, type Satoshi } from "../protocol/Satoshi.ts"
import type { Transaction } from "../protocol/Transaction.ts"
import type { Utxo } from "../protocol/Utxo.ts"
import type { StoreError, TransactionPlace } from "./ChainStore.ts"
import type { TransactionRejected } from "./Mempool.ts"

/** There is no wallet to use, and the message says what the operator has to do before a retry can help. */
export class WalletUnavailable extends Schema.TaggedError<WalletUnavailable>()("WalletUnavailable", {
  reason: Schema.Literals(["Absent", "Exposed", "Damaged", "OtherNetwork", "NewerVersion", "Failed"]),
  /** The wallet's file, where it has one. */
  file: Schema.NullOr(Schema.String),
  detail: Schema.String
}) {
  override get message(): string {
    return this.file === null ? this.detail : `${this.file}: ${this.detail}`
  }
}

/** The key is sealed. A retry helps once the wallet is unlocked. */
export class WalletLocked extends Schema.TaggedError<WalletLocked>()("WalletLocked", {}) {
  override get message(): string {
    return "the wallet is locked; unlock it with its passphrase first"
  }
}

/** It opens nothing. Trying it again does not help. */
export class WrongPassphrase extends Schema.TaggedError<WrongPassphrase>()("WrongPassphrase", {}) {
  override get message(): string {
    return "the passphrase is not that of the wallet"
  }
}

/** The recipient is no address of this network. */
export class InvalidRecipient extends Schema.TaggedError<InvalidRecipient>()("InvalidRecipient", {
  address: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.address} cannot be paid: ${this.detail}`
  }
}

/**
 * The coins that may be spent do not pay for it. `TooLittle`: there are too few, perhaps until pending ones are in a
 * block. `TooManyCoins`: there are enough, but a transaction takes only so many; merging them helps.
 */
export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  reason: Schema.Literals(["TooLittle", "TooManyCoins"]),
  amount: Schema.BigInt,
  /** The most that can be paid now, satoshi, the fee taken off. */
  payable: Schema.BigInt
}) {
  override get message(): string {
    const most = `at most ${formatTime(this.payable)} TIME can be paid`
    return this.reason === "TooLittle" ? most : `${most} from the coins of one transaction; merge coins first`
  }
}

/**
 * Every selection of coins pays out more than 1 TIME an input, change included. `timed` counts an input as 1 TIME, so
 * that no block of a network with it takes such a transaction; its coins would be promised to it for as long as it waits.
 * Smaller coins help, or asking for it all the same.
 */
export class UnminablePayment extends Schema.TaggedError<UnminablePayment>()("UnminablePayment", {
  inputs: Schema.Int,
  /** By how much the outputs are too high, satoshi. */
  excess: Schema.BigInt
}) {
  override get message(): string {
    return (
      `${this.inputs} inputs would pay out ${formatTime(this.excess)} TIME more than 1 TIME each, change included; ` +
      "no block beside a timed takes that"
    )
  }
}

/** Fewer coins can be merged than were asked for. */
export class NothingToMerge extends Schema.TaggedError<NothingToMerge>()("NothingToMerge", {
  found: Schema.Int,
  least: Schema.Int
}) {
  override get message(): string {
    return `Not enough UTXOs to merge. Found ${this.found}, need at least ${this.least}`
  }
}

export interface WalletStatus {
  readonly address: Address
  readonly label: string | null
  /** Unix time in seconds. */
  readonly createdAt: bigint
  readonly encrypted: boolean
  /** Until when it can pay, Unix time in milliseconds; null while it is locked. One without passphrase never is. */
  readonly unlockedUntil: number | null
}

/** Satoshi. What is confirmed and not promised can be spent. */
export interface WalletBalance {
  /** Own unspent outputs on the best chain. */
  readonly confirmed: bigint
  /** Those of them that transactions of the pool spend. */
  readonly promised: bigint
  /** What transactions of the pool pay to the wallet, its own change included. */
  readonly pending: bigint
}

export interface OwnCoin {
  readonly utxo: Utxo
  /** The transaction of the pool that spends it; null if it can be spent. */
  readonly promisedTo: Hash256 | null
}

/** A transaction that pays to the wallet or spends from it. */
export interface OwnTransaction {
  readonly txid: Hash256
  /** Null while it is in the pool. */
  readonly place: TransactionPlace | null
}

/** A transaction that the pool took and peers were told of. */
export interface SentTransaction {
  readonly txid: Hash256
  readonly transaction: Transaction
  /** Satoshi, as are the next two. */
  readonly fee: bigint
  readonly change: bigint
  /** More than nothing says that no block beside a `timed` takes it. */
  readonly excess: bigint
}

export type SpendError = WalletUnavailable | WalletLocked | UnminablePayment | TransactionRejected | StoreError

export class Wallet extends Context.Service<
  Wallet,
  {
    readonly status: Effect.Effect<WalletStatus, WalletUnavailable>
    readonly balance: Effect.Effect<WalletBalance, WalletUnavailable | StoreError>
    /** Confirmed coins, in the order of their outpoints, at most `Limits.WALLET_COINS`. */
    readonly coins: Effect.Effect<ReadonlyArray<OwnCoin>, WalletUnavailable | StoreError>
    /** Those of the pool, then those of the best chain, newest first. */
    readonly history: (limit: number) => Effect.Effect<ReadonlyArray<OwnTransaction>, WalletUnavailable | StoreError>
    /** Pays an amount, the fee on top. `unminable` sends what {@link UnminablePayment} is about, and logs a warning. */
    readonly pay: (
      to: string,
      amount: Satoshi,
      options?: { readonly unminable?: boolean }
    ) => Effect.Effect<SentTransaction, SpendError | InvalidRecipient | InvalidAmount | InsufficientFunds>
    /** Makes one coin of the smallest: of `least` at least, `most` at most. */
    readonly merge: (options: {
      readonly least: number
      readonly most: number
    }) => Effect.Effect<SentTransaction, SpendError | NothingToMerge>
    /** Lets it pay for some time, a day at most. One without passphrase needs none, and whatever is given is taken. */
    readonly unlock: (
      passphrase: Redacted.Redacted,
      time: Duration.Duration
    ) => Effect.Effect<void, WalletUnavailable | WrongPassphrase>
    readonly lock: Effect.Effect<void>
  }
>()("timenode/services/Wallet") {
  /** No wallet, except as overridden. */
  static readonly layerTest = (overrides: Partial<Wallet["Service"]> = {}): Layer.Layer<Wallet> => {
    const absent = Effect.suspend(() =>
      Effect.fail(new WalletUnavailable({ reason: "Absent", file: null, detail: "there is no wallet" }))
    )
    return Layer.succeed(
      Wallet,
      Wallet.of({
        status: absent,
        balance: absent,
        coins: absent,
        history: () => absent,
        pay: () => absent,
        merge: () => absent,
        unlock: () => absent,
        lock: Effect.void,
        ...overrides
      })
    )
  }
}
