/**
 * `Wallet` over the chain, the pool and whatever holds the key.
 *
 * One payment is made at a time: the next one sees which coins the pool has promised to it. What was submitted is told to
 * peers, come what may.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { planMerge, planPayment, type SpendPlan } from "../consensus/CoinSelection.ts"
import { coinSum } from "../consensus/TransactionRules.ts"
import { addressScript, belongsTo, parseAddress } from "../protocol/Address.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { SigningKey } from "../protocol/Ed25519.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import { formatTime, InvalidAmount, type Satoshi } from "../protocol/Satoshi.ts"
import { signSpends } from "../protocol/Spend.ts"
import { type Transaction, txid as transactionId } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import { ChainStore } from "../services/ChainStore.ts"
import { Gossip } from "../services/Gossip.ts"
import { Mempool, type PooledTransaction } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import {
  InsufficientFunds,
  InvalidRecipient,
  NothingToMerge,
  type OwnCoin,
  type SentTransaction,
  UnminablePayment,
  Wallet,
  type WalletLocked,
  type WalletStatus,
  type WalletUnavailable,
  type WrongPassphrase
} from "../services/Wallet.ts"

/** Who holds the key of a wallet, and when it may be used. */
export interface WalletKeys {
  readonly status: Effect.Effect<WalletStatus, WalletUnavailable>
  /** That of the address in `status`. */
  readonly key: Effect.Effect<SigningKey, WalletUnavailable | WalletLocked>
  readonly unlock: (
    passphrase: Redacted.Redacted,
    time: Duration.Duration
  ) => Effect.Effect<void, WalletUnavailable | WrongPassphrase>
  readonly lock: Effect.Effect<void>
}

