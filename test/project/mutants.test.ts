/**
 * The mutants still fit the sources; `npm run test:mutants` shows that the tests find them.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { mutants, plant } from "./Mutants.ts"
import { root } from "./Project.ts"

describe("mutants", () => {
  for (const mutant of mutants) {
    it(`${mutant.name}: can be planted`, () => {
      const source = readFileSync(join(root, mutant.file), "utf8")
      assert.notStrictEqual(plant(mutant, source), source)
      assert.isAbove(mutant.tests.length, 0)
      for (const path of mutant.tests) assert.isTrue(existsSync(join(root, path)), path)
    })
  }

  it("are refused where their text is missing or ambiguous", () => {
    const mutant = { name: "", file: "a.ts", text: "b", replacement: "c", tests: [] }
    assert.strictEqual(plant(mutant, "abd"), "acd")
    assert.throws(() => plant(mutant, "ad"), /a\.ts: .* 0 times/)
    assert.throws(() => plant(mutant, "abdb"), /a\.ts: .* 2 times/)
  })
})
