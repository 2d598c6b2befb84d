import { assert, it } from "@effect/vitest"
import { node } from "./Project.ts"

it("nothing is left of eight hundred connections", { timeout: 180_000 }, async () => {
  const { code, stderr, stdout } = await node(["scripts/churn.ts", "--connections", "800"], { timeout: 170_000 })
  assert.strictEqual(code, 0, stdout + stderr)
  assert.match(stdout, /^nothing left: /m)
})
