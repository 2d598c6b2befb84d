import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { dueTime, mainnet, testnet } from "../../src/protocol/Network.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { type ChainBatch, ChainStore, type ConnectedBlock, StoreError } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import type { ChainDelta } from "../../src/services/UtxoStore.ts"
import { blockAt, owner, spend } from "../fixtures/Blocks.ts"
import { link, links } from "../fixtures/Deltas.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { blockchainSuite, chainOf, holds, rival } from "../services/BlockchainSuite.ts"
import { branchOf, hashOf, reorganisationSuite, see } from "../services/ReorganisationSuite.ts"

const over = <E>(store: Layer.Layer<ChainStore, E>, network = testnet) =>
  LocalBlockchain.layer.pipe(
    Layer.provideMerge(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(store),
    Layer.provide(NodeConfig.layerTest({ network }))
  )

const inFile = (file: string) => SqliteChainStore.layer({ file, network: testnet })

blockchainSuite("LocalBlockchain in memory", over(MemoryChainStore.layer))
blockchainSuite(
  "LocalBlockchain on SQLite",
  over(Layer.unwrap(Effect.map(temporaryFolder, (folder) => inFile(join(folder, "chain.db")))))
)

reorganisationSuite("LocalBlockchain in memory", over(MemoryChainStore.layer))
reorganisationSuite(
  "LocalBlockchain on SQLite",
  over(Layer.unwrap(Effect.map(temporaryFolder, (folder) => inFile(join(folder, "chain.db")))))
)

/** A store in memory whose commits are seen, and changed, by the test. */
const watched = (commit: (batch: ChainBatch, go: Effect.Effect<void, StoreError>) => Effect.Effect<void, StoreError>) =>
  Layer.effect(
    ChainStore,
    Effect.map(ChainStore, (inner) =>
      ChainStore.of({ ...inner, commit: (batch) => commit(batch, inner.commit(batch)) })
    )
  ).pipe(Layer.provide(MemoryChainStore.layer))

const due = TestClock.setTime(Number(dueTime(testnet, height(10_000))) * 1_000)

describe("LocalBlockchain", () => {
  it.effect("finds its chain again after a restart", () =>
    Effect.gen(function* () {
      yield* due
      const file = join(yield* temporaryFolder, "chain.db")
      const blocks = chainOf(130)
      const run = (from: number, to: number) =>
        Effect.gen(function* () {
          const chain = yield* Blockchain
          yield* holds(blocks.slice(0, from))
          yield* chain.connect(blocks.slice(from, to))
          yield* holds(blocks.slice(0, to))
        }).pipe(Effect.provide(over(inFile(file)), { local: true }))
      yield* run(0, 50)
      yield* run(50, 51)
      yield* run(51, 130)
      yield* run(130, 130)
    })
  )

  it.effect("syncs in full transactions, and makes the last one durable", () => {
    const seen: Array<readonly [number, ChainBatch["durability"]]> = []
    const store = watched((batch, go) => {
      seen.push([batch.connect.length, batch.durability])
      return go
    })
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      yield* chain.connect(chainOf(2 * Limits.BLOCKS_PER_COMMIT + 3))
      assert.deepStrictEqual(seen, [
        [1, "durable"],
        [Limits.BLOCKS_PER_COMMIT, "batched"],
        [Limits.BLOCKS_PER_COMMIT, "batched"],
        [3, "durable"]
      ])
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect("never has two commits under way", () => {
    let underWay = 0
    let most = 0
    const store = watched((_, go) =>
      Effect.gen(function* () {
        most = Math.max(most, ++underWay)
        for (let turn = 0; turn < 3; turn++) yield* Effect.yieldNow
        yield* go
        for (let turn = 0; turn < 3; turn++) yield* Effect.yieldNow
        underWay--
      })
    )
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      const blocks = chainOf(40)
      yield* Effect.forEach(blocks, (_, index) => chain.connect(blocks.slice(0, index + 1)), {
        concurrency: "unbounded"
      })
      yield* holds(blocks)
      assert.strictEqual(most, 1)
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect.prop(
    "is what the store is, whatever the store does and whenever it is interrupted",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))).check(Schema.isMinLength(1)),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
    ],
    ([turns, every]) => {
      let commits = 0
      const store = watched((_, go) =>
        Effect.suspend(() => {
          const fails = ++commits > 1 && commits % every === 0
          const late = Effect.andThen(Effect.yieldNow, Effect.andThen(go, Effect.yieldNow))
          return fails ? Effect.fail(new StoreError({ operation: "commit", reason: "Failed", detail: "full" })) : late
        })
      )
      return Effect.gen(function* () {
        yield* due
        const chain = yield* Blockchain
        const blocks = chainOf(12)
        for (const [index, turn] of turns.entries()) {
          const next = Number(chain.tip().height)
          const fiber = yield* Effect.forkChild(
            Effect.ignore(chain.connect(blocks.slice(next, next + 1 + (index % 4))))
          )
          for (let i = 0; i < turn; i++) yield* Effect.yieldNow
          fiber.interruptUnsafe()
          yield* Effect.exit(chain.connect([]))
          yield* holds(blocks.slice(0, Number(chain.tip().height)))
        }
      }).pipe(Effect.provide(over(store), { local: true }))
    },
    { timeout: 30_000, arbitrary: { runs: 40 } }
  )

  it.effect("reports a store that fails and goes on when it works again", () => {
    let full = false
    const store = watched((_, go) =>
      full ? Effect.fail(new StoreError({ operation: "commit", reason: "Failed", detail: "disk full" })) : go
    )
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      const blocks = chainOf(4)
      yield* chain.connect(blocks.slice(0, 1))
      full = true
      const error = yield* Effect.flip(chain.connect(blocks))
      assert.strictEqual(error._tag, "StoreError")
      yield* holds(blocks.slice(0, 1))
      full = false
      yield* chain.connect(blocks)
      yield* holds(blocks)
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect("changes to another branch in one durable batch, or not at all when the store fails", () => {
    const seen: Array<readonly [number, number, ChainBatch["durability"]]> = []
    let full = false
    const store = watched((batch, go) => {
      seen.push([batch.disconnect, batch.connect.length, batch.durability])
      return full ? Effect.fail(new StoreError({ operation: "commit", reason: "Failed", detail: "disk full" })) : go
    })
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      const ours = chainOf(4)
      const theirs = branchOf(ours, 1, 4)
      yield* chain.connect(ours)
      yield* see(theirs)
      seen.length = 0
      full = true
      const error = yield* Effect.flip(chain.reorganise(hashOf(theirs[3]!)))
      assert.strictEqual(error._tag, "StoreError")
      yield* holds(ours)
      full = false
      yield* chain.reorganise(hashOf(theirs[3]!))
      yield* holds([...ours.slice(0, 1), ...theirs])
      assert.deepStrictEqual(seen, [
        [3, 4, "durable"],
        [3, 4, "durable"]
      ])
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect("is on one branch or the other, wherever a change between them is interrupted", () => {
    const store = watched((_, go) => Effect.andThen(Effect.yieldNow, Effect.andThen(go, Effect.yieldNow)))
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      const trunk = chainOf(60)
      yield* chain.connect(trunk.slice(0, 4))
      for (let turns = 0; turns < 20; turns++) {
        const at = Number(chain.tip().height)
        const before = yield* Effect.forEach(trunk.slice(0, at), (_, index) => chain.block(height(index + 1)))
        const ours = before.map((block) => block!)
        const theirs = [...ours.slice(0, at - 2), ...branchOf(ours, at - 2, 3)]
        yield* see(theirs)
        const fiber = yield* Effect.forkChild(Effect.exit(chain.reorganise(hashOf(theirs.at(-1)!))))
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
        fiber.interruptUnsafe()
        yield* Effect.exit(chain.connect([]))
        yield* holds(Number(chain.tip().height) === at ? ours : theirs)
      }
      assert.isAbove(Number(chain.tip().height), 4)
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect("tells the pool what came off and is not on the new branch, oldest first, and no coinbase", () => {
    const told: Array<ChainDelta> = []
    const pool = Mempool.layerTest({ applied: (delta) => Effect.sync(() => void told.push(delta)) })
    const layer = LocalBlockchain.layer.pipe(
      Layer.provide(pool),
      Layer.provide(ViewUtxoStore.layer),
      Layer.provide(MemoryChainStore.layer),
      Layer.provide(NodeConfig.layerTest())
    )
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      const shared = chainOf(3)
      const payments = shared.map(({ transactions: [coinbase] }) =>
        spend([{ txid: txid(coinbase!), vout: 0 }], [[owner(3), 100_000_000n]])
      )
      const third = blockAt(4n, hashOf(shared[2]!), [payments[0]!, payments[1]!])
      const ours = [...shared, third, blockAt(5n, hashOf(third), [payments[2]!])]
      const first = rival(blockAt(4n, hashOf(shared[2]!), [payments[1]!]))
      const theirs = [first, ...chainOf(2, 5, hashOf(first))]
      yield* chain.connect(ours)
      yield* see(theirs)
      told.length = 0
      yield* chain.reorganise(hashOf(theirs[2]!))
      const hashes = (deltas: ChainDelta["connected"]) => deltas.map(({ hash }) => hash)
      assert.strictEqual(told.length, 1)
      const [{ connected, disconnected, returned }] = told as [ChainDelta]
      assert.deepStrictEqual(hashes(disconnected), [hashOf(ours[4]!), hashOf(ours[3]!)])
      assert.deepStrictEqual(hashes(connected), theirs.map(hashOf))
      assert.deepStrictEqual(returned, [payments[0]!, payments[2]!])
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("does not ask the store about blocks that cannot continue the chain", () => {
    let reads = 0
    const store = Layer.effect(
      ChainStore,
      Effect.map(ChainStore, (inner) =>
        ChainStore.of({
          ...inner,
          utxos: (outpoints) => Effect.tap(inner.utxos(outpoints), () => Effect.sync(() => reads++))
        })
      )
    ).pipe(Layer.provide(MemoryChainStore.layer))
    return Effect.gen(function* () {
      yield* due
      const chain = yield* Blockchain
      yield* chain.connect(chainOf(2, 500).slice(1))
      assert.strictEqual(reads, 0)
      yield* chain.connect(chainOf(20))
      assert.strictEqual(reads, 1)
    }).pipe(Effect.provide(over(store), { local: true }))
  })

  it.effect("ends the stream of its changes with itself", () =>
    Effect.gen(function* () {
      const changes = yield* Effect.map(Blockchain, (chain) => chain.changes).pipe(
        Effect.provide(over(MemoryChainStore.layer), { local: true })
      )
      assert.deepStrictEqual(yield* Stream.runCollect(changes), [])
    })
  )
})

describe("LocalBlockchain refuses a store", () => {
  /** A store that holds these blocks, whatever they are. */
  const holding = (blocks: ReadonlyArray<ConnectedBlock>) =>
    Layer.effect(
      ChainStore,
      Effect.tap(ChainStore, (store) => store.commit({ disconnect: 0, connect: blocks, durability: "durable" }))
    ).pipe(Layer.provide(MemoryChainStore.layer))

  const reason = (store: Layer.Layer<ChainStore, StoreError>, network = testnet) =>
    Effect.void.pipe(
      Effect.provide(over(store, network), { local: true }),
      Effect.flip,
      Effect.map((error) => error.reason)
    )

  const first = (network = testnet) => {
    const { block, hash, txids } = genesis(network)
    const { previousHash, timestamp } = block.header
    const { bytes, delta } = link(null, "genesis", { created: [] })
    return { bytes, delta: { ...delta, hash, previousHash, timestamp, txids } }
  }

  it.effect("of another network", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reason(holding(links(3))), "WrongNetwork")
      assert.strictEqual(yield* reason(holding([first(testnet)]), mainnet), "WrongNetwork")
    })
  )

  it.effect("whose tip is not the block it is said to be", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reason(holding([first()])), "Damaged")
      const other = link(first().delta, "other")
      const bytes = new TextEncoder().encode("{}")
      assert.strictEqual(yield* reason(holding([first(), { ...other, bytes }])), "Damaged")
    })
  )

  it.effect("that has not all the hashes", () =>
    Effect.gen(function* () {
      const lossy = Layer.effect(
        ChainStore,
        Effect.map(ChainStore, (inner) =>
          ChainStore.of({
            ...inner,
            hashes: (from, limit) => Effect.map(inner.hashes(from, limit), (all) => all.slice(0, 1))
          })
        )
      ).pipe(Layer.provide(holding([first(), link(first().delta, "next")])))
      assert.strictEqual(yield* reason(lossy), "Damaged")
    })
  )

  it.effect("that fails", () =>
    Effect.gen(function* () {
      const failing = ChainStore.layerTest({
        tip: Effect.fail(new StoreError({ operation: "tip", reason: "Failed", detail: "no disk" }))
      })
      assert.strictEqual(yield* reason(failing), "Failed")
      assert.strictEqual(yield* reason(ChainStore.layerTest()), "Failed")
    })
  )
})
