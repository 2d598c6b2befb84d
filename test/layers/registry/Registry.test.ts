/**
 * What the registry does as time passes, on a virtual clock and over the network in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, References, Schedule, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerGuard from "../../../src/layers/MemoryPeerGuard.ts"
import * as Policies from "../../../src/peer/Policies.ts"
import { genesis } from "../../../src/protocol/Genesis.ts"
import { height } from "../../../src/protocol/Height.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import type { Message } from "../../../src/protocol/Message.ts"
import { testnet } from "../../../src/protocol/Network.ts"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import { NodeConfig } from "../../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../../src/services/NodeIdentity.ts"
import { PeerConnections } from "../../../src/services/PeerConnections.ts"
import { PeerGuard } from "../../../src/services/PeerGuard.ts"
import { type PeerEvent, PeerRegistry } from "../../../src/services/PeerRegistry.ts"
import { memory, type RegistryUnderTest, ScriptedPeers } from "../../support/ScriptedPeers.ts"
import { accepted, admit, handshake, inbound, outbound, ping, pong, version } from "../../support/Sessions.ts"

const OWN_ID = "5555"

const test = <A, E>(text: string, program: Effect.Effect<A, E, RegistryUnderTest | PeerGuard | Scope.Scope>) =>
  it.effect(text, () =>
    program.pipe(
      Effect.provide(
        memory.pipe(
          Layer.provideMerge(MemoryPeerGuard.layer),
          Layer.provide(NodeIdentity.layerTest({ nodeId: OWN_ID })),
          Layer.provide(NodeConfig.layerTest()),
          Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
        ),
        { local: true }
      ),
      Effect.scoped
    )
  )

/** Collects events from now on. */
const recordEvents = Effect.gen(function* () {
  const { events } = yield* PeerRegistry
  const seen: Array<string> = []
  const note = (event: PeerEvent) => {
    seen.push(event._tag === "Disconnected" ? event.reason : event._tag)
  }
  yield* Effect.forkScoped(
    Stream.runForEach(events, (event) => Effect.sync(() => note(event))),
    {
      startImmediately: true
    }
  )
  return seen
})

const once = (seconds: number) => ({ timeout: Duration.seconds(seconds) })

describe("requests", () => {
  test(
    "end when their time is up, and their late answer goes to nobody",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { remote, connection } = yield* outbound(7)
      const ask = registry.request(connection.peer, { _tag: "GetBlockHeight" }, once(5))
      const first = yield* Effect.forkChild(Effect.flip(ask), { startImmediately: true })
      yield* TestClock.adjust("4900 millis")
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust("350 millis")
      assert.strictEqual((yield* Fiber.join(first)).reason._tag, "RequestTimeout")
      const second = yield* Effect.forkChild(ask, { startImmediately: true })
      for (const at of [1n, 2n]) yield* remote.send({ _tag: "BlockHeightResponse", height: height(at) })
      assert.strictEqual((yield* Fiber.join(second)).height, 2n)
    })
  )

  test(
    "that are interrupted keep their place and leave no waiter",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { remote, connection } = yield* outbound(7)
      const ask = registry.request(connection.peer, { _tag: "GetBlockHeight" }, once(5))
      const first = yield* Effect.forkChild(ask, { startImmediately: true })
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* registry.peers)[0]?.pendingRequests, 0)
      const second = yield* Effect.forkChild(ask, { startImmediately: true })
      for (const at of [1n, 2n]) yield* remote.send({ _tag: "BlockHeightResponse", height: height(at) })
      assert.strictEqual((yield* Fiber.join(second)).height, 2n)
    })
  )

  test(
    "are asked again as their policy says, where that does no harm",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { remote, connection } = yield* outbound(7)
      const policy = { timeout: Duration.seconds(1), retry: Schedule.recurs(2) }
      const asking = yield* Effect.forkChild(Effect.flip(registry.request(connection.peer, ping(1n), policy)))
      const shaking = yield* Effect.forkChild(Effect.flip(registry.request(connection.peer, handshake, policy)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(asking)).reason._tag, "RequestTimeout")
      assert.strictEqual((yield* Fiber.join(shaking)).reason._tag, "RequestTimeout")
      const count = (tag: string) => remote.received.filter(({ _tag }) => _tag === tag).length
      assert.deepStrictEqual([count("Ping"), count("Handshake")], [3, 2])
    })
  )

  test(
    "go to the peer's next connection when they are asked again",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const first = yield* inbound(7)
      const policy = { timeout: Duration.seconds(1), retry: Schedule.spaced("10 seconds") }
      const asking = yield* Effect.forkChild(registry.request(first.connection.peer, ping(1n), policy), {
        startImmediately: true
      })
      yield* first.remote.close
      const second = yield* inbound(7)
      yield* TestClock.adjust("10 seconds")
      yield* second.remote.expect("Ping")
      yield* second.remote.send(pong(1n))
      assert.strictEqual((yield* Fiber.join(asking)).nonce, 1n)
    })
  )

  test(
    "have the policy of their class when they come without one",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { connection } = yield* outbound(7)
      const began = Duration.toMillis(Policies.request.normal.timeout)
      const asking = yield* Effect.forkChild(Effect.flip(registry.request(connection.peer, { _tag: "GetPeers" })))
      yield* TestClock.adjust(Duration.millis(began - 1_000))
      assert.strictEqual((yield* registry.peers)[0]?.pendingRequests, 1)
      yield* TestClock.adjust("5 minutes")
      assert.include(["RequestTimeout", "ConnectionClosed"], (yield* Fiber.join(asking)).reason._tag)
    })
  )
})

