/**
 * Two `timed` and two timenodes live together for a while. The long form is `scripts/soak.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sharedFile } from "./Shared.ts"
import { reportText, soak } from "./Soak.ts"

const MINUTES = 1.5

describe.skipIf(sharedFile("peer/timed-e9e4319") === null)("a mixed network", () => {
  it.live(
    `of both kinds keeps its links and one chain for ${MINUTES * 20} minutes of its time`,
    () =>
      Effect.gen(function* () {
        const report = yield* soak(MINUTES, () => {})
        console.log(reportText(report))
        assert.deepStrictEqual(report.faults, [])
        assert.isAbove(report.blocks, 0)
      }),
    240_000
  )
})
