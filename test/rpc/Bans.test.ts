/**
 * Bans and disconnections by the operator, over a real guard, and connections in memory that they close.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { limitNames } from "../../src/protocol/PeerBudget.ts"
import { dispatch } from "../../src/rpc/Dispatch.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { dialIn, joinIn, node, settle } from "../peer/Session.ts"
import { peer } from "../peer/Fixture.ts"

const CONFIGURED = peer(250)
const config = NodeConfig.layerTest({ peers: [{ peer: CONFIGURED, port: 24_100 }] })
const operated = Layer.merge(
  node(Layer.merge(config, MemoryPeerGuard.layer.pipe(Layer.provide(config)))),
  NodeLifecycle.layer
)

const call = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })), (text) => JSON.parse(text!))
const result = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(call(method, ...params), (answer) => {
    assert.isUndefined(answer.error, JSON.stringify(answer))
    return answer.result
  })
const error = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(call(method, ...params), (answer) => [answer.error?.code, answer.error?.message])

const test = <A, E>(text: string, program: Effect.Effect<A, E, Layer.Success<typeof operated>>) =>
  it.effect(text, () =>
    Effect.andThen(TestClock.setTime(1_700_000_000_500), program.pipe(Effect.provide(operated, { local: true })))
  )

describe("setban", () => {
  test(
    "closes the peer's connection and keeps it out for as long as it says, a day by itself",
    Effect.gen(function* () {
      const remote = yield* joinIn(peer(1))
      assert.strictEqual(yield* result("setban", peer(1), "add", 60), null)
      assert.strictEqual(yield* result("setban", peer(2), "add"), null)
      assert.strictEqual(yield* result("setban", `[::ffff:${peer(3)}]`, "add", 0), null)
      yield* settle
      assert.isTrue(remote.isClosed)
      const day = Limits.MANUAL_BAN_DURATION / 1_000
      const banned = (number: number, seconds: number) => ({
        address: peer(number),
        ban_created: 1_700_000_000,
        banned_until: 1_700_000_000 + seconds,
        reason: "manual"
      })
      assert.deepStrictEqual(yield* result("listbanned"), [banned(1, 60), banned(2, day), banned(3, day)])
      const again = yield* dialIn(peer(1))
      yield* settle
      assert.isTrue(again.isClosed)
      yield* TestClock.adjust("60 seconds")
      assert.isFalse((yield* joinIn(peer(1))).isClosed)
    })
  )

  test(
    "remove lets the peer in again, and says when there was nothing to remove",
    Effect.gen(function* () {
      yield* result("setban", peer(1), "add")
      assert.strictEqual(yield* result("setban", peer(1), "remove"), null)
      assert.isFalse((yield* joinIn(peer(1))).isClosed)
      assert.deepStrictEqual(yield* error("setban", peer(1), "remove"), [-5, `Not banned: ${peer(1)}`])
    })
  )

  test(
    "refuses what it cannot do",
    Effect.gen(function* () {
      const [code, message] = yield* error("setban", CONFIGURED, "add")
      assert.strictEqual(code, -8)
      assert.include(message, "take it out of the configuration first")
      for (const params of [[], [peer(1)], ["203.0.113.0/24", "add"], [peer(1), "drop"], [peer(1), "add", -1]]) {
        assert.strictEqual((yield* error("setban", ...params))[0], -32602, JSON.stringify(params))
      }
      assert.deepStrictEqual(yield* result("listbanned"), [])
    })
  )
})

describe("bans", () => {
  test(
    "for misbehaving are listed as such, and all are cleared at once",
    Effect.gen(function* () {
      const guard = yield* PeerGuard
      yield* guard.report(peer(1), "invalidBlock")
      yield* guard.report(peer(1), "invalidBlock")
      yield* result("setban", peer(2), "add")
      const reasons = Effect.map(result("listbanned"), (bans) => bans.map((ban: { reason: string }) => ban.reason))
      assert.deepStrictEqual(yield* reasons, ["misbehaving", "manual"])
      assert.strictEqual(yield* result("clearbanned"), null)
      assert.deepStrictEqual(yield* reasons, [])
    })
  )
})

describe("disconnectnode", () => {
  test(
    "closes a connection, and the peer may come back",
    Effect.gen(function* () {
      const remote = yield* joinIn(peer(1))
      assert.strictEqual(yield* result("disconnectnode", `${peer(1)}:24100`), null)
      yield* settle
      assert.isTrue(remote.isClosed)
      assert.deepStrictEqual(yield* error("disconnectnode", peer(1)), [-5, `Not connected: ${peer(1)}`])
      yield* joinIn(peer(1))
      assert.strictEqual(yield* result("disconnectnode", peer(1)), null)
      assert.strictEqual((yield* error("disconnectnode", "nobody"))[0], -32602)
    })
  )
})

describe("getlimits", () => {
  test(
    "shows every limit that a peer can meet, and getpeerinfo who met that of its budget",
    Effect.gen(function* () {
      const limits = yield* result("getlimits")
      assert.deepStrictEqual(
        limits.map(({ name }: { name: string }) => name),
        [...limitNames]
      )
      for (const { name, value } of limits) assert.strictEqual(value, (Limits as Record<string, number>)[name])
      yield* joinIn(peer(1))
      ;(yield* PeerGuard).recordDropped(peer(1))
      assert.strictEqual((yield* result("getpeerinfo"))[0].gossip_dropped, 1)
    })
  )
})
