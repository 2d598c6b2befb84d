/**
 * The line that `.ci/run` ends with, and its exit code.
 */
import { assert, describe, it } from "@effect/vitest"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { node, root, temporaryFolder } from "./Project.ts"

const report = (passed: number, failed: number, skipped = 0) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: skipped,
  numTodoTests: 0
})

const cases: ReadonlyArray<{
  readonly name: string
  readonly reports: Record<string, object>
  readonly outcomes: ReadonlyArray<string>
  readonly last: string
  readonly code: number
}> = [
  {
    name: "adds up the reports",
    reports: { test: report(5, 0), interop: report(2, 0, 3) },
    outcomes: ["install=0", "test=0", "interop=0"],
    last: "7 passed, 0 failed, 3 skipped",
    code: 0
  },
  {
    name: "counts failed tests once, though their step failed too",
    reports: { test: report(5, 2) },
    outcomes: ["install=0", "test=1"],
    last: "5 passed, 2 failed",
    code: 1
  },
  {
    name: "counts a failed step that has no tests",
    reports: { test: report(5, 0) },
    outcomes: ["install=0", "lint=1", "test=0"],
    last: "5 passed, 1 failed",
    code: 1
  },
  {
    name: "counts a test step that failed outside its tests, or left no report",
    reports: { test: report(5, 0) },
    outcomes: ["test=1", "interop=1"],
    last: "5 passed, 2 failed",
    code: 1
  }
]

describe("the count of .ci/run", () => {
  for (const { name, reports, outcomes, last, code } of cases) {
    it(name, async () => {
      const folder = temporaryFolder("ci")
      for (const [step, content] of Object.entries(reports)) {
        writeFileSync(join(folder, `${step}.json`), JSON.stringify(content))
      }
      const outcome = await node([join(root, ".ci/count.js"), folder, ...outcomes])
      rmSync(folder, { recursive: true })
      assert.strictEqual(outcome.stdout.trimEnd().split("\n").at(-1), last)
      assert.strictEqual(outcome.code, code)
    })
  }
})
