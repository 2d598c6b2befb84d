import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { type Asked, AnswerMatcher, type Outcome } from "../../../src/layers/registry/AnswerMatcher.ts"
import type { Request } from "../../../src/protocol/Exchange.ts"
import { height } from "../../../src/protocol/Height.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import type { Message, MessageOf } from "../../../src/protocol/Message.ts"
import { emptyBlock } from "../../peer/Fixture.ts"
import { ping, pong } from "../../support/Sessions.ts"

const heightIs = (value: number): Message => ({ _tag: "BlockHeightResponse", height: height(BigInt(value)) })
const getHeight: Request = { _tag: "GetBlockHeight" }
const getBlocks = (start: bigint, end: bigint): Request => ({
  _tag: "GetBlocks",
  start: height(start),
  end: height(end)
})
const blocks = (...heights: ReadonlyArray<number>): MessageOf<"BlocksResponse"> => ({
  _tag: "BlocksResponse",
  blocks: heights.map((at) => emptyBlock(at))
})

/** Asks and records how it ends. */
const asking = (matcher: AnswerMatcher, request: Request, deadline = 1_000) => {
  const outcomes: Array<Outcome> = []
  const asked = matcher.ask(request, deadline, (outcome) => outcomes.push(outcome))
  return { asked, outcomes }
}