/** The wallet whose key that is. */
export const make = Effect.fnUntraced(function* (keys: WalletKeys) {
  const { legacy, network } = yield* NodeConfig
  const store = yield* ChainStore
  const pool = yield* Mempool
  const gossip = yield* Gossip
  const turn = yield* Semaphore.make(1)

  const script = Effect.map(keys.status, ({ address }) => addressScript(address))

  /** Shows own coins page by page, so that others run in between, until there are no more or `use` gives false. */
  const eachPage = Effect.fnUntraced(function* (own: Uint8Array, use: (coins: ReadonlyArray<OwnCoin>) => boolean) {
    // The pool first: the coins of a transaction that is mined in between are gone when the chain is read.
    const promised = promises(yield* pool.pending)
    for (let after: OutPointKey | null = null; ; yield* Effect.yieldNow) {
      const page: ReadonlyArray<Utxo> = yield* store.unspentOf(own, { after, limit: Limits.COINS_PER_READ })
      const goOn = use(page.map((utxo) => ({ utxo, promisedTo: promised.get(outPointKey(utxo.outpoint)) ?? null })))
      if (page.length < Limits.COINS_PER_READ || !goOn) return
      after = outPointKey(page.at(-1)!.outpoint)
    }
  })

  const coinsOf = Effect.fnUntraced(function* (own: Uint8Array) {
    const coins: Array<OwnCoin> = []
    yield* eachPage(own, (page) => coins.push(...page) < Limits.WALLET_COINS)
    return coins
  })

  const spendable = Effect.map(Effect.flatMap(script, coinsOf), (coins) =>
    coins.filter(({ promisedTo }) => promisedTo === null).map(({ utxo }) => utxo)
  )

  const send = Effect.fnUntraced(function* (plan: SpendPlan, key: SigningKey) {
    const timestamp = toUnixSeconds(yield* Clock.currentTimeMillis)
    const transaction = signSpends(transactionOf(plan, timestamp), key)
    const txid = transactionId(transaction)
    yield* pool
      .submit(transaction)
      .pipe(
        Effect.andThen(gossip.relay(toHex(txid), { _tag: "TransactionBroadcast", transaction }, null)),
        Effect.uninterruptible
      )
    const { change, fee } = plan
    const excess = legacy ? plan.excess : 0n
    if (excess > 0n) {
      yield* Effect.logWarning(
        `Sent ${toHex(txid)}, which pays out ${formatTime(excess)} TIME more than 1 TIME an input: no block beside a timed takes it`
      )
    }
    return { txid, transaction, fee, change, excess } satisfies SentTransaction
  })

  /** Plans and sends with no other payment in between; again when a block has taken or brought back a coin meanwhile. */
  const spend = <E extends { readonly _tag: string }>(
    plan: (coins: ReadonlyArray<Utxo>, own: Uint8Array) => Effect.Effect<SpendPlan, E>
  ) =>
    Effect.gen(function* () {
      const key = yield* keys.key
      return yield* send(yield* plan(yield* spendable, yield* script), key)
    }).pipe(Effect.retry({ times: STALE_PLANS, while: isStale }), turn.withPermit)

  return Wallet.of({
    status: keys.status,
    balance: Effect.gen(function* () {
      const own = yield* script
      let confirmed = 0n
      let promised = 0n
      yield* eachPage(own, (page) => {
        confirmed += sumOf(page)
        promised += sumOf(page.filter(({ promisedTo }) => promisedTo !== null))
        return true
      })
      let pending = 0n
      for (const { transaction } of yield* pool.pending) {
        for (const { scriptPubkey, value } of transaction.outputs) if (bytesEqual(scriptPubkey, own)) pending += value
      }
      return { confirmed, promised, pending }
    }),
    coins: Effect.flatMap(script, coinsOf),
    history: Effect.fnUntraced(function* (limit: number) {
      const own = yield* script
      const spenders = new Set<string>()
      yield* eachPage(own, (page) => {
        for (const { promisedTo } of page) if (promisedTo !== null) spenders.add(toHex(promisedTo))
        return true
      })
      const pooled = (yield* pool.pending).filter(
        ({ transaction, txid }) =>
          spenders.has(toHex(txid)) || transaction.outputs.some(({ scriptPubkey }) => bytesEqual(scriptPubkey, own))
      )
      const waiting = pooled.reverse().map(({ txid }) => ({ txid, place: null }))
      const mined = yield* store.history(own, { before: null, limit })
      const placed = mined.map(({ height, index, txid }) => ({ txid, place: { height, index } }))
      return [...waiting, ...placed].slice(0, limit)
    }),
    pay: Effect.fn("Wallet.pay")(function* (to: string, amount: Satoshi, options = {}) {
      const parsed = parseAddress(to)
      if (Result.isFailure(parsed)) {
        return yield* new InvalidRecipient({ address: to.slice(0, Limits.PEER_TEXT), detail: parsed.failure.message })
      }
      if (!belongsTo(parsed.success, network)) {
        return yield* new InvalidRecipient({ address: to, detail: `it is an address of ${parsed.success.network}` })
      }
      if (amount === 0n) return yield* new InvalidAmount({ text: formatTime(amount), reason: "Zero" })
      const minable = legacy && options.unminable !== true
      return yield* spend((coins, own) => {
        const payment = { amount, to: addressScript(to), change: own, belowCeiling: legacy }
        return Effect.fromResult(planPayment(coins, payment)).pipe(
          Effect.mapError(({ _tag, payable }) => new InsufficientFunds({ reason: _tag, amount, payable })),
          Effect.filterOrFail(
            ({ excess }) => excess === 0n || !minable,
            ({ excess, inputs }) => new UnminablePayment({ inputs: inputs.length, excess })
          )
        )
      })
    }),
    merge: Effect.fn("Wallet.merge")(function* ({ least, most }) {
      return yield* spend((coins, own) => {
        const plan = planMerge(coins, { to: own, most, belowCeiling: legacy })
        const found = plan?.inputs.length ?? 0
        return plan === undefined || found < least
          ? Effect.fail(new NothingToMerge({ found, least }))
          : Effect.succeed(plan)
      })
    }),
    unlock: keys.unlock,
    lock: keys.lock
  })
})

// --- internal ---

/** A plan is made again so many times before a refusal is believed. */
const STALE_PLANS = 2

const isStale = (error: { readonly _tag: string }): boolean =>
  error._tag === "TransactionRejected" &&
  "reason" in error &&
  (error.reason === "UnknownInput" || error.reason === "Conflict")

/** Which transaction of the pool spends an output. */
const promises = (pooled: ReadonlyArray<PooledTransaction>): ReadonlyMap<OutPointKey, Hash256> =>
  new Map(
    pooled.flatMap(({ transaction, txid }) =>
      transaction.inputs.map(({ previousOutput }) => [outPointKey(previousOutput), txid] as const)
    )
  )

const sumOf = (coins: ReadonlyArray<OwnCoin>): bigint => coinSum(coins.map(({ utxo }) => utxo))

const transactionOf = ({ inputs, outputs }: SpendPlan, timestamp: bigint): Transaction => ({
  version: 1,
  inputs: inputs.map(({ outpoint }) => ({
    previousOutput: outpoint,
    scriptSig: new Uint8Array(0),
    sequence: 0xffff_ffff
  })),
  outputs,
  lockTime: 0,
  timestamp
})
