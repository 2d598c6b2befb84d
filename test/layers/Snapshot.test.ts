import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { chainFile } from "../../src/layers/DataDirectory.ts"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import type { SnapshotError } from "../../src/layers/SnapshotError.ts"
import { loadSnapshot } from "../../src/layers/SnapshotLoader.ts"
import { snapshotOf } from "../../src/layers/SnapshotWriter.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, mainnet, testnet } from "../../src/protocol/Network.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore, type StoreError } from "../../src/services/ChainStore.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { branchOf, hashOf, see } from "../services/ReorganisationSuite.ts"

const blocks = spendingChain(171, 7)
const ALL = { count: 1_000, bytes: 100_000_000 }

const config = (dataDir: string, network = testnet) =>
  Effect.map(Effect.provide(NodeConfig, NodeConfig.layerTest({ dataDir, network })), (values) => ({
    ...values,
    dataDir
  }))

/** Runs on the chain of a directory. */
const on = <A, E>(dataDir: string, run: Effect.Effect<A, E, Blockchain | ChainStore>) =>
  Effect.provide(
    run,
    LocalBlockchain.layer.pipe(
      Layer.provideMerge(MemoryMempool.layer),
      Layer.provideMerge(ViewUtxoStore.layer),
      Layer.provideMerge(SqliteChainStore.layer({ file: chainFile(dataDir), network: testnet })),
      Layer.provide(NodeConfig.layerTest({ network: testnet }))
    ),
    { local: true }
  )

const due = TestClock.setTime(Number(dueTime(testnet, height(1_000))) * 1_000)

const saved = (at?: bigint) =>
  Effect.flatMap(ChainStore, (store) =>
    Effect.gen(function* () {
      const snapshot = yield* snapshotOf(store, testnet, at === undefined ? undefined : height(at))
      const chunks = yield* Stream.runCollect(snapshot.bytes)
      return { ...snapshot, bytes: Buffer.concat(chunks), hash: snapshot.hash() }
    })
  )

/** The snapshot at a height of a chain with blocks up to another. */
const made = (at?: bigint, last = 170) =>
  Effect.gen(function* () {
    const dataDir = yield* temporaryFolder
    return yield* on(
      dataDir,
      Effect.andThen(
        Effect.flatMap(Blockchain, (chain) => chain.connect(blocks.slice(1, last + 1))),
        saved(at)
      )
    )
  })

const load = (dataDir: string, bytes: Uint8Array, expected?: Hash256, network = testnet, chunk = 1_000) =>
  Effect.flatMap(config(dataDir, network), (chain) => {
    const chunks: Array<Uint8Array> = []
    for (let at = 0; at < bytes.length; at += chunk) chunks.push(bytes.subarray(at, at + chunk))
    return loadSnapshot({ chain, expected }, Stream.fromIterable(chunks))
  })

/** The bytes of a snapshot of few blocks, made once. */
const small = Effect.suspend(() =>
  smallBytes === undefined ? Effect.map(made(2n, 102), ({ bytes }) => (smallBytes = bytes)) : Effect.succeed(smallBytes)
)
let smallBytes: Buffer | undefined

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Damage = Schema.Struct({
  kind: Schema.Literals(["flipped", "shorter", "longer"]),
  /** Where, of all bytes or of the first ones. */
  share: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999_999 })),
  inHead: Schema.Boolean,
  bit: between(0, 7),
  chunk: between(700, 9_000)
})

/** Loading fails for the reason and leaves the directory as it was. */
const refused = Effect.fnUntraced(function* (
  loading: (dataDir: string) => Effect.Effect<unknown, SnapshotError | StoreError>,
  reason?: SnapshotError["reason"]
) {
  const dataDir = yield* temporaryFolder
  const error = yield* Effect.flip(loading(dataDir))
  if (reason !== undefined) assert.strictEqual(error.reason, reason, error.message)
  assert.deepStrictEqual(readdirSync(dataDir), [])
})