describe("AnswerMatcher", () => {
  it("answers the first asked first", () => {
    const matcher = new AnswerMatcher()
    const first = asking(matcher, getHeight)
    const second = asking(matcher, getHeight)
    assert.strictEqual(matcher.answer(heightIs(1)), "delivered")
    assert.deepStrictEqual([first.outcomes, second.outcomes], [[heightIs(1)], []])
    assert.strictEqual(matcher.answer(heightIs(2)), "delivered")
    assert.deepStrictEqual(second.outcomes, [heightIs(2)])
    assert.strictEqual(matcher.pending, 0)
    assert.strictEqual(matcher.answer(heightIs(3)), "unasked")
  })

  it("tells answers apart by nonce and height", () => {
    const matcher = new AnswerMatcher()
    const first = asking(matcher, ping(1n))
    const second = asking(matcher, ping(2n))
    assert.strictEqual(matcher.answer(pong(3n)), "unasked")
    assert.strictEqual(matcher.answer(pong(2n)), "delivered")
    assert.deepStrictEqual([first.outcomes, second.outcomes], [["passedOver"], [pong(2n)]])
    assert.strictEqual(matcher.answer(pong(1n)), "unasked")
  })

  it("gives up the requests before the one that was answered", () => {
    const matcher = new AnswerMatcher()
    const passed = [asking(matcher, getHeight), asking(matcher, { _tag: "GetPeers" }), asking(matcher, ping(1n))]
    const last = asking(matcher, ping(2n))
    const later = asking(matcher, getHeight)
    matcher.answer(pong(2n))
    for (const { outcomes } of passed) assert.deepStrictEqual(outcomes, ["passedOver"])
    assert.deepStrictEqual([last.outcomes, later.outcomes], [[pong(2n)], []])
  })

  it("does not hand the late answer of an expired request to the next", () => {
    const matcher = new AnswerMatcher()
    const expired = asking(matcher, getHeight, 10)
    const next = asking(matcher, getHeight, 20)
    matcher.expire(9)
    assert.deepStrictEqual(expired.outcomes, [])
    matcher.expire(10)
    assert.deepStrictEqual([expired.outcomes, next.outcomes], [["timedOut"], []])
    assert.strictEqual(matcher.answer(heightIs(1)), "late")
    assert.strictEqual(matcher.answer(heightIs(2)), "delivered")
    assert.deepStrictEqual(next.outcomes, [heightIs(2)])
  })

  it("keeps the place of abandoned requests and of those that nobody waits for", () => {
    const matcher = new AnswerMatcher()
    const abandoned = asking(matcher, getHeight)
    matcher.abandon(abandoned.asked)
    matcher.abandon(abandoned.asked)
    matcher.expect(getHeight)
    matcher.expect(heightIs(7))
    const next = asking(matcher, getHeight)
    assert.strictEqual(matcher.pending, 1)
    assert.strictEqual(matcher.answer(heightIs(1)), "late")
    assert.strictEqual(matcher.answer(heightIs(2)), "late")
    assert.strictEqual(matcher.answer(heightIs(3)), "delivered")
    assert.deepStrictEqual([abandoned.outcomes, next.outcomes], [[], [heightIs(3)]])
  })

  it("tells ranges of blocks apart by their heights", () => {
    const matcher = new AnswerMatcher()
    const expired = asking(matcher, getBlocks(0n, 100n), 10)
    matcher.expire(10)
    const next = asking(matcher, getBlocks(101n, 200n))
    assert.strictEqual(matcher.answer(blocks(5)), "late")
    assert.strictEqual(matcher.answer(blocks(101, 102)), "delivered")
    assert.deepStrictEqual([expired.outcomes, next.outcomes], [["timedOut"], [blocks(101, 102)]])
    const third = asking(matcher, getBlocks(201n, 300n))
    assert.strictEqual(matcher.answer(blocks(300, 301)), "unasked")
    assert.strictEqual(matcher.answer(blocks()), "delivered")
    assert.deepStrictEqual(third.outcomes, [blocks()])
  })

  it("knows which answers may come", () => {
    const matcher = new AnswerMatcher()
    assert.isFalse(matcher.expects("BlockHeightResponse"))
    const { asked } = asking(matcher, getHeight)
    matcher.abandon(asked)
    assert.isTrue(matcher.expects("BlockHeightResponse"))
    assert.isFalse(matcher.expects("PeersResponse"))
    matcher.answer(heightIs(1))
    assert.isFalse(matcher.expects("BlockHeightResponse"))
  })

  it("ends all requests with the connection", () => {
    const matcher = new AnswerMatcher()
    const all = [asking(matcher, getHeight), asking(matcher, ping(1n))]
    matcher.end()
    for (const { outcomes } of all) assert.deepStrictEqual(outcomes, ["closed"])
    assert.strictEqual(matcher.answer(pong(1n)), "unasked")
  })

  it("may be asked and ended from within an end", () => {
    const matcher = new AnswerMatcher()
    const order: Array<Outcome> = []
    matcher.ask(ping(1n), 0, (outcome) => {
      order.push(outcome)
      matcher.ask(ping(3n), 0, (outcome) => order.push(outcome))
    })
    matcher.ask(ping(2n), 0, (outcome) => {
      order.push(outcome)
      matcher.end()
    })
    matcher.answer(pong(2n))
    assert.deepStrictEqual(order, ["passedOver", pong(2n), "closed"])
    assert.strictEqual(matcher.pending, 0)
  })

  it("remembers no more than it may of a peer that never answers, and still no late answer goes astray", () => {
    const matcher = new AnswerMatcher()
    const unanswered = Limits.PENDING_REQUESTS_PER_PEER * 3
    for (let count = 0; count < unanswered; count++) {
      const { asked } = asking(matcher, count % 2 === 0 ? getHeight : ping(BigInt(count)))
      matcher.abandon(asked)
    }
    const next = asking(matcher, getHeight)
    for (let count = 0; count < unanswered / 2; count++) assert.strictEqual(matcher.answer(heightIs(count)), "late")
    assert.deepStrictEqual(next.outcomes, [])
    assert.strictEqual(matcher.answer(heightIs(unanswered)), "delivered")
  })

  it("finds its place again at the next answer, when the peer left some out", () => {
    const matcher = new AnswerMatcher()
    for (let count = 0; count < Limits.PENDING_REQUESTS_PER_PEER * 2; count++) {
      matcher.abandon(asking(matcher, getHeight).asked)
    }
    asking(matcher, ping(1n))
    assert.strictEqual(matcher.answer(pong(1n)), "delivered")
    const next = asking(matcher, getHeight)
    assert.strictEqual(matcher.answer(heightIs(5)), "delivered")
    assert.deepStrictEqual(next.outcomes, [heightIs(5)])
  })

  it("is within its bound after every call, however many requests end at once", () => {
    const matcher = new AnswerMatcher()
    const { asked } = asking(matcher, getHeight, Infinity)
    for (let round = 0; round < 100; round++) {
      while (!matcher.isFull) asking(matcher, ping(BigInt(round)), round)
      matcher.expire(round)
      assert.isAtMost(kept(matcher), 1 + Limits.PENDING_REQUESTS_PER_PEER)
    }
    // Asked again from within the end, as a retry does, and given up at once.
    while (!matcher.isFull) {
      matcher.ask(ping(0n), 1_000, () => {
        for (let count = 0; count < 3; count++) matcher.expect(getHeight)
      })
    }
    matcher.expire(1_000)
    assert.isAtMost(kept(matcher), 1 + Limits.PENDING_REQUESTS_PER_PEER)
    assert.strictEqual(matcher.answer(heightIs(1)), "delivered")
    assert.isUndefined(asked.settle)
    assert.isAtMost(kept(matcher), Limits.PENDING_REQUESTS_PER_PEER)
  })

  it("delivers to the one that waits first, whatever is forgotten behind it", () => {
    const matcher = new AnswerMatcher()
    const first = asking(matcher, getHeight)
    const forgotten = Limits.PENDING_REQUESTS_PER_PEER + 7
    for (let count = 0; count < forgotten; count++) matcher.expect(getHeight)
    const last = asking(matcher, getHeight)
    assert.strictEqual(matcher.answer(heightIs(0)), "delivered")
    for (let count = 1; count <= forgotten; count++) assert.strictEqual(matcher.answer(heightIs(count)), "late")
    assert.strictEqual(matcher.answer(heightIs(forgotten + 1)), "delivered")
    assert.deepStrictEqual([first.outcomes, last.outcomes], [[heightIs(0)], [heightIs(forgotten + 1)]])
  })

  it("remembers the forgotten behind an answered request, and gives up those before the answer to one of them", () => {
    const matcher = new AnswerMatcher()
    const expectMany = () => {
      for (let count = 0; count <= Limits.PENDING_REQUESTS_PER_PEER; count++) matcher.expect(getHeight)
    }
    const before = asking(matcher, { _tag: "GetPeers" })
    const nonce = asking(matcher, ping(1n))
    expectMany()
    const between = asking(matcher, { _tag: "GetPeers" })
    expectMany()
    const last = asking(matcher, getHeight)
    assert.strictEqual(matcher.answer(pong(1n)), "delivered")
    assert.deepStrictEqual([before.outcomes, nonce.outcomes], [["passedOver"], [pong(1n)]])
    for (let count = 0; count <= Limits.PENDING_REQUESTS_PER_PEER; count++) {
      assert.strictEqual(matcher.answer(heightIs(count)), "late")
    }
    assert.deepStrictEqual(between.outcomes, [])
    assert.strictEqual(matcher.answer(heightIs(1)), "late")
    assert.deepStrictEqual(between.outcomes, ["passedOver"])
    for (let count = 0; count < Limits.PENDING_REQUESTS_PER_PEER; count++) matcher.answer(heightIs(count))
    assert.deepStrictEqual(last.outcomes, [])
    assert.strictEqual(matcher.answer(heightIs(2)), "delivered")
    assert.deepStrictEqual(last.outcomes, [heightIs(2)])
  })

  // A peer answers in order, whenever it likes; it may leave out pings. Answers carry the number of their request.
  const Step = Schema.Literals(["height", "peers", "ping", "answer", "answer", "leaveOut", "abandon", "expire", "send"])
  const Steps = Schema.Array(
    Schema.Struct({ step: Step, pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })) })
  )

  it.prop("ends each request once, and never with another's answer", [Steps], ([steps]) => {
    const matcher = new AnswerMatcher()
    const outcomes = new Map<number, Array<Outcome>>()
    const waiting: Array<{ readonly number: number; readonly asked: Asked }> = []
    const abandoned = new Set<number>()
    /** What the peer has still to answer. */
    const unanswered: Array<{ readonly number: number; readonly request: Request }> = []
    let numbers = 0
    let now = 0
    const ask = (request: Request, number: number) => {
      outcomes.set(number, [])
      const asked = matcher.ask(request, now + 5 + (number % 3), (outcome) => outcomes.get(number)!.push(outcome))
      waiting.push({ number, asked })
      unanswered.push({ number, request })
    }
    const answerTo = ({ number, request }: (typeof unanswered)[number]): Message =>
      request._tag === "Ping"
        ? pong(request.nonce)
        : request._tag === "GetPeers"
          ? { _tag: "PeersResponse", addresses: [`${number}`] }
          : heightIs(number)
    for (const { step, pick } of steps) {
      const number = numbers++
      if (step === "height") ask(getHeight, number)
      if (step === "peers") ask({ _tag: "GetPeers" }, number)
      if (step === "ping") ask(ping(BigInt(number)), number)
      if (step === "send") {
        matcher.expect(getHeight)
        unanswered.push({ number, request: getHeight })
      }
      if (step === "answer" && unanswered.length > 0) {
        assert.notStrictEqual(matcher.answer(answerTo(unanswered.shift()!)), "unasked")
      }
      if (step === "leaveOut" && unanswered[0]?.request._tag === "Ping") unanswered.shift()
      if (step === "abandon" && waiting.length > 0) {
        const one = waiting[pick % waiting.length]!
        if (outcomes.get(one.number)!.length === 0) abandoned.add(one.number)
        matcher.abandon(one.asked)
      }
      if (step === "expire") matcher.expire((now += pick))
    }
    matcher.end()
    for (const [number, ends] of outcomes) {
      assert.lengthOf(ends, abandoned.has(number) ? 0 : 1)
      const [end] = ends
      if (typeof end === "string" || end === undefined) continue
      if (end._tag === "Pong") assert.strictEqual(end.nonce, BigInt(number))
      if (end._tag === "BlockHeightResponse") assert.strictEqual(end.height, BigInt(number))
      if (end._tag === "PeersResponse") assert.deepStrictEqual(end.addresses, [`${number}`])
    }
    assert.strictEqual(matcher.pending, 0)
  })
})

// --- internal ---

/** How many requests the matcher holds. */
const kept = (matcher: AnswerMatcher): number => {
  const { asked, first } = matcher as unknown as { readonly asked: ReadonlyArray<Asked>; readonly first: number }
  return asked.length - first
}
