/**
 * What a node does about the blocks before its snapshot: on a network in memory and a virtual clock, with real files.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { adoptHistory, replayedHeight } from "../../src/layers/AdoptedHistory.ts"
import { chainFile, historyFile } from "../../src/layers/DataDirectory.ts"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryAddressBook from "../../src/layers/MemoryAddressBook.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import { loadSnapshot } from "../../src/layers/SnapshotLoader.ts"
import { snapshotOf } from "../../src/layers/SnapshotWriter.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as SqliteHistory from "../../src/layers/SqliteHistory.ts"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import type { Block } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import { dispatch, type MethodServices } from "../../src/rpc/Dispatch.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { History } from "../../src/services/History.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import { chainOf, rival } from "../services/BlockchainSuite.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { dueMillis, peer } from "../peer/Fixture.ts"
import { wait } from "../peer/Session.ts"

type Store = ChainStore["Service"]

/** A directory with the snapshot of a store at a height. */
const loaded = Effect.fnUntraced(function* (store: Store, base: bigint, legacy = true, into?: string) {
  const dataDir = into ?? (yield* temporaryFolder)
  rmSync(chainFile(dataDir), { force: true })
  const { bytes } = yield* snapshotOf(store, testnet, height(base))
  const values = yield* Effect.provide(NodeConfig, NodeConfig.layerTest({ legacy }), { local: true })
  yield* loadSnapshot({ chain: { ...values, dataDir } }, bytes)
  return dataDir
})

/** The same store, but one output of these blocks is worth more. */
const forged =
  (blocks: ReadonlyArray<Block>) =>
  (store: Store): Store => {
    const old = new Set(
      blocks.flatMap(({ transactions }) => transactions.map((transaction) => toHex(txid(transaction))))
    )
    let changed: string | undefined
    return {
      ...store,
      utxoPage: (after, limit) =>
        Effect.map(store.utxoPage(after, limit), (page) =>
          page.map((utxo) => {
            const key = `${toHex(utxo.outpoint.txid)}:${utxo.outpoint.vout}`
            if (old.has(toHex(utxo.outpoint.txid))) changed ??= key
            return key === changed ? { ...utxo, value: satoshi(utxo.value + 1n) } : utxo
          })
        )
    }
  }

// --- a network ---

/** The snapshot is at 102: an answer with blocks, and one block more. */
const BLOCKS = spendingChain(204, 3)
const BASE = 102n

/** A whole node at that address of the network. */
const startNode = Effect.fnUntraced(function* (
  number: number,
  dataDir: string | null,
  dials: ReadonlyArray<number> = []
) {
  const node = TimeNode.layerWith({
    identity: NodeIdentity.layerTest({ nodeId: String(number).padStart(32, "0") }),
    addressBook: MemoryAddressBook.layer,
    peerGuard: MemoryPeerGuard.layer,
    peers: MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(Layer.succeed(MemoryHub, yield* MemoryHub)))
  }).pipe(
    Layer.provideMerge(NodeLifecycle.layer),
    Layer.provideMerge(
      NodeConfig.layerTest({
        dataDir,
        externalAddress: peer(number),
        peers: dials.map((to) => ({ peer: peer(to), port: testnet.p2pPort }))
      })
    )
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.buildWithMemoMap(node, yield* Layer.makeMemoMap, scope)
  return {
    services,
    store: Context.get(services, ChainStore),
    chain: Context.get(services, Blockchain),
    state: Context.get(services, History).state,
    stop: Scope.close(scope, Exit.void)
  }
})

type Node = Effect.Success<ReturnType<typeof startNode>>

interface Info {
  readonly pruned: boolean
  readonly snapshot?: { readonly height: number; readonly replayed?: number; readonly status: string }
}

const info = ({ services }: Node): Effect.Effect<Info> =>
  dispatch('{"jsonrpc":"2.0","id":1,"method":"getblockchaininfo"}').pipe(
    Effect.provideContext(services satisfies Context.Context<MethodServices>),
    Effect.map((text) => JSON.parse(text!).result as Info)
  )

