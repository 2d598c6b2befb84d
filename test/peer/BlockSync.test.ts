import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { TestClock } from "effect/testing"
import * as BlockSync from "../../src/peer/BlockSync.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { Sync } from "../../src/services/Sync.ts"
import { suite } from "../services/SyncSuite.ts"
import { type Answer, changeBranch, empty, settle, silent, withSync, type World, world } from "../services/SyncWorld.ts"
import { chainTo, peer } from "./Fixture.ts"

describe("BlockSync", () => {
  suite(BlockSync.layer)

  it.effect("asks for more while it checks, and of one peer for two ranges at a time", () => {
    const hold = yieldable()
    const here = world(0, [[peer(1), { chain: chainTo(450), answer: (_, honest) => Effect.as(hold.taken, honest) }]])
    here.checking = 1_000
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(450))
        yield* settle
        assert.deepStrictEqual(ranges(here), [
          [1n, 101n],
          [102n, 202n]
        ])
        hold.give(1)
        yield* settle
        assert.deepStrictEqual(ranges(here).slice(2), [[203n, 303n]])
        assert.strictEqual(here.ours.length, 1)
        hold.give(9)
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(450))
        assert.strictEqual(here.asked.length, 5)
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

  it.effect("gives the only peer that has a block the deadline of a bulk answer", () => {
    const here = world(0, [[peer(1), { chain: chainTo(30), answer: silent }]])
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* settle
        yield* TestClock.adjust("59 seconds")
        yield* settle
        assert.deepStrictEqual((yield* sync.status).peers, [peer(1)])
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual((yield* sync.status).peers, [])
        assert.deepStrictEqual(Policies.once("bulk").retry, undefined)
      })
    )
  })

  it.effect("asks a second peer for what is late, and leaves the first alone when that one is faster", () => {
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
        yield* TestClock.adjust("1900 millis")
        yield* settle
        assert.strictEqual(here.ours.length, 1)
        yield* TestClock.adjust("100 millis")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(20))
        assert.deepStrictEqual(here.asked, [
          [peer(1), 1n, 30n],
          [peer(2), 1n, 20n]
        ])
        assert.deepStrictEqual((yield* sync.status).peers, [])
      })
    )
  })

  it.effect("gives up what is under way from a peer whose blocks do not fit, and from no other", () => {
    const here = world(5, [
      [peer(1), { chain: chainTo(300, 7, 1) }],
      [peer(2), { chain: chainTo(300), answer: (_, honest) => Effect.delay(Effect.succeed(honest), "1500 millis") }]
    ])
    here.checking = 1_000
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(300))
        yield* sync.report(peer(2), height(300))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual((yield* sync.status).peers, [peer(2)])
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(300))
        assert.deepStrictEqual([here.offences, here.disconnects], [[], []])
      })
    )
  })

  it.effect("gives up what is under way for a branch that was left, without waiting for it", () => {
    const remote = { chain: chainTo(30), answer: silent }
    const here = world(5, [[peer(1), remote]])
    const branch = chainTo(30, 7, 3)
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* settle
        here.remotes.set(peer(1), { chain: branch })
        changeBranch(here, branch.slice(0, 8))
        yield* settle
        assert.deepStrictEqual(here.ours, branch)
        assert.deepStrictEqual(ranges(here), [
          [6n, 30n],
          [8n, 30n]
        ])
      })
    )
  })

  it.effect("blames who sent the block, not who sent those before it, and keeps what others sent", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(300), answer: (_, honest) => Effect.delay(Effect.succeed(honest), "1 second") }],
      [peer(2), { chain: chainTo(300, 9, 150) }]
    ])
    here.invalid.set(toHex(blockHash(chainTo(300, 9, 150)[150]!.header)), {
      _tag: "HeightMismatch",
      expected: 1n,
      actual: 2n
    })
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(300))
        yield* sync.report(peer(2), height(300))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(here.offences, [[peer(2), "invalidBlock"]])
        assert.deepStrictEqual(here.ours, chainTo(149))
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(300))
        assert.deepStrictEqual(ranges(here), [
          [1n, 101n],
          [102n, 202n],
          [203n, 300n],
          [150n, 202n]
        ])
      })
    )
  })

  it.effect("takes what the honest take, whatever five others do", () => {
    const tip = 900
    const takes =
      (time: Duration.Input): Answer =>
      (_, honest) =>
        Effect.delay(Effect.succeed(honest), time)
    const bad = chainTo(tip, 9, 150)
    const here = world(0, [
      [peer(1), { chain: chainTo(tip), answer: silent }],
      [peer(2), { chain: chainTo(0), claims: 1_000n, answer: takes("300 millis") }],
      [peer(3), { chain: bad, answer: takes("300 millis") }],
      [
        peer(4),
        { chain: chainTo(tip), answer: () => Effect.delay(Effect.succeed(chainTo(50).slice(40)), "300 millis") }
      ],
      [peer(5), { chain: chainTo(tip), answer: takes("20 seconds") }],
      ...[6, 7, 8].map((n) => [peer(n), { chain: chainTo(tip), answer: takes("300 millis") }] as const)
    ])
    for (const { header } of bad.slice(150)) {
      here.invalid.set(toHex(blockHash(header)), { _tag: "HeightMismatch", expected: 1n, actual: 2n })
    }
    return withSync(
      BlockSync.layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        for (const remote of here.remotes.keys()) yield* sync.consider(remote)
        yield* settle
        // Nine ranges take three honest peers a second. The silent and the slow are given up when they are late.
        const late = 2 * Duration.toMillis(Policies.lateRange)
        for (let time = 0; time < 2_000 + 2 * late; time += 100) {
          yield* TestClock.adjust("100 millis")
          yield* settle
        }
        assert.deepStrictEqual(here.ours.slice(0, tip + 1), chainTo(tip))
        assert.deepStrictEqual(here.offences, [[peer(3), "invalidBlock"]])
        assert.deepStrictEqual(here.disconnects, [[peer(3), "misbehaving"]])
        assert.deepStrictEqual((yield* sync.status).height, height(tip))
      })
    )
  })
})

// --- internal ---

const ranges = ({ asked }: World) => asked.map(([, start, end]) => [start, end])

/** Answers that come when the test gives them. */
const yieldable = () => {
  const gate = Semaphore.makeUnsafe(0)
  return { taken: gate.take(1), give: (count: number) => Effect.runSync(gate.release(count)) }
}
