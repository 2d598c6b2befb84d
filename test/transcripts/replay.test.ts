/**
 * The recorded peers of a `timed`, played to this node: each request gets the answer that `timed` gave, in its order.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { differences } from "./differences.ts"
import { configured, replay, type Session, STARTED_AT } from "./Replay.ts"

const files = [
  "01-client-each-variant.jsonl",
  "02-client-bad-openings.jsonl",
  "04-client-framing.jsonl",
  "09-client-getblockrange-max-freezes.jsonl"
]

const used = new Set<string>()

/** The session without the differences that the table explains. */
const explained = (session: Session): Session =>
  differences.reduce((rest, { what, without }) => {
    const next = without(rest)
    if (next !== undefined) used.add(what)
    return next ?? rest
  }, session)

describe("recorded peers", () => {
  for (const file of files) {
    it.effect(file, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(STARTED_AT)
        const sessions = yield* replay(file).pipe(Effect.provide(configured(), { local: true }))
        assert.isAbove(sessions.length, 0)
        for (const session of sessions.map(explained)) {
          assert.deepStrictEqual(session.actual as ReadonlyArray<unknown>, session.expected, session.title)
          assert.strictEqual(session.closed.actual, session.closed.expected, `${session.title}: closed`)
        }
      })
    )
  }

  it("the table of differences has no row without a difference", () => {
    assert.deepStrictEqual(
      differences.map(({ what }) => what).filter((what) => !used.has(what)),
      []
    )
  })
})
