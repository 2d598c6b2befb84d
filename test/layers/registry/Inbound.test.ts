/**
 * Inbound connections of a node whose slots are all taken: who comes in, who is closed, and that nothing is left over.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Schema, Stream } from "effect"
import * as MemoryPeerGuard from "../../../src/layers/MemoryPeerGuard.ts"
import * as MemoryPeerRegistry from "../../../src/layers/MemoryPeerRegistry.ts"
import { LiveConnection } from "../../../src/layers/registry/LiveConnection.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import { NodeConfig, type NodeConfigValues } from "../../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../../src/services/NodeIdentity.ts"
import { PeerRegistry } from "../../../src/services/PeerRegistry.ts"
import { ScriptedPool } from "../../support/ScriptedPool.ts"
import { accepted, admit, handshake } from "../../support/Sessions.ts"

const node = (config: Partial<NodeConfigValues>) =>
  MemoryPeerRegistry.layer.pipe(
    Layer.provideMerge(MemoryPeerGuard.layer),
    Layer.provide(NodeIdentity.layerTest()),
    Layer.provide(NodeConfig.layerTest(config)),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )

const dial = Effect.fnUntraced(function* (address: string) {
  const driver = yield* MemoryPeerRegistry.Driver
  const remote = yield* driver.dial(peerId(address)!)
  yield* remote.send(handshake)
  const connection = yield* Effect.flatMap(accepted, admit)
  yield* remote.expect("Ack")
  return { remote, connection }
})

/** Five of one network, and the youngest of another. */
const six = Effect.gen(function* () {
  const crowd = yield* Effect.forEach([1, 2, 3, 4, 5], (host) => dial(`20.1.0.${host}`))
  return { crowd, single: yield* dial("20.2.0.1") }
})

const configured = (address: string) => ({ peer: peerId(address)!, port: 24_100 })

const tooMany = Effect.map(Effect.flip(accepted), ({ reason }) => reason)

describe("a node with all slots taken", () => {
  it.effect("closes the youngest of the most numerous network for a newcomer, and tells why", () =>
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { crowd, single } = yield* six
      const reasons: Array<string> = []
      yield* registry.events.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => void (event._tag === "Disconnected" && reasons.push(`${event.peer} ${event.reason}`)))
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* dial("20.3.0.1")
      assert.strictEqual(yield* crowd[4]!.connection.closed, "evicted")
      yield* crowd[4]!.remote.closed
      yield* Effect.yieldNow
      assert.deepStrictEqual(reasons, ["20.1.0.5 evicted"])
      const peers = (yield* registry.peers).map(({ peer }) => peer as string)
      assert.deepStrictEqual(peers, ["20.1.0.1", "20.1.0.2", "20.1.0.3", "20.1.0.4", "20.2.0.1", "20.3.0.1"])
      assert.isFalse(single.remote.isClosed)
    }).pipe(Effect.scoped, Effect.provide(node({ maxInbound: 6 })))
  )

  it.effect("refuses one more of the most numerous network", () =>
    Effect.gen(function* () {
      const { crowd, single } = yield* six
      const driver = yield* MemoryPeerRegistry.Driver
      const remote = yield* driver.dial(peerId("20.1.0.9")!)
      const reason = yield* tooMany
      assert.deepInclude(reason, { _tag: "TooManyPeers", peer: "20.1.0.9", limit: 6 })
      yield* remote.closed
      for (const one of [...crowd, single]) assert.isFalse(one.remote.isClosed)
    }).pipe(Effect.scoped, Effect.provide(node({ maxInbound: 6 })))
  )

  it.effect("keeps configured peers, and lets them in", () =>
    Effect.gen(function* () {
      const { crowd } = yield* six
      yield* dial("20.1.0.9")
      assert.strictEqual(yield* crowd[3]!.connection.closed, "evicted")
      assert.isFalse(crowd[4]!.remote.isClosed)
    }).pipe(Effect.scoped, Effect.provide(node({ maxInbound: 6, peers: ["20.1.0.5", "20.1.0.9"].map(configured) })))
  )

  it.effect("weighs open handshakes like connections: a flood of them leaves the others alone", () =>
    Effect.gen(function* () {
      const driver = yield* MemoryPeerRegistry.Driver
      const honest = yield* Effect.forEach([1, 2, 3], (network) => dial(`20.${network}.0.1`))
      for (let n = 0; n < 40; n++) {
        yield* driver.dial(peerId(`66.6.0.${n >> 1}`)!)
        yield* Effect.exit(accepted)
      }
      const late = yield* Effect.forEach([4, 5], (network) => dial(`20.${network}.0.1`))
      for (const { remote } of [...honest, ...late]) assert.isFalse(remote.isClosed)
    }).pipe(Effect.scoped, Effect.provide(node({ maxInbound: 10 })))
  )

  it.effect("with a single slot keeps whom it has", () =>
    Effect.gen(function* () {
      const driver = yield* MemoryPeerRegistry.Driver
      const only = yield* dial("20.1.0.1")
      yield* driver.dial(peerId("20.2.0.1")!)
      assert.strictEqual((yield* tooMany)._tag, "TooManyPeers")
      assert.isFalse(only.remote.isClosed)
    }).pipe(Effect.scoped, Effect.provide(node({ maxInbound: 1 })))
  )
})

