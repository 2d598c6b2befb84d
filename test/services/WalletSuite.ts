/**
 * What every `Wallet` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as SealedWallet from "../../src/layers/SealedWallet.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { addressOf } from "../../src/protocol/Address.ts"
import type { Seed } from "../../src/protocol/Ed25519.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { WALLET_UNLOCKED } from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { mainnet, testnet } from "../../src/protocol/Network.ts"
import { satoshi, SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import type { Utxo } from "../../src/protocol/Utxo.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { Wallet } from "../../src/services/Wallet.ts"
import { coin, owner } from "../fixtures/Blocks.ts"
import { hashOf, link } from "../fixtures/Deltas.ts"

/** What a wallet is built on here. */
export type WalletGround = ChainStore | Mempool | Gossip | NodeConfig

export const PASSPHRASE = Redacted.make("correct horse")

/** Cheap to open. */
const COST: SealedWallet.KdfCost = { n: 1_024, r: 8, p: 1 }

const alice = owner(7)
const bob = owner(8)
const seed = new Uint8Array(32).fill(7) as Seed

/** The wallet of alice. */
export const aliceWallet = (passphrase: Redacted.Redacted | null) =>
  SealedWallet.seal(
    { network: testnet, seed: Redacted.make(seed), address: alice.address, createdAt: 1_764_547_200n, label: "Mine" },
    passphrase,
    COST
  )

class Relayed extends Context.Service<Relayed, Array<readonly [content: string, message: Message]>>()("test/Relayed") {}

/** A pool that takes its time, so that whoever does not wait for it chooses the same coins again. */
const slowPool = Layer.effect(
  Mempool,
  Effect.map(Mempool, (pool) =>
    Mempool.of({
      ...pool,
      submit: (transaction) =>
        Effect.forEach(Array.from({ length: 5 }), () => Effect.yieldNow).pipe(Effect.andThen(pool.submit(transaction)))
    })
  )
).pipe(Layer.provide(MemoryMempool.layer))

const ground = (legacy: boolean) =>
  Layer.effect(
    Gossip,
    Effect.map(Relayed, (relayed) =>
      Gossip.of({
        relay: (content, message, from) =>
          Effect.sync(() => {
            assert.isNull(from)
            relayed.push([content, message])
            return "relayed"
          })
      })
    )
  ).pipe(
    Layer.provideMerge(Layer.sync(Relayed, () => [])),
    Layer.provideMerge(slowPool),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(MemoryChainStore.layer),
    Layer.provideMerge(NodeConfig.layerTest({ legacy }))
  )

const VALUE = SATOSHI_PER_TIME / 2n
const coins = Array.from({ length: 20 }, (_, id) => coin(alice, VALUE, id + 1))
const foreign = coin(bob, 50n * SATOSHI_PER_TIME, 90)
const start = link(null, "start", { created: [...coins, foreign] })

/** Puts a block on the chain as `Blockchain` does. */
const apply = Effect.fnUntraced(function* (block: ReturnType<typeof link>) {
  yield* (yield* ChainStore).commit({ disconnect: 0, connect: [block], durability: "batched" })
  const delta = { disconnected: [], connected: [block.delta] }
  yield* (yield* UtxoStore).applied(delta)
  yield* (yield* Mempool).applied(delta)
})

/** A block with all that waits in the pool. */
const mine = Effect.gen(function* () {
  const pending = yield* (yield* Mempool).pending
  const created = pending.flatMap(({ transaction, txid }) =>
    transaction.outputs.map(({ scriptPubkey, value }, vout): Utxo => ({
      outpoint: { txid, vout },
      value,
      scriptPubkey,
      address: new TextDecoder().decode(scriptPubkey)
    }))
  )
  const outpoints = pending.flatMap(({ transaction }) => transaction.inputs.map((input) => input.previousOutput))
  const spent = [...(yield* (yield* UtxoStore).getMany(outpoints)).values()]
  const spenders = spent.map(({ outpoint }) =>
    pending.findIndex(({ transaction }) =>
      transaction.inputs.some(
        ({ previousOutput }) =>
          previousOutput.vout === outpoint.vout && toHex(previousOutput.txid) === toHex(outpoint.txid)
      )
    )
  )
  yield* apply(link(start.delta, "mined", { txids: pending.map(({ txid }) => txid), created, spent, spenders }))
})

const time = (amount: number) => satoshi(BigInt(Math.round(amount * 1e8)))

