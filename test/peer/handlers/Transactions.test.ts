import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { bytesEqual } from "../../../src/protocol/ByteArray.ts"
import type { Signature } from "../../../src/protocol/Ed25519.ts"
import { type Hash256, ZERO_HASH } from "../../../src/protocol/Hash.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import type { Message } from "../../../src/protocol/Message.ts"
import { type Transaction, txid } from "../../../src/protocol/Transaction.ts"
import type { Vote } from "../../../src/protocol/Vote.ts"
import { StoreError } from "../../../src/services/ChainStore.ts"
import { Finality } from "../../../src/services/Finality.ts"
import { Mempool, TransactionRejected } from "../../../src/services/Mempool.ts"
import { connection, onlyAnswer, peer, transaction } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const pooled = (transaction: Transaction) => ({
  transaction,
  txid: txid(transaction),
  fee: 1n,
  phase: { _tag: "Locked" as const, at: 0n },
  arrivedAt: 0n,
  electorate: null
})
const broadcast = (transaction: Transaction): Message => ({ _tag: "TransactionBroadcast", transaction })

describe("the pool, told", () => {
  it.effect("in order of arrival", () => {
    const seen = deeds()
    const pending = [transaction(3), transaction(1), transaction(2)]
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetPendingTransactions" }])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "PendingTransactionsResponse").transactions, pending)
    }).pipe(Effect.provide(handling(seen, Mempool.layerTest({ pending: Effect.succeed(pending.map(pooled)) }))))
  })

  it.effect("cut short at whole transactions where it is too large", () => {
    const seen = deeds()
    const bulky = (number: number) => ({
      ...transaction(number),
      outputs: [{ value: transaction(1).outputs[0]!.value, scriptPubkey: new Uint8Array(40_000) }]
    })
    const pending = Array.from({ length: 120 }, (_, number) => pooled(bulky(number)))
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetPendingTransactions" }])
      const answer = seen.sent[0]!.message
      assert.isTrue("byteLength" in answer && answer.byteLength <= Limits.PENDING_TRANSACTIONS_ANSWER)
      const { transactions } = onlyAnswer(seen.sent, "PendingTransactionsResponse")
      assert.isAbove(transactions.length, 100)
      assert.deepStrictEqual(transactions[0], pending[0]!.transaction)
      assert.deepStrictEqual(transactions.at(-1), pending[transactions.length - 1]!.transaction)
    }).pipe(Effect.provide(handling(seen, Mempool.layerTest({ pending: Effect.succeed(pending) }))))
  })
})

describe("transactions from peers", () => {
  it.effect("one that was taken is passed on, but not back, on both directions of a link", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1))], connection({ direction: "inbound" }))
      yield* handle([broadcast(transaction(2))], connection({ direction: "outbound", peer: peer(2) }))
      assert.deepStrictEqual(seen.relayed, [
        [broadcast(transaction(1)), peer(1)],
        [broadcast(transaction(2)), peer(2)]
      ])
      assert.deepStrictEqual(seen.useful, [
        [peer(1), "transaction"],
        [peer(2), "transaction"]
      ])
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("nothing is passed on twice, even if the pool forgot it and takes it again from somebody else", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1))])
      yield* handle([broadcast(transaction(1))])
      yield* handle([broadcast(transaction(1))], connection({ peer: peer(2) }))
      assert.deepStrictEqual(seen.relayed, [[broadcast(transaction(1)), peer(1)]])
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("known and refused ones are not passed on, and a refusal blames nobody", () => {
    const seen = deeds()
    const pool = Mempool.layerTest({
      submit: (submitted) =>
        submitted.outputs[0]!.value === 1n
          ? Effect.succeed("known")
          : Effect.fail(new TransactionRejected({ txid: "", reason: "UnknownInput" }))
    })
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1)), broadcast(transaction(2))])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen, pool)))
  })

  it.effect("one that was refused is passed on when it is taken later", () => {
    const seen = deeds()
    let parentIsHere = false
    const pool = Mempool.layerTest({
      submit: () =>
        Effect.suspend(() =>
          parentIsHere
            ? Effect.succeed("accepted" as const)
            : Effect.fail(new TransactionRejected({ txid: "", reason: "UnknownInput" }))
        )
    })
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1))])
      parentIsHere = true
      yield* handle([broadcast(transaction(1))])
      assert.strictEqual(seen.relayed.length, 1)
    }).pipe(Effect.provide(handling(seen, pool)))
  })

  it.effect("a store that fails is survived", () => {
    const seen = deeds()
    const pool = Mempool.layerTest({
      submit: () => Effect.fail(new StoreError({ operation: "utxos", reason: "Failed", detail: "" }))
    })
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1)), { _tag: "Ping", nonce: 1n, timestamp: 0n }])
      assert.strictEqual(onlyAnswer(seen.sent, "Pong").nonce, 1n)
      assert.deepStrictEqual(seen.relayed, [])
    }).pipe(Effect.provide(handling(seen, pool)))
  })

  it.effect("bare claims about a transaction's fate change nothing and go nowhere", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "TransactionFinalized", txid: ZERO_HASH, votes: 100 },
        { _tag: "TransactionRejected", txid: ZERO_HASH, reason: "because" },
        { _tag: "TransactionVoteRequest", txid: ZERO_HASH },
        { _tag: "UTXOStateUpdate", outpoint: { txid: ZERO_HASH, vout: 0 }, state: { _tag: "Unspent" } },
        { _tag: "Subscribe", subscription: { id: "x", addresses: [], outpoints: [] } },
        { _tag: "Unsubscribe", id: "x" }
      ])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("a valid conflict is voted against, any other refusal is not", () => {
    const seen = deeds()
    const contested: Array<Hash256> = []
    const pool = Mempool.layerTest({
      submit: (submitted) => {
        const rival = submitted.outputs[0]!.value === 1n ? { rival: "aa" } : {}
        return Effect.fail(new TransactionRejected({ txid: "", reason: "Conflict", ...rival }))
      }
    })
    const finality = Finality.layerTest({ contest: (id) => Effect.sync(() => void contested.push(id)) })
    return Effect.gen(function* () {
      yield* handle([broadcast(transaction(1)), broadcast(transaction(2))])
      assert.deepStrictEqual(contested, [txid(transaction(1))])
    }).pipe(Effect.provide(handling(seen, Layer.mergeAll(pool, finality))))
  })

  it.effect("votes are counted for whoever cast them, and ours is told to whoever asks", () => {
    const seen = deeds()
    const vote: Vote = {
      txid: txid(transaction(1)),
      voter: "203.0.113.9",
      approve: true,
      timestamp: 1n,
      signature: new Uint8Array(64) as Signature
    }
    const heard: Array<unknown> = []
    const finality = Finality.layerTest({
      vote: (vote, from) => Effect.sync(() => void heard.push([vote, from])).pipe(Effect.as("counted" as const)),
      ownVote: (id) => Effect.succeed(bytesEqual(id, vote.txid) ? vote : undefined)
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "TransactionVote", vote }])
      assert.deepStrictEqual(heard, [[vote, peer(1)]])
      yield* handle([
        { _tag: "TransactionVoteRequest", txid: vote.txid },
        { _tag: "TransactionVoteRequest", txid: txid(transaction(2)) }
      ])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "TransactionVote").vote, vote)
    }).pipe(Effect.provide(handling(seen, finality)))
  })
})