describe("a pool", () => {
  it("with all handshakes taken closes one of the flood, never an established connection, for a newcomer", () => {
    const scripted = new ScriptedPool({ slots: { inbound: Limits.PENDING_HANDSHAKES + 60, outbound: 0 } })
    const dial = (n: number) => scripted.connect(peerId(`${60 + (n >> 8)}.${(n >> 4) & 15}.0.${n & 15}`)!)
    const flood = Array.from({ length: Limits.PENDING_HANDSHAKES - 1 }, (_, n) => dial(n) as LiveConnection)
    // The youngest, and of the most numerous network: all the same it is a handshake that is missing.
    const established = Array.from({ length: 60 }, (_, n) => scripted.establish(peerId(`20.1.0.${n}`)!)!)
    flood.push(dial(flood.length) as LiveConnection)
    const newcomer = scripted.connect(peerId("20.2.0.1")!)
    assert.instanceOf(newcomer, LiveConnection)
    assert.strictEqual(flood.filter(({ reason }) => reason === "evicted").length, 1)
    for (const { reason } of established) assert.isUndefined(reason)
    assert.strictEqual(scripted.pool.slots.pendingOf.total, Limits.PENDING_HANDSHAKES)
  })

  const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const Step = Schema.Struct({
    what: Schema.Literals(["dial", "dial", "dial", "dialled", "establish", "establish", "close", "wait"]),
    network: upTo(5),
    host: upTo(9),
    reason: Schema.Literals(["remoteClosed", "requested", "idle", "misbehaving", "superseded"]),
    which: upTo(1_000)
  })
  const Steps = Schema.Array(Step).check(Schema.isMinLength(40), Schema.isMaxLength(300))

  it.prop("counts exactly the connections that live, however they end", [Steps], ([steps]) => {
    const scripted = new ScriptedPool({ slots: { inbound: 20, outbound: 3 } })
    const { pool } = scripted
    let open: Array<LiveConnection> = []
    const expectCounts = () => {
      open = open.filter(({ reason }) => reason === undefined)
      const inbound = open.filter(({ direction }) => direction === "inbound")
      const pending = inbound.filter(({ isEstablished }) => !isEstablished)
      assert.isAtMost(inbound.length, 20)
      assert.deepStrictEqual(
        [pool.slots.count("inbound"), pool.slots.inboundOf.total],
        [inbound.length, inbound.length]
      )
      assert.strictEqual(pool.slots.count("outbound"), open.length - inbound.length)
      assert.strictEqual(pool.slots.pendingOf.total, pending.length)
      assert.strictEqual(pool.evictions.inbound.size, inbound.length)
      assert.strictEqual(pool.evictions.pending.size, pending.length)
    }
    for (const { host, network, reason, what, which } of steps) {
      scripted.now += 100
      const one = open[which % Math.max(1, open.length)]
      if (what === "dial" || what === "dialled") {
        const admitted = scripted.connect(peerId(`20.${network}.0.${host}`)!, what === "dial" ? "inbound" : "outbound")
        if (admitted instanceof LiveConnection) open.push(admitted)
      } else if (what === "wait") {
        scripted.now += which * 100
        pool.sweep()
      } else if (one !== undefined && what === "close") {
        one.close(reason)
      } else if (one !== undefined && !one.isEstablished && pool.claim(one) === "taken") {
        one.close("alreadyConnected")
      }
      expectCounts()
    }
    pool.closeAll("shutdown")
    expectCounts()
    assert.deepStrictEqual([open.length, pool.slots.inboundOf.kinds, pool.slots.pendingOf.kinds], [0, 0, 0])
  })
})
