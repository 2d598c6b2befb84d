/**
 * The policies of src/peer/Policies.ts, as a request over a real connection feels them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Policies from "../../src/peer/Policies.ts"
import type { Request } from "../../src/protocol/Exchange.ts"
import { height } from "../../src/protocol/Height.ts"
import { PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerRegistry, type RequestError } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { Driver } from "../../src/layers/MemoryPeerRegistry.ts"
import { peer } from "./Fixture.ts"
import { handshake, heard, joinIn, joinOut, node, settle, wait } from "./Session.ts"

/** Waits for the end of a request, which must fail: why, and after how many milliseconds. */
const failure = <A>(request: Effect.Effect<A, RequestError>, limit: number) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.flip(request).pipe(
      Effect.flatMap(({ reason }) =>
        Effect.map(Clock.currentTimeMillis, (now) => ({ reason: reason._tag, after: now - began }))
      ),
      Effect.forkChild({ startImmediately: true })
    )
    yield* wait(`${limit} seconds`)
    return yield* Fiber.join(fiber)
  })

/** The connection says something now and then, so that it stays, but never answers. */
const mumble = (remote: { readonly sendBytes: (text: string) => Effect.Effect<void> }) =>
  Effect.forkScoped(Effect.forever(Effect.delay(remote.sendBytes("\n"), "10 seconds")))

const between = (actual: number, low: number, high: number) =>
  assert.isTrue(actual >= low && actual <= high, `${actual} is not from ${low} to ${high}`)

describe("a request", () => {
  const classes: ReadonlyArray<
    readonly [Request & { readonly _tag: "GetBlockHash" | "GetPendingTransactions" | "GetBlocks" }, number]
  > = [
    [{ _tag: "GetBlockHash", height: height(9) }, 5],
    [{ _tag: "GetPendingTransactions" }, 15],
    [{ _tag: "GetBlocks", start: height(1), end: height(2) }, 60]
  ]
  for (const [request, seconds] of classes) {
    it.effect(
      `${request._tag} without an answer ends after three tries of ${seconds} s each and two short pauses`,
      () =>
        Effect.gen(function* () {
          const { remote } = yield* joinOut()
          yield* mumble(remote)
          const before = heard(remote, request._tag).length
          const registry = yield* PeerRegistry
          const ask: Effect.Effect<unknown, RequestError> = registry.request(peer(2), request)
          const { after, reason } = yield* failure(ask, 3 * seconds + 5)
          assert.strictEqual(reason, "RequestTimeout")
          // Pauses of 0.5 and 1 s, each ±20 %, and the beat of the sweep for every deadline.
          between(after, 3_000 * seconds + 1_200, 3_000 * seconds + 1_800 + 3 * 250)
          assert.strictEqual(heard(remote, request._tag).length, before + 3)
        }).pipe(Effect.provide(node()))
    )
  }

  it.effect("under a policy of one try is asked once", () =>
    Effect.gen(function* () {
      const { remote } = yield* joinOut()
      yield* mumble(remote)
      const registry = yield* PeerRegistry
      const ask = registry.request(peer(2), { _tag: "GetBlockHash", height: height(9) }, Policies.once("quick"))
      const { after, reason } = yield* failure(ask, 20)
      assert.strictEqual(reason, "RequestTimeout")
      between(after, 5_000, 5_250)
      assert.strictEqual(heard(remote, "GetBlockHash").filter(({ height }) => height === 9n).length, 1)
    }).pipe(Effect.provide(node()))
  )

  it.effect("that is answered at the second try succeeds, and the late answer to the first is no other's", () =>
    Effect.gen(function* () {
      const { remote } = yield* joinOut()
      yield* mumble(remote)
      const registry = yield* PeerRegistry
      const fiber = yield* registry
        .request(peer(2), { _tag: "GetBlockHash", height: height(9) })
        .pipe(Effect.forkChild({ startImmediately: true }))
      yield* wait("6 seconds")
      assert.strictEqual(heard(remote, "GetBlockHash").filter(({ height }) => height === 9n).length, 2)
      yield* remote.send({ _tag: "BlockHashResponse", height: height(9), hash: null })
      yield* remote.send({ _tag: "BlockHashResponse", height: height(9), hash: null })
      yield* settle
      assert.strictEqual((yield* Fiber.join(fiber)).height, 9n)
      const next = yield* registry
        .request(peer(2), { _tag: "GetBlockHash", height: height(8) }, Policies.once("quick"))
        .pipe(Effect.forkChild({ startImmediately: true }))
      yield* remote.send({ _tag: "BlockHashResponse", height: height(9), hash: null })
      yield* remote.send({ _tag: "BlockHashResponse", height: height(8), hash: null })
      yield* settle
      assert.strictEqual((yield* Fiber.join(next)).height, 8n)
    }).pipe(Effect.provide(node()))
  )

  it.effect("that the peer never answers fails at once, and is not even sent", () =>
    Effect.gen(function* () {
      const dialler = yield* joinIn(peer(1))
      const { remote } = yield* joinOut(peer(2))
      const registry = yield* PeerRegistry
      const before = [dialler.received.length, remote.received.length]
      const ofDialler = yield* failure(registry.request(peer(1), { _tag: "GetBlockHeight" }), 0)
      const ofTimed = yield* failure(registry.request(peer(2), { _tag: "GetGenesisHash" }), 0)
      const ofNobody = yield* failure(registry.request(peer(3), { _tag: "GetBlockHeight" }), 0)
      assert.deepStrictEqual(
        [ofDialler, ofTimed, ofNobody],
        [
          { reason: "NotAnswered", after: 0 },
          { reason: "NotAnswered", after: 0 },
          { reason: "PeerNotConnected", after: 0 }
        ]
      )
      assert.deepStrictEqual([dialler.received.length, remote.received.length], before)
    }).pipe(Effect.provide(node()))
  )

  it.effect("that does harm when repeated is asked once, whatever the policy says", () =>
    Effect.gen(function* () {
      const driver = yield* Driver
      const address = { peer: peer(2), port: testnet.p2pPort }
      const listener = yield* driver.listen(address)
      const network = yield* PeerNetwork
      const connections = yield* PeerConnections
      const connection = yield* connections.register(yield* network.dial(address))
      const remote = yield* listener.accept
      const policy = { timeout: Duration.seconds(1), retry: Policies.retry }
      const { reason } = yield* failure(connection.ask(handshake as Request & { _tag: "Handshake" }, policy), 10)
      assert.strictEqual(reason, "RequestTimeout")
      assert.strictEqual(heard(remote, "Handshake").length, 1)
    }).pipe(Effect.provide(node()))
  )
})
