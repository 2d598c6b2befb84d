import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { describeSync, logSyncProgress } from "../../src/cli/programs/SyncProgress.ts"
import { height } from "../../src/protocol/Height.ts"
import { Sync, type SyncStatus } from "../../src/services/Sync.ts"
import { peer } from "../peer/Fixture.ts"

const status = (at: number, target: number, blocksPerSecond = 0): SyncStatus => ({
  best: height(target),
  height: height(at),
  target: height(target),
  blocksPerSecond,
  secondsLeft: blocksPerSecond === 0 ? null : (target - at) / blocksPerSecond,
  peers: [1, 2, 3, 4, 5].map(peer)
})

describe("the progress of a sync", () => {
  it("is one line", () => {
    assert.strictEqual(
      describeSync(status(41_300, 100_000, 3_913.4)),
      "Syncing: height 41,300 of 100,000, 41 %, 3,913 blocks/s, 15 s left, 5 peers"
    )
    assert.strictEqual(
      describeSync({ ...status(1, 100_000), peers: [peer(1)] }),
      "Syncing: height 1 of 100,000, 0 %, 0 blocks/s, 1 peer"
    )
    assert.match(describeSync(status(0, 500_000, 1_000)), /, 8 min left,/)
    assert.match(describeSync(status(0, 50_000_000, 1_000)), /, 14 h left,/)
  })

  it.effect("is logged every ten seconds while the chain grows and is far behind, and never for a claim alone", () => {
    let now = status(0, 50_000)
    const logged: Array<unknown> = []
    const log = Logger.make(({ message }) => void logged.push(...[message].flat()))
    return Effect.gen(function* () {
      yield* Effect.forkChild(logSyncProgress, { startImmediately: true })
      const after = Effect.fnUntraced(function* (next: SyncStatus) {
        now = next
        yield* TestClock.adjust("10 seconds")
        return logged.splice(0)
      })
      assert.deepStrictEqual(yield* after(status(0, 50_000)), [])
      assert.deepStrictEqual(yield* after(status(10, 900)), [])
      assert.deepStrictEqual(yield* after(status(20_000, 50_000, 2_000)), [
        "Syncing: height 20,000 of 50,000, 40 %, 2,000 blocks/s, 15 s left, 5 peers"
      ])
      assert.deepStrictEqual(yield* after(status(20_000, 60_000)), [])
      assert.deepStrictEqual(yield* after(status(50_000, 50_000)), ["Synced: height 50,000"])
      assert.deepStrictEqual(yield* after(status(50_001, 50_001)), [])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          Sync.layerTest({ status: Effect.sync(() => now) }),
          Logger.layer([log], { mergeWithExisting: false })
        )
      )
    )
  })
})
