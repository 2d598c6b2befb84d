import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as InlineAnswers from "../../src/peer/InlineAnswers.ts"
import { Exchange, type Request, requestTags } from "../../src/protocol/Exchange.ts"
import { sha256, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { InlineAnswers as Answers } from "../../src/services/InlineAnswers.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { plain, said } from "./Fixture.ts"
import { deeds, handle, handling } from "./handlers/Handling.ts"

const hash = sha256(Uint8Array.of(3))
const summary = { height: height(3), hash, count: 9n }
const state = Layer.mergeAll(
  Blockchain.layerTest({
    tip: () => ({ height: height(3), hash, timestamp: 0n }),
    hashAt: (at) => (at === 3n ? hash : undefined)
  }),
  UtxoStore.layerTest({ summary: Effect.succeed(summary), summaryUnsafe: () => summary })
)
const inline = (layer: Layer.Layer<Blockchain | UtxoStore>) =>
  Layer.build(InlineAnswers.layer.pipe(Layer.provide(layer))).pipe(
    Effect.map((context) => Context.get(context, Answers))
  )

const requests: ReadonlyArray<Request> = [
  { _tag: "Ping", nonce: MAX_U64, timestamp: 1n },
  { _tag: "GetBlockHeight" },
  { _tag: "GetBlockHash", height: height(3) },
  { _tag: "GetBlockHash", height: height(MAX_U64) },
  { _tag: "GetUTXOStateHash" }
]

describe("inline answers", () => {
  it.effect("are the handler's, byte for byte", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_999)
      const answer = yield* inline(state)
      yield* handle(requests)
      assert.deepStrictEqual(
        requests.map((request) => plain(answer(request)!)),
        said(seen.sent).map(([, message]) => message)
      )
    }).pipe(Effect.provide(handling(seen, state)))
  })

  it.effect("are given for exactly the exchanges that say so", () =>
    Effect.gen(function* () {
      const answer = yield* inline(state)
      const marked = requestTags.filter((tag) => Exchange[tag].inline)
      assert.deepStrictEqual([...new Set(requests.map(({ _tag }) => _tag))].sort(), [...marked].sort())
      for (const request of requests) assert.isDefined(answer(request))
      assert.isUndefined(answer({ _tag: "GetPeers" }))
      assert.isUndefined(answer({ _tag: "GetBlocks", start: height(0), end: height(1) }))
      assert.isUndefined(answer({ _tag: "ConsensusQuery", height: height(0), blockHash: ZERO_HASH }))
    })
  )

  it.effect("leave the UTXO hash to the handler until it is known, and follow it when it changes", () => {
    let known: typeof summary | undefined
    const coins = UtxoStore.layerTest({ summaryUnsafe: () => known })
    return Effect.gen(function* () {
      const answer = yield* inline(Layer.merge(MockNode.layer, coins))
      assert.isUndefined(answer({ _tag: "GetUTXOStateHash" }))
      known = summary
      const first = answer({ _tag: "GetUTXOStateHash" })!
      assert.strictEqual(answer({ _tag: "GetUTXOStateHash" }), first)
      known = { ...summary, count: 10n }
      assert.deepStrictEqual(plain(answer({ _tag: "GetUTXOStateHash" })!), {
        _tag: "UTXOStateHashResponse",
        hash,
        height: height(3),
        utxoCount: 10n
      })
    })
  })
})
