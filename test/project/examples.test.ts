/**
 * Every example is short, and runs to its end by itself. The type check and the import rules know them too.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { node, root } from "./Project.ts"

const TIME_LIMIT = 20_000
const folder = join(root, "examples")
const examples = readdirSync(folder).filter((name) => name.endsWith(".ts"))

describe("examples", () => {
  it("are there", () => {
    assert.includeMembers(examples, ["block-watcher.ts", "handler-test.ts", "own-utxo-store.ts"])
  })

  for (const name of examples) {
    const path = join(folder, name)

    it(`${name} has fewer than 40 lines`, () => {
      assert.isBelow(readFileSync(path, "utf8").trimEnd().split("\n").length, 40)
    })

    it(`${name} runs to its end`, { timeout: TIME_LIMIT + 5_000 }, async () => {
      const { code, stderr } = await node([path], { timeout: TIME_LIMIT })
      assert.strictEqual(code, 0, stderr)
    })
  }
})
