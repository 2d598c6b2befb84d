import { assert, describe, it } from "@effect/vitest"
import { SyncSpeed } from "../../src/peer/SyncSpeed.ts"

describe("SyncSpeed", () => {
  it("tells blocks a second over the last seconds, and falls when nothing comes", () => {
    const speed = new SyncSpeed()
    assert.strictEqual(speed.perSecond(0), 0)
    speed.note(0, 100n)
    assert.strictEqual(speed.perSecond(0), 0)
    for (let at = 100; at <= 1_000; at += 100) speed.note(at, 100n + BigInt(at))
    assert.strictEqual(speed.perSecond(1_000), 1_000)
    assert.strictEqual(speed.perSecond(4_000), 250)
  })

  it("forgets how fast it was more than ten seconds ago", () => {
    const speed = new SyncSpeed()
    let height = 0n
    for (let at = 0; at <= 60_000; at += 50) speed.note(at, (height += at < 40_000 ? 500n : 10n))
    assert.closeTo(speed.perSecond(60_000), 200, 5)
    speed.clear()
    assert.strictEqual(speed.perSecond(60_000), 0)
  })
})