describe("silence", () => {
  test(
    "for too long ends a connection; bytes of an unfinished line do not count as silence",
    Effect.gen(function* () {
      const silent = yield* inbound(7)
      const slow = yield* inbound(8)
      for (let minute = 0; minute < 10; minute++) {
        yield* slow.remote.sendBytes(minute === 0 ? "{" : " ")
        yield* TestClock.adjust("1 minute")
      }
      assert.strictEqual(yield* silent.connection.closed, "idle")
      assert.isFalse(slow.remote.isClosed)
    })
  )

  test(
    "is told with the peer",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { remote, connection } = yield* inbound(7)
      yield* TestClock.adjust("10 seconds")
      yield* remote.send(ping(1n))
      yield* TestClock.adjust("20 seconds")
      const [info] = yield* registry.peers
      assert.strictEqual(info?.connectedAt, 0)
      assert.strictEqual(info?.lastReceivedAt, 10_000)
      assert.strictEqual(connection.lastReceivedAt, 10_000)
    })
  )

  test(
    "of a reader ends the connection, unless it takes something now and then",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const stuck = yield* inbound(7)
      const slow = yield* inbound(8)
      for (const { remote } of [stuck, slow]) yield* remote.stopReading
      for (let nonce = 0n; nonce < 9n; nonce++) yield* registry.broadcast(ping(nonce))
      for (let round = 0; round < 3; round++) {
        yield* TestClock.adjust("8 seconds")
        yield* slow.remote.startReading
        yield* Effect.yieldNow
        yield* slow.remote.stopReading
        yield* registry.send(slow.connection.peer, ping(9n))
      }
      assert.strictEqual(yield* stuck.connection.closed, "notDraining")
      assert.isFalse(slow.remote.isClosed)
    })
  )
})

describe("a BlockProposal", () => {
  test(
    "goes to a timenode alone, because a `timed` that takes one answers nobody any more",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const connections = yield* PeerConnections
      const timed = yield* inbound(7)
      const timenode = yield* inbound(8)
      yield* connections.identify(timenode.connection, version("timenode/1", "id:77"))
      const { block } = genesis(testnet)
      const proposal = { _tag: "BlockProposal", block, proposer: "", signature: new Uint8Array(64), round: 0n } as const
      assert.deepStrictEqual(yield* registry.broadcast(proposal), { sent: 1, skipped: 0 })
      yield* timenode.remote.expect("BlockProposal")
      const error = yield* Effect.flip(registry.send(timed.connection.peer, proposal))
      assert.strictEqual(error.reason._tag, "NotForThisPeer")
      yield* registry.send(timed.connection.peer, ping(1n))
      yield* timed.remote.expect("Ping")
      assert.isFalse(timed.remote.received.some((message) => message._tag === "BlockProposal"))
    })
  )
})

