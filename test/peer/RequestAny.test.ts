import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { NoPeerAnswered } from "../../src/peer/RequestAny.ts"
import { requestAny } from "../../src/peer/RequestAny.ts"
import { answers, type Request } from "../../src/protocol/Exchange.ts"
import { height } from "../../src/protocol/Height.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import {
  ConnectionClosed,
  NotAnswered,
  type PeerInfo,
  PeerNotConnected,
  PeerRegistry,
  RequestError,
  RequestTimeout,
  SendQueueFull
} from "../../src/services/PeerRegistry.ts"
import { handshake as handshakeMessage, heard, joinIn, joinOut, node, settle, wait } from "./Session.ts"
import { peer, peerInfo, registry } from "./Fixture.ts"

const handshake = handshakeMessage as Request & { readonly _tag: "Handshake" }
const blockHash = { _tag: "GetBlockHash", height: height(9) } as const
const noHash = { _tag: "BlockHashResponse", height: height(9), hash: null } as const

const accepting = (number: number, ping: number | null = null): PeerInfo =>
  peerInfo({ peer: peer(number), direction: "outbound", ping })

/** A registry of these peers that notes whom it asks; those with a reason fail with it, the others answer. */
const scripted = (
  peers: ReadonlyArray<PeerInfo>,
  asked: Array<PeerId>,
  reasons: ReadonlyMap<PeerId, RequestError["reason"]> = new Map()
) =>
  registry(
    { peers },
    {
      request: ((to: PeerId) =>
        Effect.suspend(() => {
          asked.push(to)
          const reason = reasons.get(to)
          return reason === undefined ? Effect.succeed(noHash) : Effect.fail(new RequestError({ reason }))
        })) as PeerRegistry["Service"]["request"]
    }
  )