/** Lets time pass until the state is that one. */
const until = Effect.fnUntraced(function* ({ state }: Node, tag: string) {
  for (let second = 0; second < 1_800 && state()._tag !== tag; second += 5) yield* wait("5 seconds")
  assert.strictEqual(state()._tag, tag)
})

const contents = Effect.fnUntraced(function* ({ store }: Node) {
  const coins = yield* store.utxoPage(null, 100_000)
  const scripts = new Map(coins.map(({ scriptPubkey }) => [toHex(scriptPubkey), scriptPubkey]))
  return {
    base: yield* store.base,
    tip: yield* store.tip,
    coins,
    blocks: yield* store.blocks(height(0), height(1_000), { count: 1_000, bytes: 100_000_000 }),
    histories: yield* Effect.forEach([...scripts.keys()].sort(), (key) =>
      store.history(scripts.get(key)!, { before: null, limit: 100_000 })
    ),
    undo: yield* store.undo(1_000)
  }
})

const onOneNetwork = <A, E>(effect: Effect.Effect<A, E, MemoryHub | Scope.Scope>) =>
  Effect.andThen(TestClock.setTime(dueMillis(204)), Effect.provide(effect, MemoryHub.layer, { local: true }))

describe("the history of a snapshot", () => {
  it.effect("is fetched, replayed over restarts, found true, and becomes part of the chain", () =>
    Effect.gen(function* () {
      const whole = yield* startNode(1, null)
      yield* whole.chain.connect(BLOCKS.slice(1, 203))
      const dataDir = yield* loaded(whole.store, BASE)

      const first = yield* startNode(2, dataDir, [1])
      assert.deepInclude((yield* info(first)).snapshot, { height: 102, replayed: 0, status: "verifying" })
      const isUnderWay = () => {
        const state = first.state()
        return state._tag === "Replaying" && state.height > 0n
      }
      for (let turn = 0; turn < 500 && !isUnderWay(); turn++) yield* wait("50 millis")
      const state = first.state()
      assert.isTrue(state._tag === "Replaying" && state.height > 0n && state.height < BASE)
      yield* first.stop

      const second = yield* startNode(2, dataDir, [1])
      assert.deepInclude(second.state(), { _tag: "Replaying", height: height(101) })
      yield* until(second, "Verified")
      assert.deepInclude((yield* info(second)).snapshot, { status: "verified" })
      yield* whole.chain.connect(BLOCKS.slice(203))
      yield* wait("120 seconds")
      assert.strictEqual(second.chain.tip().height, 203n)
      yield* second.stop

      const third = yield* startNode(2, dataDir)
      assert.deepStrictEqual(yield* contents(third), yield* contents(whole))
      assert.deepInclude(yield* info(third), { pruned: false })
      assert.isUndefined((yield* info(third)).snapshot)
      assert.isFalse(existsSync(historyFile(dataDir)))
    }).pipe(onOneNetwork)
  )

  it.effect("shows that a snapshot is false, after which nothing follows it", () =>
    Effect.gen(function* () {
      const whole = yield* startNode(1, null)
      yield* whole.chain.connect(BLOCKS.slice(1, 203))
      const dataDir = yield* loaded(forged(BLOCKS.slice(0, 103))(whole.store), BASE)
      const node = yield* startNode(2, dataDir, [1])
      yield* until(node, "Refuted")
      assert.deepInclude(yield* info(node), { pruned: true })
      assert.deepInclude((yield* info(node)).snapshot, { height: 102, status: "false" })
      yield* whole.chain.connect(BLOCKS.slice(203))
      yield* wait("120 seconds")
      assert.strictEqual(node.chain.tip().height, 202n)
      yield* node.stop
      const again = yield* startNode(2, dataDir)
      assert.deepInclude((yield* info(again)).snapshot, { status: "false" })
    }).pipe(onOneNetwork)
  )

  it.effect("is asked of others when a peer has none of it", () =>
    Effect.gen(function* () {
      const whole = yield* startNode(1, null)
      yield* whole.chain.connect(BLOCKS.slice(1, 203))
      const [one, other] = [yield* loaded(whole.store, BASE), yield* loaded(whole.store, BASE)]
      yield* startNode(2, one)
      const node = yield* startNode(3, other, [2])
      yield* wait("60 seconds")
      assert.deepInclude(node.state(), { _tag: "Replaying", height: height(0) })
      yield* node.stop
      const between = yield* startNode(3, other, [1, 2])
      yield* until(between, "Verified")
      // A node that begins with its genesis passes over the one that cannot help it, and bans nobody.
      const fresh = yield* startNode(4, null, [2, 3, 1])
      yield* wait("120 seconds")
      assert.strictEqual(fresh.chain.tip().height, 202n)
    }).pipe(onOneNetwork)
  )
})

