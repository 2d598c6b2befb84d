/**
 * What every `Mempool` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { toHex, type Hash256 } from "../../src/protocol/Hash.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import type { Utxo } from "../../src/protocol/Utxo.ts"
import { ChainStore, type StoreError } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { coin, owner, spend } from "../fixtures/Blocks.ts"
import { hashOf, link } from "../fixtures/Deltas.ts"

const alice = owner(7)
const bob = owner(8)

/** Coins of alice that the chain holds, worth 1,000,000 satoshi each. */
const VALUE = 1_000_000n
const FEE = 5_000n
const coins = Array.from({ length: 20 }, (_, id) => coin(alice, VALUE, id + 1))
const huge = [coin(alice, MAX_U64, 101), coin(alice, MAX_U64, 102)]
const small = coin(alice, 900n, 103)
const start = link(null, "start", { created: [...coins, ...huge, small] })

const pay = (from: ReadonlyArray<Utxo>, amount = VALUE * BigInt(from.length) - FEE): Transaction =>
  signSpends(
    spend(
      from.map(({ outpoint }) => outpoint),
      [[bob, amount]]
    ),
    alice.key
  )

/** Puts a block on the chain as `Blockchain` does. */
const apply = Effect.fnUntraced(function* (block: ReturnType<typeof link>, disconnect = 0) {
  const store = yield* ChainStore
  const disconnected = yield* store.undo(disconnect)
  yield* store.commit({ disconnect, connect: [block], durability: "batched" })
  const delta = { disconnected, connected: [block.delta] }
  yield* Effect.flatMap(UtxoStore, (utxos) => utxos.applied(delta))
  yield* Effect.flatMap(Mempool, (mempool) => mempool.applied(delta))
})

const submit = (transaction: Transaction) => Effect.flatMap(Mempool, (mempool) => mempool.submit(transaction))

/** The reason for which the transaction is refused. */
const refusal = (transaction: Transaction) =>
  Effect.map(Effect.flip(submit(transaction)), (error) => {
    assert.strictEqual(error._tag, "TransactionRejected")
    if (error._tag !== "TransactionRejected") return undefined
    assert.strictEqual(error.txid, toHex(txid(transaction)))
    return error.reason
  })

const pending = Effect.gen(function* () {
  const mempool = yield* Mempool
  return (yield* mempool.pending).map(({ transaction }) => transaction)
})