describe("a newcomer whose peer has a silent connection", () => {
  const silentThenDials = Effect.gen(function* () {
    const old = yield* inbound(7)
    yield* TestClock.adjust("36 seconds")
    const remote = yield* (yield* ScriptedPeers).dial(7)
    yield* remote.send(handshake)
    const connection = yield* accepted
    const admitting = yield* Effect.forkChild(Effect.exit(admit(connection)), { startImmediately: true })
    yield* old.remote.expect("Ping")
    return { old, remote, connection, admitting }
  })

  test(
    "takes its place when that one stays silent, so that a peer that left unnoticed gets back in",
    Effect.gen(function* () {
      const events = yield* recordEvents
      const { old, remote, admitting } = yield* silentThenDials
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(remote.received, [])
      yield* TestClock.adjust("1500 millis")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(admitting)))
      yield* remote.expect("Ack")
      assert.strictEqual(yield* old.connection.closed, "superseded")
      assert.deepStrictEqual(events, ["Connected", "superseded", "Connected"])
    })
  )

  test(
    "is closed when that one answers",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { old, remote, admitting } = yield* silentThenDials
      yield* old.remote.send(pong(BigInt(old.connection.generation)))
      yield* TestClock.adjust("500 millis")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(admitting)))
      yield* remote.closed
      assert.deepStrictEqual(remote.received, [])
      assert.strictEqual((yield* registry.peers)[0]?.generation, old.connection.generation)
    })
  )

  test(
    "is admitted at once when that one ends, and forgotten when it leaves itself",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const first = yield* silentThenDials
      yield* first.old.remote.close
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(first.admitting)))
      yield* TestClock.adjust("36 seconds")
      const peers = yield* ScriptedPeers
      const gone = yield* peers.dial(7)
      yield* gone.send(handshake)
      const waiting = yield* Effect.forkChild(Effect.flip(Effect.flatMap(accepted, admit)), { startImmediately: true })
      yield* first.remote.expect("Ping")
      yield* gone.close
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "ConnectionClosed")
      yield* first.remote.send(ping(1n))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* registry.peers)[0]?.generation, first.connection.generation)
    })
  )
})