// --- the file alone ---

/** Runs on the chain of a directory and its history. */
const on = <A, E>(
  dataDir: string,
  run: (history: History["Service"], store: Store, chain: Blockchain["Service"]) => Effect.Effect<A, E>,
  legacy = true
) =>
  Effect.gen(function* () {
    return yield* run(yield* History, yield* ChainStore, yield* Blockchain)
  }).pipe(
    Effect.provide(
      SqliteHistory.layer.pipe(
        Layer.provideMerge(LocalBlockchain.layer),
        Layer.provideMerge(MemoryMempool.layer),
        Layer.provideMerge(ViewUtxoStore.layer),
        Layer.provideMerge(SqliteChainStore.layer({ file: chainFile(dataDir), network: testnet })),
        Layer.provide(NodeConfig.layerTest({ dataDir, legacy }))
      ),
      { local: true }
    )
  )

/** A directory with a snapshot at height 6 of these blocks, which begin with the genesis. */
const begun = Effect.fnUntraced(function* (
  blocks: ReadonlyArray<Block>,
  {
    change = (store: Store) => store,
    dataDir,
    legacy = true
  }: {
    readonly change?: (store: Store) => Store
    readonly dataDir?: string
    readonly legacy?: boolean
  } = {}
) {
  yield* TestClock.setTime(dueMillis(1_000))
  return yield* Effect.gen(function* () {
    yield* (yield* Blockchain).connect(blocks.slice(1))
    return yield* loaded(change(yield* ChainStore), 6n, legacy, dataDir)
  }).pipe(
    Effect.provide(
      LocalBlockchain.layer.pipe(
        Layer.provideMerge(MemoryMempool.layer),
        Layer.provideMerge(ViewUtxoStore.layer),
        Layer.provideMerge(MemoryChainStore.layer),
        Layer.provide(NodeConfig.layerTest({ legacy }))
      ),
      { local: true }
    )
  )
})

const SHORT = spendingChain(108, 3)
const BOUND = [spendingChain(1)[0]!, ...chainOf(107)]

