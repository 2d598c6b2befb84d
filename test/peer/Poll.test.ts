import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { poll, type PollOptions } from "../../src/peer/Poll.ts"
import type { Request, RequestOf } from "../../src/protocol/Exchange.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { NotAnswered, PeerRegistry, RequestError } from "../../src/services/PeerRegistry.ts"
import { peer, registry } from "./Fixture.ts"
import { heard, joinOut, node, settle, wait } from "./Session.ts"

const never = () => false
const peers = (count: number): ReadonlyArray<PeerId> => Array.from({ length: count }, (_, index) => peer(index + 1))
const blockHash = { _tag: "GetBlockHash", height: height(9) } as const
const noHash = { _tag: "BlockHashResponse", height: height(9), hash: null } as const

/** Polls while the clock goes on: the result, and after how many milliseconds it came. */
const timed = <R extends Request>(request: R, options: PollOptions<R>) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const fiber = yield* poll(request, options).pipe(
      Effect.flatMap((result) => Effect.map(Clock.currentTimeMillis, (now) => ({ ...result, after: now - began }))),
      Effect.forkChild({ startImmediately: true })
    )
    yield* TestClock.adjust(Duration.times(options.deadline, 3))
    return yield* Fiber.join(fiber)
  })

/** A registry whose peers do as they please; `most` notes how many questions were under way at once. */
const world = (behave: (peer: PeerId) => Effect.Effect<typeof noHash, RequestError>) => {
  const seen = { asked: new Array<PeerId>(), open: 0, most: 0 }
  const ask = (peer: PeerId) =>
    Effect.suspend(() => {
      seen.asked.push(peer)
      seen.most = Math.max(seen.most, ++seen.open)
      return behave(peer)
    }).pipe(Effect.ensuring(Effect.sync(() => void seen.open--)))
  return { seen, layer: registry({}, { request: ask as PeerRegistry["Service"]["request"] }) }
}

describe("a poll", () => {
  it.effect("of peers that all answer has everybody's answer, and takes no time", () =>
    Effect.gen(function* () {
      const result = yield* poll({ _tag: "GetBlockHeight" } as RequestOf<"GetBlockHeight">, {
        peers: peers(3),
        deadline: Duration.seconds(10),
        enough: never
      })
      assert.deepStrictEqual(
        [...result.answers].map(([peer, { height }]) => [peer, height]),
        peers(3).map((peer, index) => [peer, BigInt(index + 1)])
      )
      assert.deepStrictEqual(result.silent, [])
    }).pipe(
      Effect.provide(
        PeerRegistry.layerTest({
          respond: {
            GetBlockHeight: (_, from) => ({ _tag: "BlockHeightResponse", height: height(Number(from.split(".")[3])) })
          }
        })
      )
    )
  )

  it.effect("counts peers that cannot answer as silent and does not wait for them", () =>
    Effect.gen(function* () {
      const result = yield* poll(blockHash, { peers: peers(3), deadline: Duration.seconds(10), enough: never })
      assert.strictEqual(result.answers.size, 0)
      assert.deepStrictEqual(result.silent, peers(3))
    }).pipe(Effect.provide(PeerRegistry.layerTest()))
  )

  it.effect("of nobody ends at once, without an answer", () =>
    poll(blockHash, { peers: [], deadline: Duration.seconds(10), enough: never }).pipe(
      Effect.map(({ answers, silent }) => assert.deepStrictEqual([answers.size, silent.length], [0, 0])),
      Effect.provide(PeerRegistry.layerTest())
    )
  )

  it.effect("gives a peer that is named twice one question and one vote", () => {
    const { layer, seen } = world(() => Effect.succeed(noHash))
    return poll(blockHash, { peers: [peer(1), peer(1)], deadline: Duration.seconds(1), enough: never }).pipe(
      Effect.map(({ answers }) => {
        assert.strictEqual(answers.size, 1)
        assert.deepStrictEqual(seen.asked, [peer(1)])
      }),
      Effect.provide(layer)
    )
  })

  it.effect("that has heard enough asks nobody else", () => {
    const { layer, seen } = world(() => Effect.delay(Effect.succeed(noHash), seen.asked.length * 100))
    const options = {
      peers: peers(200),
      deadline: Duration.seconds(60),
      enough: ({ size }: { size: number }) => size === 3
    }
    return timed(blockHash, options).pipe(
      Effect.map(({ after, answers, silent }) => {
        assert.deepStrictEqual([...answers.keys()], peers(3))
        assert.strictEqual(silent.length, 197)
        assert.strictEqual(after, 300)
        assert.deepStrictEqual([seen.asked.length, seen.open], [Limits.PEERS_POLLED_AT_ONCE + 2, 0])
      }),
      Effect.provide(layer)
    )
  })

  it.effect("gives every peer a turn before the deadline, however many are silent, and waits for few at once", () => {
    const count = 3 * Limits.PEERS_POLLED_AT_ONCE + 1
    const last = peers(count).at(-1)
    const { layer, seen } = world((peer) =>
      peer === last ? Effect.delay(Effect.succeed(noHash), "1900 millis") : Effect.never
    )
    return timed(blockHash, { peers: peers(count), deadline: Duration.seconds(8), enough: never }).pipe(
      Effect.map(({ after, answers, silent }) => {
        assert.deepStrictEqual([...answers.keys()], [last])
        assert.strictEqual(silent.length, count - 1)
        assert.isAtMost(after, 8_000)
        assert.deepStrictEqual([seen.asked.length, seen.most, seen.open], [count, Limits.PEERS_POLLED_AT_ONCE, 0])
      }),
      Effect.provide(layer)
    )
  })

  const Behaviour = Schema.Union([Schema.Literals(["silent", "fails"]), Schema.Literals([0, 1, 999, 1_001, 5_000])])
  it.effect.prop(
    "has the answers that came in time, and lists everybody else as silent",
    [Schema.Array(Behaviour).check(Schema.isMaxLength(20))],
    ([behaviours]) => {
      const all = peers(behaviours.length)
      const { layer, seen } = world((peer) => {
        const behaviour = behaviours[all.indexOf(peer)]!
        if (behaviour === "silent") return Effect.never
        if (behaviour === "fails") {
          return Effect.fail(new RequestError({ reason: new NotAnswered({ peer, request: "GetBlockHash" }) }))
        }
        return Effect.delay(Effect.succeed(noHash), behaviour)
      })
      const inTime = (peer: PeerId) => {
        const behaviour = behaviours[all.indexOf(peer)]!
        return typeof behaviour === "number" && behaviour < 1_000
      }
      return timed(blockHash, { peers: all, deadline: Duration.seconds(1), enough: never }).pipe(
        Effect.map(({ after, answers, silent }) => {
          assert.sameMembers([...answers.keys()], all.filter(inTime))
          assert.deepStrictEqual(
            silent,
            all.filter((peer) => !inTime(peer))
          )
          assert.isAtMost(after, 1_000)
          assert.strictEqual(seen.open, 0)
        }),
        Effect.provide(layer)
      )
    },
    { arbitrary: { runs: 100, seed: 1 } }
  )

  it("waits for as many as were dialled, and no more answers than may be unfinished", () => {
    assert.isAtLeast(Limits.PEERS_POLLED_AT_ONCE, Limits.OUTBOUND_SLOTS)
    assert.isAtMost(Limits.PEERS_POLLED_AT_ONCE * Limits.LINE_ANSWER, Limits.UNFINISHED_LINES_TOTAL)
  })
})

