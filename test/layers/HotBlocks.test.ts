import { assert, describe, it } from "@effect/vitest"
import { HotBlocks } from "../../src/layers/HotBlocks.ts"

const block = (size: number): Uint8Array => new Uint8Array(size)

describe("HotBlocks", () => {
  it("drops what was not used for longest when it is full", () => {
    const hot = new HotBlocks(100)
    hot.set(1, block(40))
    hot.set(2, block(40))
    assert.isDefined(hot.get(1))
    hot.set(3, block(40))
    assert.isUndefined(hot.get(2))
    assert.isDefined(hot.get(1))
    assert.isDefined(hot.get(3))
    assert.strictEqual(hot.size, 80)
  })

  it("never holds more than its capacity", () => {
    const hot = new HotBlocks(100)
    hot.set(1, block(60))
    hot.set(2, block(101))
    assert.strictEqual(hot.size, 0)
    for (let height = 0; height < 50; height++) {
      hot.set(height % 7, block((height * 13) % 90))
      assert.isAtMost(hot.size, 100)
    }
  })

  it("counts a block once that is set again", () => {
    const hot = new HotBlocks(100)
    hot.set(1, block(60))
    hot.set(1, block(30))
    assert.strictEqual(hot.size, 30)
    hot.delete(1)
    hot.delete(1)
    assert.strictEqual(hot.size, 0)
    assert.isUndefined(hot.get(1))
  })
})