describe("two connections dialled at the same time", () => {
  /** The node has dialled the peer, and the peer the node. */
  const both = Effect.gen(function* () {
    const out = yield* outbound(7)
    const back = yield* inbound(7)
    return { out, back }
  })

  for (const [theirId, stays] of [
    ["9999", "out"],
    ["1111", "back"]
  ] as const) {
    test(
      `end as the one that the lower id dialled: ${OWN_ID} against ${theirId}`,
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const connections = yield* PeerConnections
        const events = yield* recordEvents
        const pair = yield* both
        const [kept, lost] = stays === "out" ? [pair.out, pair.back] : [pair.back, pair.out]
        assert.strictEqual((yield* registry.peers)[0]?.generation, pair.out.connection.generation)
        const waiting = yield* Effect.forkChild(Effect.flip(lost.connection.ask(ping(1n), once(60))), {
          startImmediately: true
        })
        yield* connections.identify(lost.connection, version("timenode/1", `id:${theirId}`))
        assert.isFalse(lost.remote.isClosed)
        yield* connections.identify(kept.connection, version("timenode/1", `id:${theirId}`))
        const { reason } = yield* Fiber.join(waiting)
        assert.strictEqual(reason._tag, "ConnectionClosed")
        yield* lost.remote.closed
        const infos = yield* registry.peers
        assert.deepStrictEqual(
          infos.map(({ generation }) => generation),
          [kept.connection.generation]
        )
        yield* registry.send(kept.connection.peer, ping(2n))
        yield* kept.remote.expect("Ping")
        yield* TestClock.adjust("20 seconds")
        assert.isFalse(kept.remote.isClosed)
        assert.deepStrictEqual(events, ["Connected"])
      })
    )
  }

  test(
    "end as the older one when the peer does not say who it is",
    Effect.gen(function* () {
      const { out, back } = yield* both
      yield* TestClock.adjust("14500 millis")
      assert.isFalse(back.remote.isClosed)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* back.connection.closed, "superseded")
      assert.isFalse(out.remote.isClosed)
    })
  )

  test(
    "end as the one that brings something when the other never did",
    Effect.gen(function* () {
      const { out, back } = yield* both
      yield* TestClock.adjust("1 second")
      yield* back.remote.send(ping(1n))
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* out.connection.closed, "superseded")
      assert.isFalse(back.remote.isClosed)
    })
  )

  test(
    "leave the peer connected when the older one ends",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const events = yield* recordEvents
      const { out, back } = yield* both
      yield* out.remote.close
      yield* out.connection.closed
      yield* registry.send(back.connection.peer, ping(2n))
      yield* back.remote.expect("Ping")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(events, ["Connected"])
      yield* registry.disconnect(back.connection.peer, "requested")
      assert.deepStrictEqual(yield* registry.peers, [])
    })
  )

  test(
    "are not both taken when the second was begun much later",
    Effect.gen(function* () {
      const out = yield* outbound(8)
      yield* TestClock.adjust("16 seconds")
      const second = yield* (yield* ScriptedPeers).dial(8)
      const error = yield* Effect.flip(accepted)
      assert.strictEqual(error.reason._tag, "AlreadyConnected")
      yield* second.closed
      assert.isFalse(out.remote.isClosed)
    })
  )
})

describe("a node that dials itself", () => {
  test(
    "closes the connection as soon as it hears its own id",
    Effect.gen(function* () {
      const connections = yield* PeerConnections
      const { connection } = yield* outbound(7)
      const error = yield* Effect.flip(connections.identify(connection, version("timenode/1", `id:${OWN_ID}`)))
      assert.strictEqual(error._tag, "ConnectedToSelf")
      assert.strictEqual(yield* connection.closed, "connectedToSelf")
    })
  )
})

describe("offences", () => {
  test(
    "of telling unasked answers are forgiven once and then counted",
    Effect.gen(function* () {
      const guard = yield* PeerGuard
      const { remote, connection } = yield* inbound(7)
      const answer: Message = { _tag: "BlockHeightResponse", height: height(1n) }
      yield* remote.send(answer)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* guard.score(connection.peer), 0)
      yield* remote.send(answer)
      yield* TestClock.adjust("250 millis")
      const one = yield* guard.score(connection.peer)
      assert.isAbove(one, 0)
      for (let count = 0; count < 2; count++) yield* remote.send(answer)
      yield* TestClock.adjust("250 millis")
      assert.approximately(yield* guard.score(connection.peer), 3 * one, one / 100)
      for (let count = 0; count < 1_000; count++) yield* remote.send(answer)
      yield* TestClock.adjust("250 millis")
      assert.strictEqual(yield* connection.closed, "banned")
      yield* (yield* ScriptedPeers).dial(7)
      assert.strictEqual((yield* Effect.flip(accepted)).reason._tag, "PeerBanned")
    })
  )
})

