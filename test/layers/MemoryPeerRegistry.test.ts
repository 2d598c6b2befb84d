import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { type PeerConnection, PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork, type PeerTransport } from "../../src/services/PeerTransport.ts"
import { suite } from "../services/PeerRegistrySuite.ts"
import { memory } from "../support/ScriptedPeers.ts"
import { admit, handshake, version } from "../support/Sessions.ts"

suite("PeerRegistry in memory", memory, it.effect)

const ADDRESSES = [peerId("10.0.0.1")!, peerId("10.0.0.2")!] as const

/** A session that shakes hands and says who it is, as both sides of a link of two nodes do. */
const session = Effect.fnUntraced(function* (transport: PeerTransport) {
  const connections = yield* PeerConnections
  const identity = yield* NodeIdentity
  const connection: PeerConnection = yield* connections.register(transport)
  if (connection.direction === "inbound") {
    yield* admit(connection)
  } else {
    yield* connection.ask(handshake)
    yield* connections.establish(connection)
  }
  yield* connection.write(version("timenode/1", `id:${identity.nodeId}`))
  while (true) {
    for (const message of yield* connection.take) {
      if (message._tag === "Version") yield* connections.identify(connection, message)
    }
  }
})

const live = (transport: PeerTransport) => Effect.ignore(Effect.scoped(session(transport)))

/** One of two nodes that dial each other. */
const node = (own: PeerId, nodeId: string) =>
  MemoryPeerRegistry.layerOnHub.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        NodeConfig.layerTest({ localAddress: own }),
        NodeIdentity.layerTest({ nodeId }),
        PeerGuard.layerTest()
      )
    )
  )

const accepting = Effect.gen(function* () {
  const { accept } = yield* PeerNetwork
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(accept, (transport) => Effect.forkScoped(live(transport)))))
})

const dialling = Effect.fnUntraced(function* (peer: PeerId, times: number) {
  const { dial } = yield* PeerNetwork
  for (let time = 0; time < times; time++) {
    yield* Effect.forkScoped(Effect.ignore(Effect.scoped(Effect.flatMap(dial({ peer, port: 24_100 }), session))))
  }
})

describe("two nodes on one network", () => {
  const Turns = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
  const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))

  it.effect.prop(
    "that dial each other end with one connection, the same on both sides",
    [Turns, Millis, Schema.Boolean],
    ([turns, seconds, isLower]) =>
      Effect.gen(function* () {
        const hub = yield* Layer.build(MemoryPeerRegistry.layerHub)
        const ids = isLower ? ["0a", "0b"] : ["0b", "0a"]
        const [one, two] = yield* Effect.forEach([0, 1] as const, (index) =>
          Layer.build(Layer.fresh(node(ADDRESSES[index], ids[index]!))).pipe(Effect.provide(hub))
        )
        for (const context of [one!, two!]) yield* Effect.provide(accepting, context)
        yield* Effect.provide(dialling(ADDRESSES[1], 2), one!)
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
        yield* TestClock.adjust(seconds * 1_000)
        yield* Effect.provide(dialling(ADDRESSES[0], 2), two!)
        yield* TestClock.adjust("10 seconds")
        const links = yield* Effect.forEach([one!, two!], (context) =>
          Effect.provide(
            Effect.flatMap(PeerRegistry, ({ peers }) => peers),
            context
          )
        )
        assert.deepStrictEqual(
          links.map((peers) => peers.map(({ peer, agent }) => ({ peer, agent }))),
          [[{ peer: ADDRESSES[1], agent: "timenode" }], [{ peer: ADDRESSES[0], agent: "timenode" }]]
        )
        assert.notStrictEqual(links[0]![0]!.direction, links[1]![0]!.direction)
        // Dialled at the same time, it is the one that the lower id dialled.
        if (seconds === 0) assert.strictEqual(links[0]![0]!.direction, isLower ? "outbound" : "inbound")
      }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Error"))
  )
})