export const mempoolSuite = (name: string, layer: Layer.Layer<Mempool | UtxoStore | ChainStore, StoreError>): void => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R | Mempool | UtxoStore | ChainStore>) =>
    Effect.andThen(apply(start), effect).pipe(Effect.provide(layer, { local: true }))

  describe(`${name} is a Mempool`, () => {
    it.effect("keeps transactions in the order of their arrival", () =>
      Effect.gen(function* () {
        const mempool = yield* Mempool
        const transactions = [4, 1, 9, 3].map((index) => pay([coins[index]!]))
        for (const transaction of transactions) assert.strictEqual(yield* submit(transaction), "accepted")
        assert.strictEqual(yield* submit(transactions[1]!), "known")
        assert.deepStrictEqual(yield* pending, transactions)
        const id = txid(transactions[2]!)
        assert.deepStrictEqual(yield* mempool.get(id), { txid: id, transaction: transactions[2]!, fee: FEE })
        assert.isUndefined(yield* mempool.get(hashOf("another")))
      }).pipe(provided)
    )

    it.effect("keeps the first of two that spend the same output", () =>
      Effect.gen(function* () {
        const first = pay([coins[0]!, coins[1]!])
        yield* submit(first)
        assert.strictEqual(yield* refusal(pay([coins[1]!, coins[2]!])), "Conflict")
        assert.strictEqual(yield* submit(pay([coins[2]!])), "accepted")
        assert.strictEqual((yield* pending).length, 2)
      }).pipe(provided)
    )

    it.effect("keeps one of many that spend the same output and come at once", () =>
      Effect.gen(function* () {
        const rivals = Array.from({ length: 30 }, (_, index) => pay([coins[0]!], VALUE - FEE - BigInt(index)))
        const results = yield* Effect.all(
          rivals.map((rival) => Effect.result(submit(rival))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(results.filter((result) => result._tag === "Success").length, 1)
        assert.strictEqual((yield* pending).length, 1)
      }).pipe(provided)
    )

    it.effect("refuses what breaks a rule", () =>
      Effect.gen(function* () {
        const [a, b] = coins as [Utxo, Utxo]
        assert.strictEqual(yield* refusal(spend([], [[bob, 1n]])), "NoInputs")
        assert.strictEqual(yield* refusal(spend([a.outpoint], [])), "NoOutputs")
        assert.strictEqual(yield* refusal(pay([a, a])), "DuplicateInput")
        assert.strictEqual(yield* refusal(pay([a, coin(alice, VALUE, 99)])), "UnknownInput")
        assert.strictEqual(yield* refusal(pay(huge)), "ValueOverflow")
        assert.strictEqual(yield* refusal(pay([a], VALUE + 1n)), "OutputsExceedInputs")
        assert.strictEqual(yield* refusal(spend([b.outpoint], [[bob, VALUE - FEE]])), "UnsignedSpend")
        const stolen = signSpends(spend([a.outpoint], [[bob, VALUE - FEE]]), bob.key)
        assert.strictEqual(yield* refusal(stolen), "UnsignedSpend")
        const large = {
          ...pay([a]),
          inputs: [{ ...pay([a]).inputs[0]!, scriptSig: new Uint8Array(Limits.TRANSACTION_BYTES) }]
        }
        assert.strictEqual(yield* refusal(large), "TooLarge")
        assert.deepStrictEqual(yield* pending, [])
      }).pipe(provided)
    )

    it.effect("wants a thousandth of what is paid as fee, and never nothing", () =>
      Effect.gen(function* () {
        // Of 4,000,000 satoshi this leaves 3,996, a thousandth of what is paid.
        const most = 3_996_004n
        assert.strictEqual(yield* refusal(pay(coins.slice(0, 4), most + 1n)), "FeeTooLow")
        assert.strictEqual(yield* submit(pay(coins.slice(0, 4), most)), "accepted")
        assert.strictEqual(yield* refusal(pay([small], 900n)), "FeeTooLow")
        assert.strictEqual(yield* submit(pay([small], 899n)), "accepted")
      }).pipe(provided)
    )

    it.effect("refuses what spends an output that is promised to another transaction", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        const transaction = pay([coins[0]!])
        const promise = (to: Hash256) =>
          utxos.setState(coins[0]!.outpoint, { _tag: "SpentFinalized", txid: to, finalizedAt: 5n, votes: 3 })
        yield* promise(hashOf("another"))
        assert.strictEqual(yield* refusal(transaction), "Conflict")
        yield* promise(txid(transaction))
        assert.strictEqual(yield* submit(transaction), "accepted")
      }).pipe(provided)
    )

    it.effect("drops what a block contains and what it contradicts, and no more", () =>
      Effect.gen(function* () {
        const included = pay([coins[0]!])
        const contradicted = pay([coins[1]!, coins[2]!])
        const other = pay([coins[3]!])
        for (const transaction of [included, contradicted, other]) yield* submit(transaction)
        yield* apply(link(start.delta, "next", { txids: [txid(included)], spent: coins.slice(0, 2) }))
        assert.deepStrictEqual(yield* pending, [other])
        assert.strictEqual(yield* refusal(included), "UnknownInput")
        assert.strictEqual(yield* submit(pay([coins[2]!])), "accepted")
      }).pipe(provided)
    )

    it.effect("drops what spends an output that went with a block, unless it came again", () =>
      Effect.gen(function* () {
        const made = [coin(alice, VALUE, 50), coin(alice, VALUE, 51)]
        yield* apply(link(start.delta, "next", { created: made }))
        const [gone, stays] = made.map((output) => pay([output])) as [Transaction, Transaction]
        yield* submit(gone)
        yield* submit(stays)
        yield* apply(link(start.delta, "other", { created: made.slice(1) }), 1)
        assert.deepStrictEqual(yield* pending, [stays])
      }).pipe(provided)
    )

    it.effect(
      "is full at its bounds, and has room again when something leaves",
      () =>
        Effect.gen(function* () {
          // Large scripts fill it by bytes long before it is full by number.
          const large = (from: Utxo) => {
            const output = { value: 1n as never, scriptPubkey: new Uint8Array(90_000).fill(200) }
            const base = spend([from.outpoint], [[bob, 1n]])
            return signSpends({ ...base, outputs: [output] }, alice.key)
          }
          const many = Array.from({ length: 200 }, (_, id) => ({
            ...coin(alice, VALUE, 0),
            outpoint: { txid: hashOf("many"), vout: id }
          }))
          const next = link(start.delta, "many", { created: many })
          yield* apply(next)
          let taken = 0
          let reason: unknown
          for (const from of many) {
            const result = yield* Effect.result(submit(large(from)))
            if (result._tag === "Failure") {
              reason = result.failure._tag === "TransactionRejected" && result.failure.reason
              break
            }
            taken++
          }
          assert.strictEqual(reason, "Full")
          assert.strictEqual((yield* pending).length, taken)
          yield* apply(link(next.delta, "spends", { spent: many.slice(0, 1) }))
          assert.strictEqual(yield* submit(large(many[taken]!)), "accepted")
          assert.strictEqual(yield* refusal(large(many[taken + 1]!)), "Full")
        }).pipe(provided),
      30_000
    )
  })
}