describe("requestAny", () => {
  it.effect("asks the peer with the shortest ping, and nobody else when it answers", () => {
    const asked: Array<PeerId> = []
    return requestAny(blockHash).pipe(
      Effect.map((result) => {
        assert.deepStrictEqual(result, { peer: peer(3), answer: noHash })
        assert.deepStrictEqual(asked, [peer(3)])
      }),
      Effect.provide(scripted([accepting(1), accepting(2, 80), accepting(3, 20)], asked))
    )
  })

  it.effect("fails with the reason of every peer, in the order of their pings, those without one last", () => {
    const asked: Array<PeerId> = []
    const reasons = [
      new RequestTimeout({ peer: peer(4), request: "GetBlockHash" }),
      new NotAnswered({ peer: peer(2), request: "GetBlockHash" }),
      new ConnectionClosed({ peer: peer(1), reason: "remoteClosed" }),
      new SendQueueFull({ peer: peer(3), waitingBytes: 7 })
    ]
    const peers = [accepting(1), accepting(2, 80), accepting(3), accepting(4, 20)]
    return requestAny(blockHash).pipe(
      Effect.flip,
      Effect.map((error) => {
        assert.strictEqual(error._tag, "NoPeerAnswered")
        assert.strictEqual(error.request, "GetBlockHash")
        assert.deepStrictEqual(error.reasons, reasons)
        assert.deepStrictEqual(asked, [peer(4), peer(2), peer(1), peer(3)])
      }),
      Effect.provide(scripted(peers, asked, new Map(reasons.map((reason) => [reason.peer as PeerId, reason]))))
    )
  })

  it.effect("asks only the given peers, of those that are connected and answer such requests", () => {
    const asked: Array<PeerId> = []
    const dialler = peerInfo({ peer: peer(1), direction: "inbound", ping: 1 })
    return requestAny(blockHash, { peers: [peer(1), peer(3), peer(9)] }).pipe(
      Effect.map((result) => {
        assert.strictEqual(result.peer, peer(3))
        assert.deepStrictEqual(asked, [peer(3)])
      }),
      Effect.provide(scripted([dialler, accepting(2, 5), accepting(3, 50)], asked))
    )
  })

  it.effect("without anybody to ask fails without a reason", () => {
    const asked: Array<PeerId> = []
    return requestAny({ _tag: "GetGenesisHash" }).pipe(
      Effect.flip,
      Effect.map(({ reasons }) => {
        assert.deepStrictEqual(reasons, [])
        assert.deepStrictEqual(asked, [])
      }),
      Effect.provide(scripted([accepting(1), accepting(2)], asked))
    )
  })

  const afterHarm: ReadonlyArray<readonly [RequestError["reason"], number]> = [
    [new RequestTimeout({ peer: peer(1), request: "Handshake" }), 1],
    [new ConnectionClosed({ peer: peer(1), reason: "remoteClosed" }), 1],
    [new NotAnswered({ peer: peer(1), request: "Handshake" }), 1],
    [new PeerNotConnected({ peer: peer(1) }), 2],
    [new SendQueueFull({ peer: peer(1), waitingBytes: 7 }), 2]
  ]
  for (const [reason, count] of afterHarm) {
    it.effect(`what does harm when repeated is asked of ${count} after ${reason._tag}`, () => {
      const asked: Array<PeerId> = []
      return requestAny(handshake).pipe(
        Effect.exit,
        Effect.map(() => assert.strictEqual(asked.length, count)),
        Effect.provide(scripted([accepting(1, 1), accepting(2, 2)], asked, new Map([[peer(1), reason]])))
      )
    })
  }

  it.effect("leaves a silent peer after the time of the exchange, and takes its late answer for nothing", () =>
    Effect.gen(function* () {
      const { remote: silent } = yield* joinOut(peer(2))
      const { remote: honest } = yield* joinOut(peer(3))
      const asked = () => [silent, honest].map((remote) => heard(remote, "UTXOStateQuery").length)
      const fiber = yield* requestAny({ _tag: "UTXOStateQuery", outpoints: [] }).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      yield* wait("14900 millis")
      assert.deepStrictEqual(asked(), [1, 0])
      yield* wait("350 millis")
      assert.deepStrictEqual(asked(), [1, 1])
      const answer = { _tag: "UTXOStateResponse", states: [] } as const
      yield* silent.send(answer)
      yield* settle
      yield* honest.send(answer)
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(fiber), { peer: peer(3), answer })
    }).pipe(Effect.provide(node()))
  )

  it.effect("fails when everybody is silent, at the end of the last one's time", () =>
    Effect.gen(function* () {
      for (const number of [2, 3, 4]) yield* joinOut(peer(number))
      const began = yield* Clock.currentTimeMillis
      const ended = requestAny(blockHash).pipe(
        Effect.flip,
        Effect.flatMap((error) => Effect.map(Clock.currentTimeMillis, (now) => [error, now - began] as const))
      )
      const fiber = yield* ended.pipe(Effect.forkChild({ startImmediately: true }))
      yield* wait("20 seconds")
      const [{ reasons }, after]: readonly [NoPeerAnswered, number] = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        reasons.map((reason) => [reason._tag, reason.peer]),
        [2, 3, 4].map((number) => ["RequestTimeout", peer(number)])
      )
      assert.isTrue(after >= 10_000 && after <= 10_750, `${after} ms`)
    }).pipe(Effect.provide(node()))
  )

  it.effect("goes on at once when the peer leaves", () =>
    Effect.gen(function* () {
      const { remote: leaving } = yield* joinOut(peer(2))
      const { remote: honest } = yield* joinOut(peer(3))
      const fiber = yield* requestAny(blockHash).pipe(Effect.forkChild({ startImmediately: true }))
      yield* settle
      yield* leaving.close
      yield* settle
      yield* honest.send(noHash)
      yield* settle
      assert.strictEqual((yield* Fiber.join(fiber)).peer, peer(3))
    }).pipe(Effect.provide(node()))
  )
})

