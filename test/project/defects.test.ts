/**
 * Each defect of the list has a test that is there under the name that the list gives.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defects } from "./Defects.ts"
import { root } from "./Project.ts"

const LAST = 34

describe("a known defect", () => {
  it("has a test, whichever it is", () => {
    const all = Array.from({ length: LAST }, (_, index) => index + 1)
    assert.deepStrictEqual([...new Set(defects.map(({ number }) => number))], all)
  })

  for (const { file, meaning, number, test } of defects) {
    it(`${number}, ${meaning}: is tested`, () => {
      assert.isTrue(existsSync(join(root, file)), `${file} is missing`)
      const source = readFileSync(join(root, file), "utf8")
      const count = ['"', "`"].reduce((sum, quote) => sum + source.split(quote + test + quote).length - 1, 0)
      assert.strictEqual(count, 1, `${file} has ${count} tests named ${JSON.stringify(test)}`)
      assert.notMatch(source, /\.(skip|todo|only)\b/, file)
    })
  }
})
