/**
 * What every Sync must do, whatever its ways.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { BlockRejection } from "../../src/consensus/BlockRejection.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { toHex, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import type { Blockchain } from "../../src/services/Blockchain.ts"
import type { Forks } from "../../src/services/Forks.ts"
import type { NodeConfig } from "../../src/services/NodeConfig.ts"
import type { PeerGuard } from "../../src/services/PeerGuard.ts"
import type { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { Sync } from "../../src/services/Sync.ts"
import { chainTo, peer } from "../peer/Fixture.ts"
import { type Answer, changeBranch, empty, refusing, settle, silent, withSync, world } from "./SyncWorld.ts"

export const suite = (
  layer: Layer.Layer<Sync, never, PeerRegistry | Blockchain | PeerGuard | Forks | NodeConfig>
): void => {
  it.effect("fetches what a peer has beyond ours, in order, and then rests", () => {
    const here = world(3, [[peer(1), { chain: chainTo(250) }]])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(250))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(250))
        assert.deepStrictEqual(yield* sync.status, {
          best: height(250),
          height: height(250),
          target: height(250),
          blocksPerSecond: 0,
          secondsLeft: null,
          peers: []
        })
        const asked = here.asked.length
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(here.asked.length, asked)
      })
    )
  })

  it.effect("asks nothing of a peer that is not ahead", () => {
    const here = world(5, [[peer(1), { chain: chainTo(5) }]])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(5))
        yield* sync.report(peer(1), height(0))
        yield* settle
        assert.deepStrictEqual(here.asked, [])
      })
    )
  })

  it.effect("prefers the highest chain, and says whom it fetches from", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(10) }],
      [peer(2), { chain: chainTo(30), answer: silent }],
      [peer(3), { chain: chainTo(20) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(10))
        yield* sync.report(peer(2), height(30))
        yield* sync.report(peer(3), height(20))
        yield* settle
        assert.deepStrictEqual(here.asked, [[peer(2), 1n, 30n]])
        const { best, height: at, peers, target } = yield* sync.status
        assert.deepStrictEqual([best, at, target, peers], [height(30), height(0), height(30), [peer(2)]])
      })
    )
  })

  it.effect("asks a peer for its height when told to consider it", () => {
    const here = world(0, [[peer(1), { chain: chainTo(7) }]])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.consider(peer(1))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(7))
      })
    )
  })

  it.effect("is held up by no peer that does not say its height, and asks it once at a time", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(9), claims: null }],
      [peer(2), { chain: chainTo(7) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        const began = yield* Clock.currentTimeMillis
        for (let n = 0; n < 1_000; n++) yield* sync.consider(peer(1))
        yield* sync.consider(peer(2))
        yield* settle
        assert.strictEqual(yield* Clock.currentTimeMillis, began)
        assert.deepStrictEqual(here.ours, chainTo(7))
        assert.deepStrictEqual(here.considered, [peer(1), peer(2)])
      })
    )
  })

  it.effect("neither loses nor forgets a report, however many another peer makes", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(0) }],
      [peer(2), { chain: chainTo(7) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(2), height(7))
        for (let n = 0; n < 2_000; n++) yield* sync.report(peer(1), height(0))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(7))
      })
    )
  })

  const badManners: ReadonlyArray<readonly [string, Answer]> = [
    ["is silent", silent],
    ["refuses", refusing(peer(1))],
    ["has nothing", empty],
    ["has another branch", ({ start, end }) => Effect.succeed(chainTo(30, 1).slice(Number(start), Number(end) + 1))],
    ["leaves blocks out", (_request, honest) => Effect.succeed(honest.slice(1))],
    ["sends them in the wrong order", (_request, honest) => Effect.succeed([...honest].reverse())]
  ]
  for (const [manner, answer] of badManners) {
    it.effect(`goes on with another peer when the highest ${manner}, and blames nobody`, () => {
      const here = world(2, [
        [peer(1), { chain: chainTo(30), answer }],
        [peer(2), { chain: chainTo(20) }]
      ])
      return withSync(
        layer,
        here,
        Effect.gen(function* () {
          const sync = yield* Sync
          yield* sync.report(peer(1), height(30))
          yield* sync.report(peer(2), height(20))
          yield* settle
          yield* TestClock.adjust("61 seconds")
          yield* settle
          assert.strictEqual(here.asked[0]![0], peer(1))
          assert.deepStrictEqual(here.ours, chainTo(20))
          assert.deepStrictEqual([here.offences, here.disconnects], [[], []])
        })
      )
    })
  }

  it.effect("believes no height that no chain can have by now", () => {
    const here = world(0, [[peer(1), { chain: chainTo(1_001) }]])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(MAX_U64))
        yield* settle
        assert.strictEqual(here.ours.length, 1_002)
        assert.isTrue(here.asked.every(([, , end]) => end <= 1_001n))
      })
    )
  })

  it.effect("a liar about its height keeps nobody from an honest, lower chain", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(0) }],
      [peer(2), { chain: chainTo(40) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(MAX_U64))
        yield* sync.report(peer(2), height(40))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(40))
      })
    )
  })

  it.effect("an invalid block stops its sender, is its offence, and costs nothing that came before", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(30, 5, 10) }],
      [peer(2), { chain: chainTo(20) }]
    ])
    here.invalid.set(toHex(blockHash(chainTo(30, 5, 10)[10]!.header)), {
      _tag: "HeightMismatch",
      expected: 1n,
      actual: 2n
    })
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* sync.report(peer(2), height(20))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(20))
        assert.deepStrictEqual(here.offences, [[peer(1), "invalidBlock"]])
        assert.deepStrictEqual(here.disconnects, [[peer(1), "misbehaving"]])
      })
    )
  })

  const unknown: BlockRejection = { _tag: "UnknownInput", txid: ZERO_HASH, outpoint: { txid: ZERO_HASH, vout: 0 } }
  it.effect("a block that spends what nobody knows is an offence where headers bind bodies", () => {
    const here = world(0, [[peer(1), { chain: chainTo(30) }]])
    here.legacy = false
    here.invalid.set(toHex(blockHash(chainTo(30)[10]!.header)), unknown)
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* settle
        assert.deepStrictEqual(here.offences, [[peer(1), "invalidBlock"]])
      })
    )
  })

  const honest: ReadonlyArray<readonly [string, BlockRejection]> = [
    ["spends what our copy of an old block may lack", unknown],
    ["breaks only a rule timed does not check", { _tag: "CoinbaseMissing" }],
    ["comes from a clock ahead of ours", { _tag: "TimestampTooFarAhead", latest: 1n, actual: 2n }]
  ]
  for (const [what, rejection] of honest) {
    it.effect(`a block that ${what} ends the fetching, and its sender keeps its place`, () => {
      const here = world(0, [[peer(1), { chain: chainTo(30) }]])
      here.invalid.set(toHex(blockHash(chainTo(30)[10]!.header)), rejection)
      return withSync(
        layer,
        here,
        Effect.gen(function* () {
          const sync = yield* Sync
          yield* sync.report(peer(1), height(30))
          yield* settle
          assert.strictEqual(here.ours.length, 10)
          assert.deepStrictEqual([here.offences, here.disconnects], [[], []])
        })
      )
    })
  }

  it.effect("a store that fails blames nobody, and is tried again", () => {
    const here = world(0, [[peer(1), { chain: chainTo(30) }]])
    here.storeFails = true
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(30))
        yield* settle
        assert.deepStrictEqual([here.ours.length, here.offences, here.disconnects], [1, [], []])
        here.storeFails = false
        yield* TestClock.adjust("61 seconds")
        yield* sync.report(peer(1), height(30))
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(30))
      })
    )
  })

  it.effect("forgets peers that are gone, and what they claimed", () => {
    const here = world(0, [
      [peer(1), { chain: chainTo(50), answer: silent }],
      [peer(2), { chain: chainTo(3) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(50))
        yield* settle
        here.remotes.delete(peer(1))
        yield* TestClock.adjust("61 seconds")
        yield* sync.report(peer(2), height(3))
        yield* settle
        const { best, peers } = yield* sync.status
        assert.deepStrictEqual([best, peers], [height(3), []])
        assert.deepStrictEqual(here.ours, chainTo(3))
      })
    )
  })

  it.effect("blocks that came another way meanwhile do no harm", () => {
    const here = world(0, [[peer(1), { chain: chainTo(150) }]])
    here.checking = 1_000
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(150))
        yield* settle
        here.ours.push(...chainTo(120).slice(1))
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.deepStrictEqual(here.ours, chainTo(150))
      })
    )
  })

  it.effect("has a branch looked into and goes on from others meanwhile, then follows it once it is the chain", () => {
    const branch = chainTo(300, 7, 3)
    const here = world(5, [
      [peer(1), { chain: branch }],
      [peer(2), { chain: chainTo(20) }]
    ])
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(300))
        yield* sync.report(peer(2), height(20))
        yield* settle
        assert.deepStrictEqual(here.diverged, [peer(1)])
        assert.deepStrictEqual(here.ours, chainTo(20))
        changeBranch(here, branch.slice(0, 22))
        yield* settle
        assert.deepStrictEqual(here.ours, branch)
        assert.deepStrictEqual(here.diverged, [peer(1)])
      })
    )
  })

  it.effect("holds blocks of the branch that was left against nobody", () => {
    const branch = chainTo(30, 7, 3)
    const here = world(5, [[peer(1), { chain: chainTo(300) }]])
    here.checking = 1_000
    return withSync(
      layer,
      here,
      Effect.gen(function* () {
        const sync = yield* Sync
        yield* sync.report(peer(1), height(300))
        yield* settle
        changeBranch(here, branch)
        here.remotes.set(peer(1), { chain: [...branch, ...chainTo(60, 7, 3).slice(31)] })
        yield* TestClock.adjust("2 seconds")
        yield* settle
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.deepStrictEqual(here.diverged, [])
        assert.deepStrictEqual(here.ours, chainTo(60, 7, 3))
      })
    )
  })

  const Manner = Schema.Literals(["honest", "silent", "empty", "branch", "short", "liar"])
  it.effect.prop(
    "reaches the highest honest chain, whoever else is there",
    [Schema.Array(Manner), Schema.Literals([3, 5, 103, 104, 205, 400])],
    ([manners, tip]) => {
      const answers = { silent, empty, branch: badManners[3]![1], short: badManners[4]![1] }
      const here = world(2, [
        [peer(1), { chain: chainTo(tip) }],
        ...manners.slice(0, 6).map((manner, index) => {
          const answer = manner === "honest" || manner === "liar" ? {} : { answer: answers[manner] }
          const chain = chainTo(manner === "honest" || manner === "liar" ? Math.min(tip, 2 + index) : tip + 1)
          return [peer(index + 2), { chain, claims: manner === "liar" ? MAX_U64 : undefined, ...answer }] as never
        })
      ])
      return withSync(
        layer,
        here,
        Effect.gen(function* () {
          const sync = yield* Sync
          for (const remote of here.remotes.keys()) yield* sync.consider(remote)
          for (let n = 0; n < 10; n++) {
            yield* settle
            yield* TestClock.adjust("61 seconds")
          }
          assert.deepStrictEqual(here.ours.slice(0, tip + 1), chainTo(tip))
        })
      )
    },
    { arbitrary: { runs: 20, seed: 1 } }
  )
}
