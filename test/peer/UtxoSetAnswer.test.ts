import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as UtxoSetAnswer from "../../src/peer/UtxoSetAnswer.ts"
import { sha256 } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { StoreError } from "../../src/services/ChainStore.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"

/** A set of one coin that counts how often it is read; the first reads may fail. */
const world = (failures = 0) => {
  const seen = { reads: 0, tip: 1 }
  const coin = {
    outpoint: { txid: sha256(Uint8Array.of(1)), vout: 0 },
    value: satoshi(1n),
    scriptPubkey: new Uint8Array(0),
    address: ""
  }
  const moved = new StoreError({ operation: "stream", reason: "Failed", detail: "the chain moved" })
  const layer = Layer.mergeAll(
    Blockchain.layerTest({
      tip: () => ({ height: height(seen.tip), hash: sha256(Uint8Array.of(seen.tip)), timestamp: 0n })
    }),
    UtxoStore.layerTest({
      stream: Stream.suspend(() => (++seen.reads <= failures ? Stream.fail(moved) : Stream.make(coin))).pipe(
        Stream.tap(() => Effect.yieldNow)
      )
    })
  )
  return { seen, layer }
}

describe("the UTXO set as an answer", () => {
  it.effect("is written once a tip, whoever asks at the same time", () => {
    const { layer, seen } = world()
    return Effect.gen(function* () {
      const answer = yield* UtxoSetAnswer.make
      const [first, second] = yield* Effect.all([answer, answer], { concurrency: 2 })
      assert.strictEqual(first, second)
      assert.strictEqual(yield* answer, first)
      assert.strictEqual(seen.reads, 1)
      seen.tip = 2
      assert.notStrictEqual(yield* answer, first)
      assert.strictEqual(seen.reads, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is written anew when the chain moved meanwhile, and fails when it always does", () =>
    Effect.gen(function* () {
      const twice = world(2)
      yield* Effect.flatten(UtxoSetAnswer.make).pipe(Effect.provide(twice.layer))
      assert.strictEqual(twice.seen.reads, 3)
      const always = world(Infinity)
      const error = yield* Effect.flatten(UtxoSetAnswer.make).pipe(Effect.provide(always.layer), Effect.flip)
      assert.strictEqual(error.reason, "Failed")
    })
  )
})