describe("the replay", () => {
  it.effect("takes the chain's own blocks alone, and no more than there are", () =>
    Effect.gen(function* () {
      const dataDir = yield* begun(SHORT)
      yield* on(
        dataDir,
        Effect.fnUntraced(function* (history) {
          const other = [rival(SHORT[1]!), rival(SHORT[2]!)]
          assert.strictEqual(yield* history.replay(other.slice(0, 1)), "Unlisted")
          assert.strictEqual(yield* history.replay(SHORT.slice(2, 3)), "Unlisted")
          assert.strictEqual(yield* history.replay([SHORT[1]!, other[1]!]), "Unlisted")
          assert.strictEqual(yield* history.replay([]), "Unlisted")
          assert.deepInclude(history.state(), { _tag: "Replaying", height: height(0) })
          assert.strictEqual(yield* history.replay(SHORT.slice(1, 9)), "Connected")
          assert.strictEqual(history.state()._tag, "Verified")
        })
      )
      yield* on(dataDir, (history) =>
        Effect.gen(function* () {
          for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
          assert.strictEqual(history.state()._tag, "Verified")
          yield* history.extend
        })
      )
    })
  )

  it.effect("counts for no other snapshot than its own", () =>
    Effect.gen(function* () {
      const dataDir = yield* begun(SHORT)
      yield* on(
        dataDir,
        Effect.fnUntraced(function* (history, _, chain) {
          yield* history.replay(SHORT.slice(1, 7))
          yield* chain.connect(SHORT.slice(107))
          yield* history.extend
        })
      )
      assert.strictEqual(replayedHeight(dataDir), 7n)
      const other = yield* begun(SHORT, { change: forged(SHORT.slice(0, 7)), dataDir })
      assert.strictEqual(other, dataDir)
      yield* on(
        dataDir,
        Effect.fnUntraced(function* (history) {
          assert.deepInclude(history.state(), { _tag: "Replaying", height: height(0) })
        })
      )
    })
  )

  it.effect(
    "takes the place of the chain when nobody has that open, and what is left of it goes with a whole one",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* begun(SHORT)
        const values = yield* Effect.provide(NodeConfig, NodeConfig.layerTest({ dataDir }), { local: true })
        const adopt = adoptHistory({ ...values, dataDir })
        yield* adopt
        yield* on(
          dataDir,
          Effect.fnUntraced(function* (history, _, chain) {
            yield* history.replay(SHORT.slice(1, 7))
            yield* chain.connect(SHORT.slice(107))
            yield* history.extend
            yield* adopt
          })
        )
        assert.isTrue(existsSync(historyFile(dataDir)))
        const replayed = readFileSync(historyFile(dataDir))
        yield* adopt
        assert.isFalse(existsSync(historyFile(dataDir)))
        writeFileSync(historyFile(dataDir), replayed)
        yield* adopt
        yield* on(
          dataDir,
          Effect.fnUntraced(function* (history, store) {
            assert.strictEqual(history.state()._tag, "Whole")
            assert.isNull(yield* store.base)
            assert.strictEqual((yield* store.tip)?.height, 107n)
            assert.strictEqual(
              (yield* store.blocks(height(1), height(107), { count: 200, bytes: 2 ** 24 })).length,
              107
            )
          })
        )
        assert.deepStrictEqual(
          readdirSync(dataDir).filter((name) => !name.startsWith("chain.db")),
          []
        )
      })
  )

  it.effect("refutes a snapshot at once when the hashes bind their bodies, and for good", () =>
    Effect.gen(function* () {
      const dataDir = yield* begun(BOUND.slice(0, 107), { change: forged(BOUND.slice(0, 7)), legacy: false })
      const run = Effect.fnUntraced(function* (history: History["Service"], _: Store, chain: Blockchain["Service"]) {
        if (history.state()._tag === "Replaying") yield* history.replay(BOUND.slice(1, 7))
        assert.strictEqual(history.state()._tag, "Refuted")
        const error = yield* Effect.flip(chain.connect(BOUND.slice(107)))
        assert.include("detail" in error ? error.detail : "", "the snapshot that the chain began with is false")
      })
      yield* on(dataDir, run, false)
      yield* on(dataDir, run, false)
    })
  )

  it.effect("begins anew after a body that does not fit, or a file that is none, and then finds the truth", () =>
    Effect.gen(function* () {
      const dataDir = yield* begun(SHORT)
      const at = SHORT.findIndex(({ transactions }, index) => index > 0 && index < 6 && transactions.length > 1)
      assert.isAbove(at, 0)
      yield* on(
        dataDir,
        Effect.fnUntraced(function* (history) {
          // No peer could tell this body from the true one by its hash, if the root were over the coinbase alone.
          const cut = { ...SHORT[at]!, transactions: SHORT[at]!.transactions.slice(0, 1) }
          yield* history.replay(SHORT.slice(1, at))
          assert.strictEqual(yield* history.replay([cut]), "Doubtful")
          assert.deepInclude(history.state(), { _tag: "Replaying", height: height(at - 1) })
          yield* history.restart
          assert.deepInclude(history.state(), { _tag: "Replaying", height: height(0) })
          yield* history.replay(SHORT.slice(1, 3))
        })
      )
      writeFileSync(historyFile(dataDir), "garbage ".repeat(2_000))
      yield* on(
        dataDir,
        Effect.fnUntraced(function* (history) {
          assert.deepInclude(history.state(), { _tag: "Replaying", height: height(0) })
          yield* history.replay(SHORT.slice(1, 7))
          assert.strictEqual(history.state()._tag, "Verified")
        })
      )
    })
  )
})
