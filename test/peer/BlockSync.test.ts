import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as BlockSync from "../../src/peer/BlockSync.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { height } from "../../src/protocol/Height.ts"
import { Sync } from "../../src/services/Sync.ts"
import { suite } from "../services/SyncSuite.ts"
import { empty, settle, silent, withSync, world } from "../services/SyncWorld.ts"
import { chainTo, peer } from "./Fixture.ts"

describe("BlockSync", () => {
  suite(BlockSync.layer)

  it.effect("asks for the next range while it checks the last, and for one at a time only", () => {
    const here = world(0, [[peer(1), { chain: chainTo(250) }]])
    here.checking = 1_000
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(250))
        yield* settle
        assert.deepStrictEqual(
          here.asked.map(([, start, end]) => [start, end]),
          [
            [1n, 101n],
            [102n, 202n]
          ]
        )
        assert.strictEqual(here.ours.length, 1)
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(here.asked.slice(2), [[peer(1), 203n, 250n]])
        assert.strictEqual(here.ours.length, 102)
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(250))
        assert.strictEqual(here.asked.length, 3)
      })
    )
  })

  it.effect("a short answer is followed up from where it ended", () => {
    const here = world(0, [[peer(1), { chain: chainTo(9), answer: (_, honest) => Effect.succeed(honest.slice(0, 4)) }]])
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(9))
        yield* settle
        assert.deepStrictEqual(
          here.asked.map(([, start, end]) => [start, end]),
          [
            [1n, 9n],
            [5n, 9n],
            [9n, 9n]
          ]
        )
        assert.deepStrictEqual(here.ours, chainTo(9))
      })
    )
  })

  it.effect("stops at the height it set out for, and goes on when a higher one is reported", () => {
    const here = world(0, [[peer(1), { chain: chainTo(20) }]])
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(5))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(5))
        yield* sync.report(peer(1), height(6))
        yield* settle
        assert.deepStrictEqual(here.asked, [
          [peer(1), 1n, 5n],
          [peer(1), 6n, 6n]
        ])
      })
    )
  })

  it.effect("leaves a peer alone for a minute after it failed, then comes back to it", () => {
    const remote = { chain: chainTo(20), answer: empty }
    const here = world(0, [[peer(1), remote]])
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(20))
        yield* settle
        yield* TestClock.adjust("59 seconds")
        yield* sync.report(peer(1), height(20))
        yield* settle
        assert.strictEqual(here.asked.length, 1)
        here.remotes.set(peer(1), { chain: remote.chain })
        yield* TestClock.adjust("1 second")
        yield* sync.report(peer(1), height(20))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(20))
      })
    )
  })

  it.effect("gives a silent peer the deadline of a bulk answer, and then turns to another", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(30), answer: silent }],
      [peer(2), { chain: chainTo(20) }]
    ])
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* sync.report(peer(2), height(20))
        yield* settle
        yield* TestClock.adjust("59 seconds")
        yield* settle
        assert.strictEqual(here.ours.length, 1)
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(20))
        assert.deepStrictEqual(Policies.once("bulk").retry, undefined)
      })
    )
  })

  it.effect("gives up the range under way when the one being checked does not fit", () => {
    const branch = chainTo(300, 7, 1)
    const here = world(5, [[peer(1), { chain: branch }]])
    here.checking = 1_000
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(300))
        yield* settle
        yield* TestClock.adjust("30 seconds")
        yield* settle
        assert.deepStrictEqual(
          here.asked.map(([, start, end]) => [start, end]),
          [
            [6n, 106n],
            [107n, 207n],
            // Then its branch is looked into, as far as it takes to be better than ours.
            [1n, 6n]
          ]
        )
        assert.deepStrictEqual(here.ours, chainTo(5))
        assert.deepStrictEqual((yield* sync.status).from, null)
      })
    )
  })
})