describe("budgets", () => {
  test(
    "for what waits for all peers close the one that most waits for",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const line = PEERS_OF_ONE_MIB
      const size = Wire.encode(line).byteLength
      const worst = yield* inbound(1)
      yield* worst.remote.stopReading
      for (let count = 0; count < 2; count++) yield* registry.send(worst.connection.peer, line)
      const stuck = yield* Effect.forEach(
        Array.from({ length: Math.ceil(Limits.OUTBOUND_TOTAL / (4 * size)) }, (_, index) => index + 2),
        inbound
      )
      for (const { remote } of stuck) yield* remote.stopReading
      for (let count = 0; count < 4; count++) yield* registry.broadcast(line)
      assert.strictEqual(yield* worst.connection.closed, "outboundBudget")
      const total = (yield* registry.peers).reduce((sum, { outboundBytes }) => sum + outboundBytes, 0)
      assert.isAtMost(total, Limits.OUTBOUND_TOTAL)
      assert.isAbove(total, Limits.OUTBOUND_TOTAL / 2)
    })
  )

  test(
    "for unfinished lines close the one that holds most",
    Effect.gen(function* () {
      const most = Buffer.from(`{"BlockAnnouncement":`.padEnd(Limits.LINE_UNASKED_BLOCK - 10))
      const some = most.subarray(0, most.length - 1_000)
      const worst = yield* inbound(1)
      yield* worst.remote.sendBytes(most)
      const others = yield* Effect.forEach([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], inbound)
      for (const { remote } of others.slice(0, 15)) yield* remote.sendBytes(some)
      yield* Effect.yieldNow
      assert.isFalse(worst.remote.isClosed)
      yield* others[15]!.remote.sendBytes(some)
      assert.strictEqual(yield* worst.connection.closed, "inboundBudget")
      for (const { remote } of others) assert.isFalse(remote.isClosed)
    })
  )
})

describe("a slow subscriber", () => {
  test(
    "is told how many events it missed",
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const seen: Array<PeerEvent> = []
      const hold = { first: true }
      const subscriber = yield* Effect.forkScoped(
        Stream.runForEach(registry.events, (event) =>
          Effect.suspend(() => {
            seen.push(event)
            if (!hold.first) return Effect.void
            hold.first = false
            return Effect.sleep("1 hour")
          })
        ),
        { startImmediately: true }
      )
      yield* Effect.scoped(inbound(1))
      yield* TestClock.adjust("1 millis")
      const rounds = 200
      for (let round = 0; round < rounds; round++) yield* Effect.scoped(inbound(1))
      yield* TestClock.adjust("1 hour")
      const lags = seen.filter((event) => event._tag === "Lagged")
      assert.lengthOf(lags, 1)
      const told = seen.length - 1 + lags[0]!.missed
      assert.strictEqual(told, (rounds + 1) * 2)
      assert.isAtMost(seen.length, Limits.PEER_EVENTS + 3)
      yield* Fiber.interrupt(subscriber)
    })
  )
})

describe("the end of a session", () => {
  for (const [exit, reason] of [
    [Exit.void, "requested"],
    [Exit.interrupt(), "shutdown"],
    [Exit.die("a mistake"), "internalError"]
  ] as const) {
    test(
      `closes its connection: ${reason}`,
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { connection } = yield* Scope.provide(inbound(7), scope)
        yield* Scope.close(scope, exit)
        assert.strictEqual(yield* connection.closed, reason)
      })
    )
  }

  it.effect("is told to the operator once, with its reason, as is its beginning", () =>
    Effect.gen(function* () {
      const texts: Array<unknown> = []
      const collect = Logger.make(({ message }) => void texts.push(...(message as ReadonlyArray<unknown>)))
      const layer = memory.pipe(
        Layer.provide(MemoryPeerGuard.layer),
        Layer.provide(NodeIdentity.layerTest()),
        Layer.provide(NodeConfig.layerTest()),
        Layer.provide(Logger.layer([collect]))
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { remote, connection } = yield* inbound(7)
          yield* remote.close
          yield* connection.closed
          yield* inbound(8)
        }).pipe(Effect.provide(layer, { local: true }))
      )
      assert.deepStrictEqual(texts, [
        "Registered 10.0.0.7 in PeerRegistry",
        "Released 10.0.0.7 from PeerRegistry: remoteClosed",
        "Registered 10.0.0.8 in PeerRegistry",
        "Released 10.0.0.8 from PeerRegistry: shutdown"
      ])
    })
  )
})

// --- internal ---

const PEERS_OF_ONE_MIB: Message = {
  _tag: "PeersResponse",
  addresses: Array.from({ length: 1_024 }, () => "x".repeat(1_021))
}
