import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import { formatTime, parseTime } from "../../src/protocol/Satoshi.ts"

const read = (text: string): bigint | string =>
  Result.match(parseTime(text), { onSuccess: (amount) => amount, onFailure: ({ reason }) => reason })

const Amount = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: MAX_U64 }))

describe("an amount in TIME", () => {
  it("is read to the last satoshi", () => {
    // As a double times 10^8 this is 28999999.999999996.
    assert.strictEqual(read("0.29"), 29_000_000n)
    assert.strictEqual(read("0"), 0n)
    assert.strictEqual(read("0.00000001"), 1n)
    assert.strictEqual(read("184467440737.09551615"), MAX_U64)
  })

  it("is refused for what is wrong with it", () => {
    for (const text of ["", " 1", "1 ", "-1", "+1", ".5", "5.", "1e3", "0x1", "01", "1,5", "1_000", "NaN", "١"]) {
      assert.strictEqual(read(text), "Syntax", JSON.stringify(text))
    }
    assert.strictEqual(read("0.000000001"), "Precision")
    assert.strictEqual(read("0.100000000"), "Precision")
    assert.strictEqual(read("184467440737.09551616"), "Range")
    assert.strictEqual(read("9".repeat(1_000)), "Range")
  })

  it.prop("is read as it is written", [Amount], ([amount]) => {
    assert.strictEqual(read(formatTime(amount)), amount)
  })
})
