import { assert, describe, it } from "@effect/vitest"
import { SyncSources } from "../../src/peer/SyncSources.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { peer } from "./Fixture.ts"

const names = (sources: SyncSources, tip: bigint) => sources.above(tip, 1_000n).map((source) => source.peer)

describe("SyncSources", () => {
  it("gives who is above the tip, the fastest first, and believes no impossible height", () => {
    const sources = new SyncSources()
    for (const number of [1, 2, 3, 4]) sources.reported(peer(number), height(number * 400))
    sources.answered(peer(2), 900)
    sources.answered(peer(3), 100)
    assert.deepStrictEqual(names(sources, 400n), [peer(3), peer(4), peer(2)])
    assert.deepStrictEqual(
      sources.above(400n, 1_000n).map((source) => source.height),
      [1_000n, 1_000n, 800n]
    )
    assert.strictEqual(sources.best, 1_600n)
    assert.deepStrictEqual(names(sources, 1_000n), [])
  })

  it("leaves a peer alone until its time is over and it is let back", () => {
    const sources = new SyncSources()
    sources.reported(peer(1), height(9))
    sources.passOver(peer(1), 60)
    sources.readmit(59)
    assert.deepStrictEqual(names(sources, 0n), [])
    sources.readmit(60)
    assert.deepStrictEqual(names(sources, 0n), [peer(1)])
  })

  it("forgets those that are gone, and keeps no more heights than there can be connections", () => {
    const sources = new SyncSources()
    for (let number = 0; number < 5_000; number++)
      sources.reported(`10.0.${number >> 8}.${number & 255}` as PeerId, height(9))
    assert.strictEqual(names(sources, 0n).length, Limits.INBOUND_SLOTS + Limits.OUTBOUND_SLOTS)
    sources.reported(peer(1), height(9))
    sources.retain(new Set([peer(1)]))
    assert.deepStrictEqual(names(sources, 0n), [peer(1)])
  })
})