describe("a second peer", () => {
  const first = peer(2)
  const second = peer(3)
  const third = peer(4)
  const hash = (byte: number) => ({ ...noHash, hash: new Uint8Array(32).fill(byte) as never })

  /** Three peers, asked in this order, and a question that nobody has answered yet. */
  const ask = Effect.gen(function* () {
    const remotes: Array<Remote> = []
    for (const number of [first, second, third]) remotes.push((yield* joinOut(number)).remote)
    const before = [yield* waiting(first), yield* waiting(second)]
    const fiber = yield* requestAny(blockHash).pipe(Effect.forkChild({ startImmediately: true }))
    yield* settle
    return { remotes, before, fiber, asked: () => remotes.map(askedOf) }
  })

  it.effect("is asked after half a second, and a third is not", () =>
    Effect.gen(function* () {
      const { asked } = yield* ask
      yield* wait("490 millis")
      assert.deepStrictEqual(asked(), [1, 0, 0])
      yield* wait("20 millis")
      assert.deepStrictEqual(asked(), [1, 1, 0])
      yield* wait("4300 millis")
      assert.deepStrictEqual(asked(), [1, 1, 0])
    }).pipe(Effect.provide(node()))
  )

  it.effect("wins when it answers first; the late answer goes to nobody, not even to who asks the same", () =>
    Effect.gen(function* () {
      const { before, fiber, remotes } = yield* ask
      yield* wait("510 millis")
      yield* remotes[1]!.send(hash(2))
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(fiber), { peer: second, answer: hash(2) })
      assert.strictEqual(yield* waiting(first), before[0])
      const registry = yield* PeerRegistry
      const again = yield* registry.request(first, blockHash).pipe(Effect.forkChild({ startImmediately: true }))
      yield* remotes[0]!.send(hash(1))
      yield* settle
      yield* remotes[0]!.send(hash(3))
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(again), hash(3))
    }).pipe(Effect.provide(node()))
  )

  it.effect("loses when the first answers before it, and nobody waits for it", () =>
    Effect.gen(function* () {
      const { asked, before, fiber, remotes } = yield* ask
      yield* wait("510 millis")
      yield* remotes[0]!.send(hash(1))
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(fiber), { peer: first, answer: hash(1) })
      assert.deepStrictEqual(asked(), [1, 1, 0])
      assert.strictEqual(yield* waiting(second), before[1])
    }).pipe(Effect.provide(node()))
  )

  it.effect("and the first are waited for by nobody after an interruption", () =>
    Effect.gen(function* () {
      const { asked, before, fiber } = yield* ask
      yield* wait("510 millis")
      assert.deepStrictEqual(asked(), [1, 1, 0])
      const during = [yield* waiting(first), yield* waiting(second)]
      assert.deepStrictEqual(during, [before[0]! + 1, before[1]! + 1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([yield* waiting(first), yield* waiting(second)], before)
    }).pipe(Effect.provide(node()))
  )

  it.effect("is not asked what does harm when it is repeated", () => {
    const asked: Array<PeerId> = []
    const silent = registry(
      { peers: [accepting(2, 1), accepting(3, 2)] },
      { request: ((to: PeerId) => Effect.suspend(() => (asked.push(to), Effect.never))) as never }
    )
    return Effect.gen(function* () {
      yield* requestAny(handshake).pipe(Effect.forkChild({ startImmediately: true }))
      yield* wait("60 seconds")
      assert.deepStrictEqual(asked, [peer(2)])
      yield* requestAny(blockHash).pipe(Effect.forkChild({ startImmediately: true }))
      yield* wait("1 seconds")
      assert.deepStrictEqual(asked, [peer(2), peer(2), peer(3)])
    }).pipe(Effect.provide(silent))
  })
})

describe("who answers", () => {
  it.effect("is whom the registry asks; it refuses for all others at once", () =>
    Effect.gen(function* () {
      yield* joinIn(peer(1))
      yield* joinOut(peer(2))
      const registry = yield* PeerRegistry
      const requests: ReadonlyArray<Request> = [
        { _tag: "Ping", nonce: 1n, timestamp: 0n },
        blockHash,
        { _tag: "GetGenesisHash" }
      ]
      const verdicts: Array<boolean> = []
      for (const info of yield* registry.peers) {
        for (const request of requests) {
          const ask: Effect.Effect<unknown, RequestError> = registry.request(info.peer, request)
          const fiber = yield* Effect.flip(ask).pipe(
            Effect.timeoutOption("1 millis"),
            Effect.forkChild({ startImmediately: true })
          )
          yield* wait("1 millis")
          const refusal = yield* Fiber.join(fiber)
          assert.strictEqual(answers(info, request), Option.isNone(refusal), `${info.direction} ${request._tag}`)
          verdicts.push(answers(info, request))
        }
      }
      assert.deepStrictEqual(verdicts, [true, false, false, true, true, false])
    }).pipe(Effect.provide(node()))
  )
})

// --- internal ---

type Remote = Effect.Success<ReturnType<typeof joinOut>>["remote"]

const askedOf = (remote: Remote) => heard(remote, "GetBlockHash").filter(({ height }) => height === 9n).length

/** Requests to a peer that somebody waits for: those of its session, too. */
const waiting = (of: PeerId) =>
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    return (yield* registry.peers).find(({ peer }) => peer === of)!.pendingRequests
  })
