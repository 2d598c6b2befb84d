import { assert, describe, it } from "@effect/vitest"
import { corruptRun } from "../support/crash/Corrupt.ts"
import { killRun } from "../support/crash/Kill.ts"
import { node } from "./Project.ts"

/** A few runs of `scripts/crash.ts`, whose long form is for a quiet machine. */
describe("a chain store", { concurrent: true }, () => {
  for (const [name, run] of [
    ["a kill", () => killRun(11)],
    ["damage", () => corruptRun(9)]
  ] as const) {
    it(`is whole or refused after ${name}`, { timeout: 120_000 }, async () => {
      const { fault, text } = await run()
      assert.isFalse(fault, text)
    })
  }

  it("is tried by a script that says how to use it", { timeout: 120_000 }, async () => {
    const { code, stderr } = await node(["scripts/crash.ts", "--runs", "none"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^--runs and --seed take numbers/)
  })
})
