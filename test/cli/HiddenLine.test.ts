import { assert, describe, it } from "@effect/vitest"
import { HiddenLine } from "../../src/cli/programs/HiddenInput.ts"

/** What a line is after keys that come in these parts, and how it ended. */
const typed = (...parts: ReadonlyArray<string>) => {
  const line = new HiddenLine()
  const last = parts.map((part) => line.push(part)).at(-1)
  return [line.text, last?.end, last?.rest]
}

describe("a hidden line", () => {
  it("is what was typed before Enter, in however many parts", () => {
    assert.deepStrictEqual(typed("se", "", "cret\r"), ["secret", "entered", ""])
    assert.deepStrictEqual(typed("fünf 😀", "\n"), ["fünf 😀", "entered", ""])
    assert.deepStrictEqual(typed("open"), ["open", "none", ""])
    assert.deepStrictEqual(typed("\r"), ["", "entered", ""])
  })

  it("can be corrected, by character and as a whole", () => {
    assert.deepStrictEqual(typed("\u007fab😀\u007f\bc\r"), ["ac", "entered", ""])
    assert.deepStrictEqual(typed("wrong\u0015right\r"), ["right", "entered", ""])
  })

  it("leaves what was pasted after it to the next question", () => {
    assert.deepStrictEqual(typed("one\rtwo\rthree"), ["one", "entered", "two\rthree"])
  })

  it("can be given up", () => {
    assert.strictEqual(typed("abc\u0003")[1], "cancelled")
    assert.strictEqual(typed("\u0004")[1], "cancelled")
    assert.deepStrictEqual(typed("abc\u0004d\r"), ["abcd", "entered", ""])
  })
})