describe("a snapshot", () => {
  it.effect("gives another node the same coins, and a chain that goes on", () =>
    Effect.gen(function* () {
      yield* due
      const snapshot = yield* made(undefined, 165)
      assert.strictEqual(snapshot.base.height, 65n)
      const dataDir = yield* temporaryFolder
      const loaded = yield* load(dataDir, snapshot.bytes, snapshot.hash, testnet, 37)
      assert.strictEqual(loaded.tip.height, 165n)
      assert.deepStrictEqual(readdirSync(dataDir), ["chain.db"])
      const contents = Effect.gen(function* () {
        const store = yield* ChainStore
        const coins = yield* store.utxoPage(null, 100_000)
        const scripts = new Map(coins.map(({ scriptPubkey }) => [toHex(scriptPubkey), scriptPubkey]))
        const unspent = yield* Effect.forEach(scripts.values(), (script) =>
          store.unspentOf(script, { after: null, limit: 100_000 })
        )
        return { coins, unspent, hashes: yield* store.hashes(height(0), 1_000) }
      })
      const connect = Effect.flatMap(Blockchain, (chain) => chain.connect(blocks.slice(100)))
      const whole = yield* temporaryFolder
      yield* on(
        whole,
        Effect.flatMap(Blockchain, (chain) => chain.connect(blocks.slice(1, 166)))
      )
      for (const step of [Effect.void, connect]) {
        const [one, other] = yield* Effect.forEach([whole, dataDir], (folder) =>
          on(folder, Effect.andThen(step, contents))
        )
        assert.deepStrictEqual(one, other)
      }
      yield* on(
        dataDir,
        Effect.gen(function* () {
          const store = yield* ChainStore
          const count = (from: bigint, to: bigint) =>
            Effect.map(store.blocks(height(from), height(to), ALL), (found) => found.length)
          assert.strictEqual(yield* count(0n, 170n), 1)
          assert.strictEqual(yield* count(1n, 170n), 0)
          assert.strictEqual(yield* count(65n, 170n), 0)
          assert.strictEqual(yield* count(66n, 170n), 105)
        })
      )
    })
  )

  it.effect("is the same wherever it was made, and has the coins of its block", () =>
    Effect.gen(function* () {
      yield* due
      const early = yield* made(60n, 160)
      const late = yield* made(60n, 170)
      assert.isTrue(early.bytes.equals(late.bytes))
      const dataDir = yield* temporaryFolder
      const coins = yield* on(
        dataDir,
        Effect.gen(function* () {
          yield* (yield* Blockchain).connect(blocks.slice(1, 61))
          return yield* (yield* ChainStore).utxoPage(null, 100_000)
        })
      )
      assert.strictEqual(toHex(early.base.utxoHash), toHex(utxoSetHash(coins)))
      assert.strictEqual(early.base.utxoCount, BigInt(coins.length))
    })
  )

  it.effect("can be made again from a chain that began with one, and not below that", () =>
    Effect.gen(function* () {
      yield* due
      const snapshot = yield* made(60n, 160)
      const dataDir = yield* temporaryFolder
      yield* load(dataDir, snapshot.bytes)
      yield* on(
        dataDir,
        Effect.gen(function* () {
          assert.isTrue((yield* saved()).bytes.equals(snapshot.bytes))
          yield* (yield* Blockchain).connect(blocks.slice(161))
          assert.strictEqual((yield* saved()).base.height, 70n)
          assert.strictEqual((yield* Effect.flip(saved(59n))).reason, "NotPossible")
          assert.strictEqual((yield* Effect.flip(saved(71n))).reason, "NotPossible")
        })
      )
    })
  )

  it.effect("leaves room for the deepest reorganisation", () =>
    Effect.gen(function* () {
      yield* due
      const snapshot = yield* made(60n, 160)
      const dataDir = yield* temporaryFolder
      yield* load(dataDir, snapshot.bytes)
      const branch = branchOf(blocks.slice(1), 60, 101)
      yield* on(
        dataDir,
        Effect.gen(function* () {
          yield* see(branch)
          const { disconnected } = yield* (yield* Blockchain).reorganise(hashOf(branch.at(-1)!))
          assert.strictEqual(disconnected, 100)
          // What is left of the snapshot is still found by its scripts, which no block names any more.
          const store = yield* ChainStore
          const coins = yield* store.utxoPage(null, 100_000)
          const scripts = new Map(coins.map(({ scriptPubkey }) => [toHex(scriptPubkey), scriptPubkey]))
          const found = yield* Effect.forEach(scripts.values(), (script) =>
            store.unspentOf(script, { after: null, limit: 100_000 })
          )
          assert.strictEqual(found.flat().length, coins.length)
        })
      )
    })
  )

  it.effect.prop(
    "is refused, and nothing written, whatever byte is another, missing or too many",
    [Damage],
    ([{ bit, chunk, inHead, kind, share }]) =>
      Effect.gen(function* () {
        yield* due
        const bytes = yield* small
        // The fields before the outputs are a small part of it, and get half of the tries.
        const at = Math.floor((inHead ? 160 : bytes.length) * share)
        const flipped = Buffer.from(bytes)
        flipped[at]! ^= 1 << bit
        const longer = Buffer.concat([bytes, flipped.subarray(at)])
        const damaged = kind === "flipped" ? flipped : kind === "shorter" ? bytes.subarray(0, at) : longer
        yield* refused((dataDir) => load(dataDir, damaged, undefined, testnet, chunk))
      }),
    { timeout: 30_000, arbitrary: { runs: 80 } }
  )

  it.effect("is refused for what it is not", () =>
    Effect.gen(function* () {
      yield* due
      const bytes = yield* small
      yield* refused((dataDir) => load(dataDir, bytes, new Uint8Array(32) as Hash256), "OtherHash")
      yield* refused((dataDir) => load(dataDir, bytes, undefined, mainnet), "WrongNetwork")
      yield* refused((dataDir) => load(dataDir, Buffer.from("something else")), "NoSnapshot")
    })
  )

  it.effect("touches no chain that is there, and what an ended load left is no chain", () =>
    Effect.gen(function* () {
      yield* due
      const bytes = yield* small
      const dataDir = yield* temporaryFolder
      const start = yield* Effect.forkChild(
        Effect.flatMap(config(dataDir), (chain) =>
          loadSnapshot({ chain }, Stream.concat(Stream.make(bytes.subarray(0, 9_000)), Stream.never))
        )
      )
      const loading = join(dataDir, "snapshot.loading/chain.db")
      for (let turn = 0; turn < 1_000 && !existsSync(loading); turn++) yield* Effect.yieldNow
      assert.isTrue(existsSync(loading))
      assert.isFalse(existsSync(chainFile(dataDir)))
      yield* Fiber.interrupt(start)
      assert.deepStrictEqual(readdirSync(dataDir), [])
      yield* load(dataDir, bytes)
      assert.strictEqual((yield* Effect.flip(load(dataDir, bytes))).reason, "NotEmpty")
      const other = yield* temporaryFolder
      writeFileSync(chainFile(other), "")
      assert.strictEqual((yield* Effect.flip(load(other, bytes))).reason, "NotEmpty")
      assert.deepStrictEqual(readdirSync(other), ["chain.db"])
    })
  )
})
