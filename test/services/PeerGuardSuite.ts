/**
 * What every PeerGuard must do, whatever it remembers with. On a virtual clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Limits from "../../src/protocol/Limits.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"

const CULPRIT = peerId("192.0.2.1")!
const OTHER = peerId("192.0.2.2")!
const CONFIGURED = peerId("192.0.2.3")!

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
        assert.deepStrictEqual(yield* guard.bans, [{ peer: CULPRIT, until: Limits.BAN_DURATION }])
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
        yield* guard.ban(CONFIGURED, 1_000)
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
        yield* guard.lift(CULPRIT)
        assert.isFalse(yield* guard.isBanned(CULPRIT))
        assert.strictEqual(yield* guard.score(CULPRIT), 0)
      })
    )

    test(
      "remembers a bounded number of peers, the most recent offenders",
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        yield* guard.ban(OTHER, 60_000)
        for (let index = 0; index < Limits.SCORED_PEERS; index++) {
          yield* report(1, peerId(`10.1.${index >> 8}.${index & 255}`)!)
        }
        assert.isFalse(yield* guard.isBanned(OTHER))
        assert.strictEqual(yield* guard.score(peerId("10.1.15.255")!), 1)
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
