import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { sha256 } from "../../../src/protocol/Hash.ts"
import { height } from "../../../src/protocol/Height.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { satoshi } from "../../../src/protocol/Satoshi.ts"
import type { OutPoint } from "../../../src/protocol/Transaction.ts"
import { outPointKey, type Utxo, type UtxoState } from "../../../src/protocol/Utxo.ts"
import { StoreError } from "../../../src/services/ChainStore.ts"
import { Mempool } from "../../../src/services/Mempool.ts"
import { UtxoStore } from "../../../src/services/UtxoStore.ts"
import { onlyAnswer, said } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const outpoint = (vout: number): OutPoint => ({ txid: sha256(Uint8Array.of(1)), vout })
const utxo = (vout: number): Utxo => ({
  outpoint: outpoint(vout),
  value: satoshi(BigInt(vout)),
  scriptPubkey: new Uint8Array(20_000),
  address: ""
})

describe("answers about coins", () => {
  it.effect("states are the store's, in its order, unknown ones left out", () => {
    const seen = deeds()
    const store = UtxoStore.layerTest({
      states: (asked) =>
        Effect.succeed(
          asked.filter(({ vout }) => vout !== 1).map((outpoint) => ({ outpoint, state: { _tag: "Unspent" } }))
        )
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "UTXOStateQuery", outpoints: [outpoint(2), outpoint(1), outpoint(0)] }])
      assert.deepStrictEqual(
        onlyAnswer(seen.sent, "UTXOStateResponse").states.map((entry) => entry.outpoint.vout),
        [2, 0]
      )
    }).pipe(Effect.provide(handling(seen, store)))
  })

  it.effect("a block has the last word on a state, then the pool, then the set of the unspent", () => {
    const seen = deeds()
    const txid = sha256(Uint8Array.of(5))
    const confirmed: UtxoState = { _tag: "Confirmed", txid, blockHeight: height(3), confirmedAt: 1n }
    const final: UtxoState = { _tag: "SpentFinalized", txid, finalizedAt: 2n, votes: 3 }
    const unspent: UtxoState = { _tag: "Unspent" }
    const onChain = new Map<number, UtxoState>([
      [0, unspent],
      [1, confirmed],
      [2, unspent]
    ])
    const store = UtxoStore.layerTest({
      states: (asked) =>
        Effect.succeed(
          asked.flatMap((outpoint) => {
            const state = onChain.get(outpoint.vout)
            return state === undefined ? [] : [{ outpoint, state }]
          })
        )
    })
    const pool = Mempool.layerTest({
      states: () => Effect.succeed(new Map([1, 2, 3].map((vout) => [outPointKey(outpoint(vout)), final])))
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "UTXOStateQuery", outpoints: [4, 3, 2, 1, 0].map(outpoint) }])
      assert.deepStrictEqual(
        onlyAnswer(seen.sent, "UTXOStateResponse").states.map(({ outpoint, state }) => [outpoint.vout, state._tag]),
        [
          [3, "SpentFinalized"],
          [2, "SpentFinalized"],
          [1, "Confirmed"],
          [0, "Unspent"]
        ]
      )
    }).pipe(Effect.provide(handling(seen, Layer.mergeAll(store, pool))))
  })

  it.effect("of a very long query only the first outpoints are looked up", () => {
    const seen = deeds()
    let asked = 0
    const store = UtxoStore.layerTest({
      states: (outpoints) =>
        Effect.sync(() => {
          asked = outpoints.length
          return []
        })
    })
    return Effect.gen(function* () {
      const outpoints = Array.from({ length: Limits.OUTPOINTS_PER_QUERY + 5 }, (_, vout) => outpoint(vout))
      yield* handle([{ _tag: "UTXOStateQuery", outpoints }])
      assert.strictEqual(asked, Limits.OUTPOINTS_PER_QUERY)
    }).pipe(Effect.provide(handling(seen, store)))
  })

  it.effect("the hash of the set comes with its height and size", () => {
    const seen = deeds()
    const hash = sha256(Uint8Array.of(9))
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetUTXOStateHash" }])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "UTXOStateHashResponse"), {
        _tag: "UTXOStateHashResponse",
        hash,
        height: height(7),
        utxoCount: 12n
      })
    }).pipe(
      Effect.provide(
        handling(seen, UtxoStore.layerTest({ summary: Effect.succeed({ hash, height: height(7), count: 12n }) }))
      )
    )
  })

  it.effect("the whole set, in the store's order", () => {
    const seen = deeds()
    const coins = [utxo(10), utxo(2), utxo(3)]
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetUTXOSet" }])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "UTXOSetResponse").utxos, coins)
    }).pipe(Effect.provide(handling(seen, UtxoStore.layerTest({ stream: Stream.fromIterable(coins) }))))
  })

  it.effect("a set that is too large is cut short at whole outputs, and reading stops there", () => {
    const seen = deeds()
    let read = 0
    // Each output takes some 40 kB on the wire, so that about 800 fit.
    const stream = Stream.mapEffect(Stream.range(0, 1_000_000), (vout) =>
      Effect.sync(() => {
        read++
        return utxo(vout)
      })
    )
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetUTXOSet" }])
      const answer = seen.sent[0]!.message
      assert.isTrue("byteLength" in answer && answer.byteLength <= Limits.UTXO_SET_ANSWER)
      assert.isTrue("byteLength" in answer && answer.byteLength > Limits.UTXO_SET_ANSWER - 50_000)
      const { utxos } = onlyAnswer(seen.sent, "UTXOSetResponse")
      assert.deepStrictEqual(
        utxos.map(({ outpoint }) => outpoint.vout),
        utxos.map((_, index) => index)
      )
      assert.isAtMost(read, utxos.length + 100)
    }).pipe(Effect.provide(handling(seen, UtxoStore.layerTest({ stream }))))
  })

  it.effect("a store that fails answers nothing and is survived", () => {
    const seen = deeds()
    const failure = new StoreError({ operation: "utxos", reason: "Damaged", detail: "page 3" })
    const store = UtxoStore.layerTest({
      states: () => Effect.fail(failure),
      summary: Effect.fail(failure),
      stream: Stream.fail(failure)
    })
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "UTXOStateQuery", outpoints: [] },
        { _tag: "GetUTXOStateHash" },
        { _tag: "GetUTXOSet" },
        { _tag: "Ping", nonce: 1n, timestamp: 0n }
      ])
      assert.deepStrictEqual(
        said(seen.sent).map(([, { _tag }]) => _tag),
        ["Pong"]
      )
    }).pipe(Effect.provide(handling(seen, store)))
  })
})