describe("a poll over connections", () => {
  it.effect("of 15 peers that say nothing has no votes: nobody has disagreed", () =>
    Effect.gen(function* () {
      const remotes = yield* Effect.forEach(peers(15), (peer) => Effect.map(joinOut(peer), ({ remote }) => remote))
      // On 14 December 2025 15 peers were asked, none answered, and 1,975 blocks were taken off.
      const result = yield* timed(blockHash, { peers: peers(15), deadline: Duration.seconds(10), enough: never })
      assert.strictEqual(result.answers.size, 0)
      assert.deepStrictEqual(result.silent, peers(15))
      assert.strictEqual(result.after, 10_000)
      for (const remote of remotes) assert.strictEqual(asked(remote), 1)
    }).pipe(Effect.provide(node()))
  )

  it.effect("ends with the answer that is enough, and no late one is taken for the answer to the next question", () =>
    Effect.gen(function* () {
      const { remote: quick } = yield* joinOut(peer(1))
      const { remote: slow } = yield* joinOut(peer(2))
      const getHeight = { _tag: "GetBlockHeight" } as const
      // What the opening of the session has asked is answered first, in its turn.
      const answerAll = (remote: typeof slow, at: number, count: number) =>
        Effect.forEach(
          Array.from({ length: count }),
          () => remote.send({ _tag: "BlockHeightResponse", height: height(at) }),
          { discard: true }
        )
      for (const remote of [quick, slow]) yield* answerAll(remote, 1, heard(remote, "GetBlockHeight").length)
      yield* settle
      const before = yield* waitedFor(peer(2))

      const first = yield* poll(getHeight, {
        peers: [peer(1), peer(2)],
        deadline: Duration.seconds(10),
        enough: ({ size }) => size === 1
      }).pipe(Effect.forkChild({ startImmediately: true }))
      yield* settle
      assert.strictEqual(yield* waitedFor(peer(2)), before + 1)
      yield* answerAll(quick, 5, 1)
      yield* settle
      const { answers, silent } = yield* Fiber.join(first)
      assert.deepStrictEqual(
        [...answers].map(([peer, { height }]) => [peer, height]),
        [[peer(1), 5n]]
      )
      assert.deepStrictEqual(silent, [peer(2)])
      assert.strictEqual(yield* waitedFor(peer(2)), before)

      const second = yield* poll(getHeight, {
        peers: [peer(2)],
        deadline: Duration.seconds(10),
        enough: never
      }).pipe(Effect.forkChild({ startImmediately: true }))
      yield* settle
      yield* answerAll(slow, 5, 1)
      yield* wait("1 seconds")
      assert.strictEqual(yield* waitedFor(peer(2)), 1)
      yield* answerAll(slow, 6, 1)
      yield* settle
      assert.strictEqual((yield* Fiber.join(second)).answers.get(peer(2))?.height, 6n)
    }).pipe(Effect.provide(node()))
  )

  it.effect("has one answer and one silent peer when one of two leaves", () =>
    Effect.gen(function* () {
      const { remote: honest } = yield* joinOut(peer(1))
      const { remote: leaving } = yield* joinOut(peer(2))
      const fiber = yield* poll(blockHash, { peers: peers(2), deadline: Duration.seconds(10), enough: never }).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      yield* settle
      yield* leaving.close
      yield* honest.send(noHash)
      yield* settle
      const { answers, silent } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([...answers], [[peer(1), noHash]])
      assert.deepStrictEqual(silent, [peer(2)])
    }).pipe(Effect.provide(node()))
  )
})

// --- internal ---

const asked = (remote: Parameters<typeof heard>[0]) =>
  heard(remote, "GetBlockHash").filter(({ height }) => height === 9n).length

/** Requests of ours to that peer that somebody waits for. */
const waitedFor = Effect.fnUntraced(function* (peer: PeerId) {
  const registry = yield* PeerRegistry
  const info = (yield* registry.peers).find((info) => info.peer === peer)
  return info?.pendingRequests ?? NaN
})
