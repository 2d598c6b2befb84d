import { assert, describe, it } from "@effect/vitest"
import { node } from "./Project.ts"

/** A few runs of `scripts/crash.ts`, whose long form is for a quiet machine. */
describe("a chain store", { concurrent: true }, () => {
  for (const args of [
    ["--seed", "11", "--runs", "1"],
    ["--corrupt", "--seed", "9", "--runs", "2"]
  ]) {
    it(`is whole or refused after ${args.join(" ")}`, { timeout: 120_000 }, async () => {
      const { code, stderr, stdout } = await node(["scripts/crash.ts", ...args], { timeout: 110_000 })
      assert.strictEqual(code, 0, stdout + stderr)
      assert.match(stdout, /^\d runs, 0 faults, /m)
    })
  }
})
