/**
 * The attack in short form; `scripts/eclipse.ts` lets it last for a day.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Limits from "../../src/protocol/Limits.ts"
import { attempt } from "./EclipseAttempt.ts"

const honest = { groups: 100, addresses: 200, masternodes: 40 }

describe("an attacker with twenty network groups", () => {
  it.effect("never gets more outbound slots than it has groups, and a share of them after a restart", () =>
    Effect.gen(function* () {
      const outcome = yield* attempt({ seed: 1, hours: 4, groups: 20, honest })
      // The bound of the design: one slot a group, as long as others can be dialled.
      assert.isAtLeast(outcome.least, 1 - 20 / Limits.OUTBOUND_SLOTS)
      assert.strictEqual(outcome.started, 1)
      // Groups draw lots: 20 of 120, and of 60 with masternodes.
      assert.isAtLeast(outcome.restarted, 0.7)
      // Nothing that was reached is lost, though far more was named and every bit of it answers.
      assert.strictEqual(outcome.book.honest, honest.addresses)
      assert.isAbove(outcome.book.attacker, 2_000)
      assert.isAtLeast(outcome.book.reached, 100)
    })
  )
})
