import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import * as Policies from "../../src/peer/Policies.ts"
import { Exchange, requestTags } from "../../src/protocol/Exchange.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import {
  ConnectionClosed,
  NotAnswered,
  PeerNotConnected,
  RequestError,
  RequestTimeout,
  SendQueueFull
} from "../../src/services/PeerRegistry.ts"

const peer = "203.0.113.1"
const failures = {
  timeout: new RequestError({ reason: new RequestTimeout({ peer, request: "Ping" }) }),
  closed: new RequestError({ reason: new ConnectionClosed({ peer, reason: "remoteClosed" }) }),
  full: new RequestError({ reason: new SendQueueFull({ peer, waitingBytes: 1 }) }),
  notAnswered: new RequestError({ reason: new NotAnswered({ peer, request: "Ping" }) }),
  notConnected: new RequestError({ reason: new PeerNotConnected({ peer }) })
}

/** The pauses before each further try of something that always fails, in milliseconds, within an hour of `tries`. */
const pauses = Effect.fnUntraced(function* <E>(schedule: Schedule.Schedule<unknown, E>, error: E, tries: number) {
  const times: Array<number> = []
  const fiber = yield* Effect.flatMap(Clock.currentTimeMillis, (now) => {
    times.push(now)
    return times.length >= tries ? Effect.void : Effect.fail(error)
  }).pipe(Effect.retry(schedule), Effect.exit, Effect.forkChild)
  yield* TestClock.adjust("3 hours")
  yield* Fiber.join(fiber)
  return times.slice(1).map((time, index) => time - times[index]!)
})

const isAround = (actual: number, expected: number): boolean => actual >= 0.8 * expected && actual <= 1.2 * expected

describe("retrying a request", () => {
  it.effect("happens twice more, later and later", () =>
    Effect.gen(function* () {
      const waited = yield* pauses(Policies.retry, failures.timeout, 100)
      assert.strictEqual(waited.length, 2)
      assert.isTrue(isAround(waited[0]!, 500) && isAround(waited[1]!, 1_000), String(waited))
    })
  )

  it.effect("happens only for reasons that another try can change", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* pauses(Policies.retry, failures.closed, 100)).length, 2)
      assert.strictEqual((yield* pauses(Policies.retry, failures.full, 100)).length, 2)
      assert.strictEqual((yield* pauses(Policies.retry, failures.notAnswered, 100)).length, 0)
      assert.strictEqual((yield* pauses(Policies.retry, failures.notConnected, 100)).length, 0)
    })
  )

  it.effect("starts anew for every request", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* pauses(Policies.retry, failures.timeout, 100)).length, 2)
      assert.strictEqual((yield* pauses(Policies.retry, failures.timeout, 100)).length, 2)
    })
  )

  it.effect("backs off to 8 seconds and no further", () =>
    Effect.gen(function* () {
      const waited = yield* pauses(Policies.backoff, failures.timeout, 12)
      const expected = [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000]
      assert.isTrue(waited.length === 11 && waited.every((wait, n) => isAround(wait, expected[n]!)), String(waited))
    })
  )
})

describe("redialling", () => {
  it.effect("waits 5 seconds, doubling to 300 seconds, for ever", () =>
    Effect.gen(function* () {
      const waited = yield* pauses(Policies.reconnect, "failed", 20)
      const expected = [5, 10, 20, 40, 80, 160, ...Array.from({ length: 13 }, () => 300)]
      assert.isTrue(
        waited.length === 19 && waited.every((wait, n) => isAround(wait, expected[n]! * 1_000)),
        String(waited)
      )
    })
  )

  it.effect("spreads: two nodes that failed together do not redial together", () =>
    Effect.gen(function* () {
      const one = yield* Random.withSeed(pauses(Policies.reconnect, "failed", 20), "one")
      const other = yield* Random.withSeed(pauses(Policies.reconnect, "failed", 20), "other")
      assert.notDeepEqual(one, other)
      assert.isAbove(new Set(one.slice(-10)).size, 5)
    })
  )
})

describe("deadlines", () => {
  it("are known for every exchange, and longer the more there is to send", () => {
    for (const tag of requestTags) assert.isDefined(Policies.request[Exchange[tag].timeout])
    const of = (timeout: "quick" | "normal" | "bulk") => Duration.toMillis(Policies.request[timeout].timeout)
    assert.deepStrictEqual([of("quick"), of("normal"), of("bulk")], [5_000, 15_000, 60_000])
  })

  it("of a single try are those of its class, without the retry", () => {
    for (const timeout of ["quick", "normal", "bulk"] as const) {
      assert.deepStrictEqual(Policies.once(timeout), { timeout: Policies.request[timeout].timeout })
    }
  })

  it("keep their order: a reply outlives a slow reader's deadline, a ping the registry's idle one", () => {
    assert.isAbove(Duration.toMillis(Policies.replyTimeout), Limits.DRAIN_TIMEOUT)
    assert.isBelow(Duration.toMillis(Policies.ping.timeout), Duration.toMillis(Policies.pingInterval))
    const unresponsive =
      Duration.toMillis(Policies.pingInterval) * (Policies.missedPings - 1) + Duration.toMillis(Policies.ping.timeout)
    assert.isBelow(unresponsive, Limits.IDLE_TIMEOUT)
    assert.strictEqual(Duration.toMillis(Policies.handshakeTimeout), Limits.HANDSHAKE_TIMEOUT)
  })
})
