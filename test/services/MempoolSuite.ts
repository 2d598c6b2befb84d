/**
 * What every `Mempool` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { bytesEqual, compareBytes } from "../../src/protocol/ByteArray.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import type { ChainStore, StoreError } from "../../src/services/ChainStore.ts"
import { Mempool, type PoolEvent } from "../../src/services/Mempool.ts"
import type { UtxoStore } from "../../src/services/UtxoStore.ts"
import { coin, spend } from "../fixtures/Blocks.ts"
import { hashOf, link } from "../fixtures/Deltas.ts"
import {
  alice,
  apply,
  approval,
  bob,
  coins,
  electorate,
  FEE,
  finalize,
  huge,
  outputOf,
  pay,
  small,
  start,
  submit,
  VALUE
} from "../fixtures/PoolWorld.ts"

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

/** The next events of the pool, so many of them. */
const eventsOf = Effect.fnUntraced(function* (count: number) {
  const pool = yield* Mempool
  const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.take(pool.events, count)))
  // Lets it subscribe.
  for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
  return fiber as Fiber.Fiber<ReadonlyArray<PoolEvent>>
})

export const mempoolSuite = (name: string, layer: Layer.Layer<Mempool | UtxoStore | ChainStore, StoreError>): void => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R | Mempool | UtxoStore | ChainStore>) =>
    Effect.andThen(apply([start]), effect).pipe(Effect.provide(layer, { local: true }))

  describe(`${name} is a Mempool`, () => {
    it.effect("keeps transactions in the order of their arrival", () =>
      Effect.gen(function* () {
        const mempool = yield* Mempool
        const transactions = [4, 1, 9, 3].map((index) => pay([coins[index]!]))
        for (const transaction of transactions) assert.strictEqual(yield* submit(transaction), "accepted")
        assert.strictEqual(yield* submit(transactions[1]!), "known")
        assert.deepStrictEqual(yield* pending, transactions)
        const id = txid(transactions[2]!)
        assert.deepStrictEqual(yield* mempool.get(id), {
          txid: id,
          transaction: transactions[2]!,
          fee: FEE,
          phase: { _tag: "Locked", at: 0n },
          arrivedAt: 0n,
          electorate: null
        })
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

    it.effect("drops what a block contains and what it contradicts, and no more", () =>
      Effect.gen(function* () {
        const included = pay([coins[0]!])
        const contradicted = pay([coins[1]!, coins[2]!])
        const other = pay([coins[3]!])
        for (const transaction of [included, contradicted, other]) yield* submit(transaction)
        yield* apply([link(start.delta, "next", { txids: [txid(included)], spent: coins.slice(0, 2) })])
        assert.deepStrictEqual(yield* pending, [other])
        assert.strictEqual(yield* refusal(included), "UnknownInput")
        assert.strictEqual(yield* submit(pay([coins[2]!])), "accepted")
      }).pipe(provided)
    )

    it.effect("drops what spends an output that went with a block, unless it came again", () =>
      Effect.gen(function* () {
        const made = [coin(alice, VALUE, 50), coin(alice, VALUE, 51)]
        yield* apply([link(start.delta, "next", { created: made })])
        const [gone, stays] = made.map((output) => pay([output])) as [Transaction, Transaction]
        yield* submit(gone)
        yield* submit(stays)
        yield* apply([link(start.delta, "other", { created: made.slice(1) })], 1)
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
          yield* apply([next])
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
          yield* apply([link(next.delta, "spends", { spent: many.slice(0, 1) })])
          assert.strictEqual(yield* submit(large(many[taken]!)), "accepted")
          assert.strictEqual(yield* refusal(large(many[taken + 1]!)), "Full")
        }).pipe(provided),
      30_000
    )

    it.effect("names the rival of a valid conflict, and none of an invalid one", () =>
      Effect.gen(function* () {
        const first = pay([coins[0]!])
        yield* submit(first)
        const rival = (transaction: Transaction) =>
          Effect.map(Effect.flip(submit(transaction)), (error) =>
            error._tag === "TransactionRejected" ? [error.reason, error.rival] : []
          )
        assert.deepStrictEqual(yield* rival(pay([coins[0]!], 7n)), ["Conflict", toHex(txid(first))])
        assert.deepStrictEqual(yield* rival(spend([coins[0]!.outpoint], [[bob, 7n]])), ["UnsignedSpend", undefined])
        assert.deepStrictEqual(yield* rival(pay([coins[0]!, coin(alice, 5n, 99)])), ["Conflict", undefined])
      }).pipe(provided)
    )

    it.effect("knows a transaction that is signed otherwise", () =>
      Effect.gen(function* () {
        const transaction = pay([coins[0]!])
        yield* submit(transaction)
        const input = transaction.inputs[0]!
        const resigned = { ...transaction, inputs: [{ ...input, scriptSig: input.scriptSig.slice(1) }] }
        assert.isFalse(bytesEqual(txid(resigned), txid(transaction)))
        assert.strictEqual(yield* submit(resigned), "known")
        assert.deepStrictEqual(yield* pending, [transaction])
      }).pipe(provided)
    )

    it.effect("says of its inputs how far their spend has come, and refuses steps that do not follow", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const transaction = pay([coins[0]!, coins[1]!])
        const id = txid(transaction)
        const state = Effect.map(pool.states([coins[1]!.outpoint, coins[2]!.outpoint]), (states) => [
          ...states.entries()
        ])
        const is = (expected: object) => [[outPointKey(coins[1]!.outpoint), { txid: id, ...expected }]]
        assert.deepStrictEqual(yield* state, [])
        yield* submit(transaction)
        assert.deepStrictEqual(yield* state, is({ _tag: "Locked", lockedAt: 0n }) as never)
        const early = yield* Effect.flip(pool.advance(id, { _tag: "Finalize", votes: 3, at: 5n }))
        assert.strictEqual(early._tag, "IllegalTransition")
        yield* pool.advance(id, { _tag: "Poll", electorate: electorate(4), at: 5n })
        yield* pool.advance(id, { _tag: "Count", votes: 2 })
        assert.deepStrictEqual(
          yield* state,
          is({ _tag: "SpentPending", votes: 2, totalNodes: 4, spentAt: 5n }) as never
        )
        assert.deepStrictEqual((yield* pool.get(id))?.electorate, electorate(4))
        const few = yield* Effect.flip(pool.advance(id, { _tag: "Finalize", votes: 2, at: 6n }))
        assert.strictEqual(few._tag, "IllegalTransition")
        yield* pool.advance(id, { _tag: "Finalize", votes: 3, at: 6n })
        assert.deepStrictEqual(yield* state, is({ _tag: "SpentFinalized", finalizedAt: 6n, votes: 3 }) as never)
        const late = yield* Effect.flip(pool.advance(id, { _tag: "Release", reason: "Expired" }))
        assert.strictEqual(late._tag, "IllegalTransition")
        const unknown = yield* Effect.flip(pool.advance(hashOf("x"), { _tag: "Release", reason: "Expired" }))
        assert.strictEqual(unknown._tag, "NotInPool")
      }).pipe(provided)
    )

    it.effect("frees what was voted down, and does not take it again", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const transaction = pay([coins[0]!])
        yield* submit(transaction)
        yield* pool.advance(txid(transaction), { _tag: "Release", reason: "Rejected" })
        assert.deepStrictEqual(yield* pending, [])
        assert.strictEqual(yield* refusal(transaction), "VotedDown")
        assert.strictEqual(yield* submit(pay([coins[0]!], 7n)), "accepted")
      }).pipe(provided)
    )

    it.effect("takes children of final parents alone, and says which of them cannot be mined yet", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const parent = pay([coins[0]!], VALUE - FEE, alice)
        const child = pay([outputOf(parent), coins[1]!])
        yield* submit(parent)
        assert.strictEqual(yield* refusal(child), "UnknownInput")
        yield* finalize(parent)
        // It was kept as an orphan, and its time has come.
        assert.deepStrictEqual(yield* pending, [parent, child])
        assert.deepStrictEqual([...(yield* pool.states([outputOf(child).outpoint])).values()], [])
        yield* finalize(child)
        assert.deepStrictEqual([...(yield* pool.states([outputOf(child).outpoint])).values()], [{ _tag: "Unspent" }])
        const others = [pay([coins[2]!]), pay([coins[3]!]), pay([coins[4]!])]
        for (const other of others) yield* submit(other)
        for (const other of others.slice(1)) yield* finalize(other)
        const final = yield* pool.finalized
        assert.deepStrictEqual(
          final.map(({ transaction, waitsForParent }) => [toHex(txid(transaction)), waitsForParent]),
          [parent, child, ...others.slice(1)]
            .map((transaction) => ({ transaction, id: txid(transaction) }))
            .sort((a, b) => compareBytes(a.id, b.id))
            .map(({ id, transaction }) => [toHex(id), transaction === child])
        )
        yield* apply([
          link(start.delta, "next", { txids: [txid(parent)], spent: [coins[0]!], created: [outputOf(parent)] })
        ])
        assert.isFalse((yield* pool.finalized).some(({ waitsForParent }) => waitsForParent))
        // The confirmed parent has not freed what the final child spends.
        assert.strictEqual(
          (yield* pool.states([outputOf(parent).outpoint])).get(outPointKey(outputOf(parent).outpoint))?._tag,
          "SpentFinalized"
        )
        assert.strictEqual(yield* refusal(pay([outputOf(parent)])), "Conflict")
      }).pipe(provided)
    )

    it.effect("tries an orphan again when a block brings its parent, and forgets the oldest of too many", () =>
      Effect.gen(function* () {
        const [first, second] = [pay([coins[0]!], VALUE - FEE, alice), pay([coins[1]!], VALUE - FEE, alice)]
        const [forgotten, kept] = [pay([outputOf(first)]), pay([outputOf(second)])]
        assert.strictEqual(yield* refusal(forgotten), "UnknownInput")
        assert.strictEqual(yield* refusal(kept), "UnknownInput")
        for (let id = 0; id < Limits.ORPHAN_TRANSACTIONS - 1; id++) {
          yield* Effect.ignore(submit(spend([{ txid: hashOf(`stranger ${id}`), vout: 0 }], [[bob, 1n]])))
        }
        const parents = [first, second]
        yield* apply([
          link(start.delta, "next", {
            txids: parents.map(txid),
            spent: coins.slice(0, 2),
            spenders: [0, 1],
            created: parents.map(outputOf)
          })
        ])
        assert.deepStrictEqual(yield* pending, [kept])
      }).pipe(provided)
    )

    it.effect("gives way to a block that spends otherwise, with all that was built on it, and gives evidence", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const parent = pay([coins[0]!, coins[1]!], VALUE, alice)
        const child = pay([outputOf(parent)])
        const bystander = pay([coins[2]!])
        yield* submit(parent)
        yield* finalize(parent)
        yield* submit(child)
        yield* submit(bystander)
        const events = yield* eventsOf(2)
        const rival = link(start.delta, "rival", { txids: [hashOf("rival spend")], spent: [coins[1]!] })
        yield* apply([rival])
        assert.deepStrictEqual(yield* pending, [bystander])
        const by = { height: rival.delta.height, block: rival.delta.hash, txid: hashOf("rival spend") }
        assert.deepStrictEqual(
          (yield* Fiber.join(events)).map((event) => [
            event._tag,
            event.pooled.transaction,
            (event as { by?: unknown }).by
          ]),
          [
            ["Overruled", parent, by],
            ["Overruled", child, by]
          ]
        )
        // The other input of what was overruled is free again.
        assert.strictEqual((yield* pool.states([coins[0]!.outpoint])).size, 0)
        assert.strictEqual(yield* submit(pay([coins[0]!])), "accepted")
      }).pipe(provided)
    )

    it.effect("takes back what comes off with a block, as final as it was", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const final = pay([coins[0]!], VALUE - FEE, alice)
        const open = pay([coins[1]!])
        const child = pay([outputOf(final)])
        yield* submit(final)
        yield* finalize(final)
        yield* submit(open)
        yield* submit(child)
        const block = link(start.delta, "next", {
          txids: [txid(final), txid(open)],
          spent: [coins[0]!, coins[1]!],
          spenders: [0, 1],
          created: [outputOf(final), outputOf(open)]
        })
        yield* apply([block])
        assert.deepStrictEqual(yield* pending, [child])
        yield* apply([link(start.delta, "other"), link(link(start.delta, "other").delta, "longer")], 1, [final, open])
        assert.deepStrictEqual(yield* pending, [child, final, open])
        assert.strictEqual((yield* pool.get(txid(final)))?.phase._tag, "SpentFinalized")
        assert.strictEqual((yield* pool.get(txid(open)))?.phase._tag, "Locked")
      }).pipe(provided)
    )

    it.effect("gives up what nobody decides about, but not what this node has approved", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const [forgotten, approved, final] = [pay([coins[0]!]), pay([coins[1]!]), pay([coins[2]!])]
        for (const transaction of [forgotten, approved, final]) yield* submit(transaction)
        yield* pool.pledge(approval(approved))
        yield* finalize(final)
        yield* TestClock.adjust(Limits.PENDING_EXPIRY - Limits.EXPIRY_INTERVAL)
        assert.strictEqual(yield* refusal(pay([coins[0]!], 7n)), "Conflict")
        yield* TestClock.adjust(2 * Limits.EXPIRY_INTERVAL)
        const other = pay([coins[0]!], 7n)
        assert.strictEqual(yield* submit(other), "accepted")
        assert.deepStrictEqual(yield* pending, [approved, final, other])
      }).pipe(provided)
    )

    it.effect("approves one spend of an output and no other, whatever became of the first", () =>
      Effect.gen(function* () {
        const pool = yield* Mempool
        const [first, second] = [pay([coins[0]!, coins[1]!]), pay([coins[1]!, coins[2]!])]
        const refused = Effect.map(Effect.flip(pool.pledge(approval(second))), (error) =>
          error._tag === "VoteRefused" ? [error.reason, error.rival] : []
        )
        yield* submit(first)
        const vote = approval(first)
        assert.deepStrictEqual(yield* pool.pledge(vote), vote)
        // What was said once is said again, word for word.
        assert.deepStrictEqual(yield* pool.pledge(approval(first, 77n)), vote)
        assert.deepStrictEqual(yield* pool.ownVote(txid(first)), vote)
        assert.deepStrictEqual(yield* refused, ["NotInPool", undefined])
        yield* pool.advance(txid(first), { _tag: "Release", reason: "Rejected" })
        yield* submit(second)
        assert.deepStrictEqual(yield* refused, ["Conflict", toHex(txid(first))])
        assert.isUndefined(yield* pool.ownVote(txid(second)))
        // A block that spends the output frees the vote once it can no longer come off.
        let tip = link(start.delta, "spends", { spent: [coins[0]!, coins[1]!] })
        yield* apply([tip])
        for (let at = 1; at <= Limits.REORG_DEPTH; at++) {
          assert.deepStrictEqual(yield* pool.ownVote(txid(first)), vote)
          tip = link(tip.delta, `later ${at}`)
          yield* apply([tip])
        }
        assert.isUndefined(yield* pool.ownVote(txid(first)))
      }).pipe(provided)
    )
  })
}