export const walletSuite = <E>(
  name: string,
  /** A wallet of that file's content; null for none. */
  layerOf: (wallet: SealedWallet.SealedWallet | null) => Layer.Layer<Wallet, E, WalletGround>
): void => {
  type Services = Layer.Success<ReturnType<typeof ground>> | Wallet | Scope.Scope
  const withWallet = <A, Err>(
    test: Effect.Effect<A, Err, Services>,
    options: { readonly wallet?: Effect.Effect<SealedWallet.SealedWallet | null>; readonly legacy?: boolean } = {}
  ) =>
    Effect.flatMap(options.wallet ?? aliceWallet(null), (wallet) =>
      Effect.andThen(apply(start), test).pipe(
        Effect.provide(layerOf(wallet).pipe(Layer.provideMerge(ground(options.legacy ?? false))), { local: true })
      )
    )

  const pay = (amount: number, options: { readonly unminable?: boolean } = {}) =>
    Effect.flatMap(Wallet, (wallet) => wallet.pay(bob.address, time(amount), options))

  describe(`${name} is a Wallet`, () => {
    it.effect("pays from its own coins, with change to itself, into the pool and to all peers", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        assert.deepStrictEqual(yield* wallet.balance, { confirmed: 20n * VALUE, promised: 0n, pending: 0n })
        const sent = yield* pay(0.7)
        const [toBob, toAlice] = sent.transaction.outputs
        assert.deepStrictEqual([toBob?.value, toAlice?.value], [time(0.7), satoshi(sent.change)])
        assert.strictEqual(new TextDecoder().decode(toAlice?.scriptPubkey), alice.address)
        assert.strictEqual(sent.fee + sent.change + time(0.7), 2n * VALUE)
        assert.deepStrictEqual(sent.txid, txid(sent.transaction))
        assert.deepStrictEqual(
          (yield* (yield* Mempool).pending).map(({ fee }) => fee),
          [sent.fee]
        )
        assert.deepStrictEqual(yield* Relayed, [
          [toHex(sent.txid), { _tag: "TransactionBroadcast", transaction: sent.transaction }]
        ])
        assert.deepStrictEqual(yield* wallet.balance, {
          confirmed: 20n * VALUE,
          promised: 2n * VALUE,
          pending: sent.change
        })
        const promised = (yield* wallet.coins).filter(({ promisedTo }) => promisedTo !== null)
        assert.deepStrictEqual(
          promised.map(({ promisedTo }) => promisedTo),
          [sent.txid, sent.txid]
        )

        yield* mine
        const confirmed = 18n * VALUE + sent.change
        assert.deepStrictEqual(yield* wallet.balance, { confirmed, promised: 0n, pending: 0n })
        const [newest, ...older] = yield* wallet.history(10)
        assert.deepStrictEqual(newest, { txid: sent.txid, place: { height: height(1), index: 0 } })
        assert.isTrue(older.every(({ place }) => place?.height === 0n))
      }).pipe(withWallet)
    )

    it.effect("never promises a coin twice, however many payments are made at once", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        const results = yield* Effect.all(
          Array.from({ length: 25 }, () => Effect.result(pay(0.4))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 20)
        const reasons = results.flatMap((each) => (each._tag === "Failure" ? [each.failure._tag] : []))
        assert.deepStrictEqual(
          reasons,
          Array.from({ length: 5 }, () => "InsufficientFunds")
        )
        const { confirmed, promised } = yield* wallet.balance
        assert.strictEqual(promised, confirmed)
        assert.strictEqual((yield* wallet.history(30)).filter(({ place }) => place === null).length, 20)
        assert.strictEqual((yield* wallet.history(3)).length, 3)
      }).pipe(withWallet)
    )

    it.effect("says why it does not pay", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        const failure = (to: string, amount: bigint) => Effect.flip(wallet.pay(to, satoshi(amount)))
        const misspelt = bob.address.replace(/.$/, (last) => (last === "A" ? "B" : "A"))
        assert.include(yield* failure(misspelt, 1n), { _tag: "InvalidRecipient" })
        const other = addressOf(bob.key.publicKey, mainnet)
        assert.include(yield* failure(other, 1n), { _tag: "InvalidRecipient", detail: "it is an address of mainnet" })
        assert.include(yield* failure(bob.address, 0n), { _tag: "InvalidAmount", reason: "Zero" })
        // Twenty coins of half a TIME, without their fee of a thousandth.
        assert.include(yield* failure(bob.address, time(10)), {
          _tag: "InsufficientFunds",
          reason: "TooLittle",
          payable: 999_000_999n
        })
        assert.deepStrictEqual(yield* Relayed, [])
      }).pipe(withWallet)
    )

    it.effect("beside a timed, sends what cannot be mined only when told to", () =>
      Effect.gen(function* () {
        // Two coins of 0.5 TIME pay out no more than 2 TIME.
        assert.strictEqual((yield* pay(0.7)).excess, 0n)
        const rich = coin(alice, 30n * SATOSHI_PER_TIME, 60)
        yield* apply(link(start.delta, "rich", { created: [rich] }))
        assert.strictEqual((yield* pay(0.7)).excess, 0n)
        const refused = yield* Effect.flip(pay(20))
        assert.strictEqual(refused._tag, "UnminablePayment")
        const sent = yield* pay(20, { unminable: true })
        assert.isAbove(Number(sent.excess), 28 * 1e8)
      }).pipe((test) => withWallet(test, { legacy: true }))
    )

    it.effect("merges the smallest coins", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        yield* apply(
          link(start.delta, "small", { created: [1n, 2n, 3n].map((id) => coin(alice, 1_000n * id, 40 + Number(id))) })
        )
        const sent = yield* wallet.merge({ least: 2, most: 3 })
        assert.deepStrictEqual(
          [sent.transaction.inputs.length, sent.fee + sent.transaction.outputs[0]!.value],
          [3, 6_000n]
        )
        assert.strictEqual(new TextDecoder().decode(sent.transaction.outputs[0]!.scriptPubkey), alice.address)
        const { _tag } = yield* Effect.flip(wallet.merge({ least: 21, most: 100 }))
        assert.strictEqual(_tag, "NothingToMerge")
        assert.strictEqual((yield* wallet.merge({ least: 20, most: 100 })).transaction.inputs.length, 20)
      }).pipe(withWallet)
    )

    it.effect("shows its money while it is locked, and pays none", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        assert.deepStrictEqual(yield* wallet.status, {
          address: alice.address,
          createdAt: 1_764_547_200n,
          label: "Mine",
          encrypted: true,
          unlockedUntil: null
        })
        assert.strictEqual((yield* wallet.balance).confirmed, 20n * VALUE)
        assert.strictEqual((yield* Effect.flip(pay(0.1)))._tag, "WalletLocked")
        assert.strictEqual((yield* Effect.flip(wallet.merge({ least: 1, most: 2 })))._tag, "WalletLocked")
        const wrong = yield* Effect.flip(wallet.unlock(Redacted.make("Correct horse"), Duration.seconds(60)))
        assert.strictEqual(wrong._tag, "WrongPassphrase")
        assert.strictEqual((yield* Effect.flip(pay(0.1)))._tag, "WalletLocked")
        assert.deepStrictEqual(yield* Relayed, [])
      }).pipe((test) => withWallet(test, { wallet: aliceWallet(PASSPHRASE) }))
    )

    it.effect("pays for as long as it was unlocked, and not a moment more", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        yield* wallet.unlock(PASSPHRASE, Duration.seconds(60))
        assert.strictEqual((yield* wallet.status).unlockedUntil, 60_000)
        yield* TestClock.adjust(59_999)
        yield* pay(0.1)
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Effect.flip(pay(0.1)))._tag, "WalletLocked")
        assert.isNull((yield* wallet.status).unlockedUntil)

        // The second time counts, the first one's end does not.
        yield* wallet.unlock(PASSPHRASE, Duration.seconds(10))
        yield* wallet.unlock(PASSPHRASE, Duration.seconds(60))
        yield* TestClock.adjust(30_000)
        yield* pay(0.1)
        yield* wallet.lock
        assert.strictEqual((yield* Effect.flip(pay(0.1)))._tag, "WalletLocked")

        yield* wallet.unlock(PASSPHRASE, Duration.days(1_000))
        yield* TestClock.adjust(WALLET_UNLOCKED)
        assert.strictEqual((yield* Effect.flip(pay(0.1)))._tag, "WalletLocked")
      }).pipe((test) => withWallet(test, { wallet: aliceWallet(PASSPHRASE) }))
    )

    it.effect("without passphrase is always open", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        yield* wallet.unlock(Redacted.make("anything"), Duration.seconds(1))
        yield* wallet.lock
        assert.include(yield* wallet.status, { encrypted: false, unlockedUntil: Number.POSITIVE_INFINITY })
        yield* pay(0.1)
      }).pipe(withWallet)
    )

    it.effect("that is not there fails every use", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        const uses = [
          wallet.status,
          wallet.balance,
          wallet.coins,
          wallet.history(1),
          pay(0.1),
          wallet.merge({ least: 1, most: 2 }),
          wallet.unlock(PASSPHRASE, Duration.seconds(1))
        ]
        for (const use of uses) {
          assert.include(yield* Effect.flip(use as Effect.Effect<unknown, unknown, Wallet>), {
            _tag: "WalletUnavailable",
            reason: "Absent"
          })
        }
      }).pipe((test) => withWallet(test, { wallet: Effect.succeed(null) }))
    )

    it.effect("looks at its coins in the order of their outpoints, whoever else has some", () =>
      Effect.gen(function* () {
        const wallet = yield* Wallet
        const ids = (yield* wallet.coins).map(({ utxo }) => toHex(utxo.outpoint.txid))
        assert.deepStrictEqual(ids, coins.map(({ outpoint }) => toHex(outpoint.txid)).sort())
        assert.notInclude(ids, toHex(hashOf("start")))
      }).pipe(withWallet)
    )
  })
}
