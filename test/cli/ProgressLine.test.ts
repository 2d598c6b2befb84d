import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import { progressLine } from "../../src/cli/programs/ProgressLine.ts"

const half = {
  verb: "Syncing",
  height: 50_000n,
  target: 100_000n,
  share: 0.5,
  blocksPerSecond: 2_500,
  secondsLeft: 20,
  peers: 4
}

describe("the line of progress", () => {
  it("has height, share, speed, time left and peers", () => {
    assert.strictEqual(
      progressLine(half, 100),
      "Syncing 50,000/100,000  [##############--------------]  50 %  2,500 blocks/s  20 s left  4 peers"
    )
  })

  it("is without a bar where the end is not known", () => {
    assert.strictEqual(
      progressLine({ verb: "imported", height: 7n, blocksPerSecond: 3 }, 100),
      "imported 7  3 blocks/s"
    )
    assert.strictEqual(
      progressLine({ verb: "Syncing", height: 7n, blocksPerSecond: 3, peers: 1 }, 100),
      "Syncing 7  3 blocks/s  1 peer"
    )
  })

  it("has a bar for a part of a file, whose last height is not known", () => {
    assert.strictEqual(
      progressLine({ verb: "imported", height: 7n, share: 0.256, blocksPerSecond: 3, secondsLeft: 150 }, 100),
      "imported 7  [#######---------------------]  25 %  3 blocks/s  3 min left"
    )
  })

  it("fits any terminal, and gives up the bar before figures", () => {
    for (let columns = 0; columns < 120; columns++) assert.isAtMost(progressLine(half, columns).length, columns)
    assert.strictEqual(progressLine(half, 68), "Syncing 50,000/100,000  50 %  2,500 blocks/s  20 s left  4 peers")
    assert.strictEqual(progressLine(half, 45), "Syncing 50,000/100,000  50 %  2,500 blocks/s")
  })

  it("is never more than full, and colours the bar alone", () => {
    const past = { ...half, height: 200_000n, share: 2, secondsLeft: -1 }
    assert.include(progressLine(past, 120), `[${"#".repeat(28)}]  100 %`)
    assert.notInclude(progressLine(past, 120), "left")
    const [before, coloured, after] = progressLine(half, 100, false).split("#".repeat(14))
    assert.isTrue(before!.endsWith("[\u001b[32m"))
    assert.isTrue(coloured!.startsWith("\u001b[39m--"))
    assert.isUndefined(after)
    assert.strictEqual(stripVTControlCharacters(progressLine(half, 100, false)), progressLine(half, 100))
  })
})
