/**
 * What every PeerGuard must do, whatever it remembers with. On a virtual clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Limits from "../../src/protocol/Limits.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Ban, type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"

const CULPRIT = peerId("192.0.2.1")!
const OTHER = peerId("192.0.2.2")!
const CONFIGURED = peerId("192.0.2.3")!
const numbered = (index: number): PeerId => peerId(`10.1.${index >> 8}.${index & 255}`)!

/** The layer is built anew for every test. */
export const suite = (name: string, layer: Layer.Layer<PeerGuard, never, NodeConfig>): void => {
  const config = NodeConfig.layerTest({ peers: [{ peer: CONFIGURED, port: 24_100 }] })
  const test = <A, E>(text: string, program: Effect.Effect<A, E, PeerGuard>) =>
    it.effect(text, () => program.pipe(Effect.provide(layer.pipe(Layer.provide(config)), { local: true })))

  const report = (times: number, peer: PeerId = CULPRIT, offence: Offence = "malformedLine") =>
    Effect.gen(function* () {
      const guard = yield* PeerGuard
      const verdicts: Array<string> = []
      for (let time = 0; time < times; time++) verdicts.push(yield* guard.report(peer, offence))
      return verdicts
    })

  describe(name, () => {
    test(
      "bans at the limit, for a while",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        const verdicts = yield* report(Limits.BAN_SCORE)
        assert.deepStrictEqual(new Set(verdicts.slice(0, -1)), new Set(["tolerated"]))
        assert.strictEqual(verdicts.at(-1), "banned")
        assert.isTrue(yield* guard.isBanned(CULPRIT))
        assert.isFalse(yield* guard.isBanned(OTHER))
        assert.deepStrictEqual(yield* guard.bans, [
          { peer: CULPRIT, since: 0, until: Limits.BAN_DURATION, reason: "misbehaving" }
        ])
        yield* TestClock.adjust(Duration.millis(Limits.BAN_DURATION - 1))
        assert.isTrue(yield* guard.isBanned(CULPRIT))
        yield* TestClock.adjust("1 millis")
        assert.isFalse(yield* guard.isBanned(CULPRIT))
        assert.deepStrictEqual(yield* guard.bans, [])
      })
    )

    test(
      "halves scores with time",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* report(8)
        assert.strictEqual(yield* guard.score(CULPRIT), 8)
        yield* TestClock.adjust(Duration.millis(Limits.BAN_SCORE_HALF_LIFE))
        assert.approximately(yield* guard.score(CULPRIT), 4, 1e-9)
        yield* report(1)
        yield* TestClock.adjust(Duration.millis(2 * Limits.BAN_SCORE_HALF_LIFE))
        assert.approximately(yield* guard.score(CULPRIT), 1.25, 1e-9)
        assert.strictEqual(yield* guard.score(OTHER), 0)
      })
    )

    test(
      "tolerates one offence a half-life for ever",
      Effect.gen(function* () {
        for (let time = 0; time < 100; time++) {
          assert.deepStrictEqual(yield* report(1), ["tolerated"])
          yield* TestClock.adjust(Duration.millis(Limits.BAN_SCORE_HALF_LIFE))
        }
      })
    )

    test(
      "scores configured peers and never bans them",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        assert.deepStrictEqual(new Set(yield* report(50, CONFIGURED)), new Set(["tolerated"]))
        assert.strictEqual(yield* guard.score(CONFIGURED), 50)
        const refusal = yield* Effect.flip(guard.ban(CONFIGURED, 1_000))
        assert.deepStrictEqual([refusal._tag, refusal.peer], ["ConfiguredPeer", CONFIGURED])
        assert.isFalse(yield* guard.isBanned(CONFIGURED))
      })
    )

    test(
      "weighs an invalid block heavier than a bad line",
      Effect.gen(function* () {
        assert.strictEqual((yield* report(2, CULPRIT, "invalidBlock")).at(-1), "banned")
      })
    )

    test(
      "bans and forgives when told to",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* guard.ban(CULPRIT, 60_000)
        assert.isTrue(yield* guard.isBanned(CULPRIT))
        yield* report(3)
        assert.isTrue(yield* guard.isBanned(CULPRIT))
        assert.isTrue(yield* guard.lift(CULPRIT))
        assert.isFalse(yield* guard.isBanned(CULPRIT))
        assert.strictEqual(yield* guard.score(CULPRIT), 0)
        assert.isFalse(yield* guard.lift(CULPRIT))
      })
    )

    test(
      "keeps the operator's ban whatever the peer does, and takes the operator's last word",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* report(Limits.BAN_SCORE)
        yield* TestClock.adjust("1 seconds")
        yield* guard.ban(CULPRIT, Limits.MANUAL_BAN_DURATION)
        const manual = { peer: CULPRIT, since: 1_000, until: 1_000 + Limits.MANUAL_BAN_DURATION, reason: "manual" }
        assert.deepStrictEqual(yield* guard.bans, [manual as Ban])
        assert.strictEqual((yield* report(1))[0], "banned")
        assert.deepStrictEqual(yield* guard.bans, [manual as Ban])
        yield* guard.ban(CULPRIT, 1)
        assert.strictEqual((yield* guard.bans)[0]?.until, 1_001)
      })
    )

    test(
      "forgives everybody who is banned at once",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* report(Limits.BAN_SCORE)
        yield* guard.ban(OTHER, 60_000)
        yield* guard.clear
        assert.deepStrictEqual(yield* guard.bans, [])
        assert.isFalse(yield* guard.isBanned(OTHER))
        assert.strictEqual((yield* report(1))[0], "tolerated")
      })
    )

    test(
      "remembers the scores of a bounded number of peers, the most recent offenders",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* report(1, OTHER)
        for (let index = 0; index < Limits.SCORED_PEERS; index++) {
          yield* report(1, numbered(index))
        }
        assert.strictEqual(yield* guard.score(OTHER), 0)
        assert.strictEqual(yield* guard.score(numbered(0)), 1)
        assert.strictEqual(yield* guard.score(numbered(Limits.SCORED_PEERS - 1)), 1)
      })
    )

    test(
      "keeps a bounded number of bans: what misbehaves never displaces what the operator banned",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* guard.ban(OTHER, 1_000)
        for (let index = 0; index < Limits.BANNED_PEERS; index++) yield* report(2, numbered(index), "invalidBlock")
        assert.strictEqual((yield* guard.bans).length, Limits.BANNED_PEERS)
        assert.deepStrictEqual([yield* guard.isBanned(OTHER), yield* guard.isBanned(numbered(0))], [true, false])
        assert.isTrue(yield* guard.isBanned(numbered(Limits.BANNED_PEERS - 1)))
      })
    )

    test(
      "lets a peer cost a burst at once, and after that its rate, whoever else costs what",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        assert.strictEqual(guard.spend(CULPRIT, Limits.PEER_COST_BURST), "within")
        assert.strictEqual(guard.spend(CULPRIT, 1), "beyond")
        assert.strictEqual(guard.spend(OTHER, 1), "within")
        yield* TestClock.adjust("10 millis")
        const refilled = Limits.PEER_COST_RATE / 100
        assert.strictEqual(guard.spend(CULPRIT, refilled + 1), "beyond")
        assert.strictEqual(guard.spend(CULPRIT, refilled), "within")
        yield* TestClock.adjust("1 hours")
        guard.recordDropped(CULPRIT)
        const full = { available: Limits.PEER_COST_BURST, dropped: 1 }
        assert.deepStrictEqual(yield* guard.spending(CULPRIT), full)
        assert.deepStrictEqual(yield* guard.spending(numbered(1)), { ...full, dropped: 0 })
      })
    )

    test(
      "lets a peer cost more than a burst when it has not cost anything, and then makes it wait for the rest",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        assert.strictEqual(guard.spend(CULPRIT, 2 * Limits.PEER_COST_BURST), "within")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(guard.spend(CULPRIT, 1), "beyond")
        yield* TestClock.adjust("2 seconds")
        guard.spend(CULPRIT, 1)
        assert.strictEqual(guard.spend(CULPRIT, 2 * Limits.PEER_COST_BURST), "beyond")
      })
    )

    test(
      "forgets the fuller budgets when too many have one, never those that are spent",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        guard.spend(CULPRIT, Limits.PEER_COST_BURST)
        for (let index = 0; index < 2 * Limits.BUDGETED_PEERS; index++) guard.spend(numbered(index), 1 + (index % 7))
        assert.strictEqual(guard.spend(CULPRIT, 1), "beyond")
        assert.strictEqual((yield* guard.spending(CULPRIT)).available, 0)
      })
    )

    const Gaps = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 })))
    it.effect.prop("bans exactly when the decayed sum reaches the limit", [Gaps], ([minutes]) =>
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        const times: Array<number> = []
        let now = 0
        for (const gap of minutes) {
          yield* TestClock.adjust(Duration.minutes(gap))
          now += gap * 60_000
          times.push(now)
          const sum = times.reduce((total, at) => total + 0.5 ** ((now - at) / Limits.BAN_SCORE_HALF_LIFE), 0)
          const verdict = yield* guard.report(CULPRIT, "malformedLine")
          // Within rounding of the limit either verdict will do.
          if (Math.abs(sum - Limits.BAN_SCORE) > 1e-9) {
            assert.strictEqual(verdict, sum > Limits.BAN_SCORE ? "banned" : "tolerated")
          }
        }
      }).pipe(Effect.provide(layer.pipe(Layer.provide(config)), { local: true }))
    )
  })
}
