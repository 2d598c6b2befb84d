/**
 * Whole nodes with real chains on one network in memory, whose chains have parted.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as BlockSync from "../../src/peer/BlockSync.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import * as ForkResolver from "../../src/peer/ForkResolver.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { compareBytes } from "../../src/protocol/ByteArray.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { chainOf } from "../services/BlockchainSuite.ts"
import { branchOf, hashOf } from "../services/ReorganisationSuite.ts"
import { dueMillis, peer } from "./Fixture.ts"
import { settle, wait } from "./Session.ts"

/** A node at that address of the network that `hub` is, with these blocks. */
const startNode = Effect.fnUntraced(function* (
  number: number,
  blocks: ReadonlyArray<Block>,
  dials: ReadonlyArray<number> = []
) {
  const hub = yield* MemoryHub
  const config = NodeConfig.layerTest({
    externalAddress: peer(number),
    peers: dials.map((to) => ({ peer: peer(to), port: testnet.p2pPort }))
  })
  const chain = LocalBlockchain.layer.pipe(
    Layer.provideMerge(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(MemoryChainStore.layer),
    Layer.provide(config)
  )
  const services = Layer.mergeAll(
    MockNode.layer,
    config,
    NodeIdentity.layerTest({ nodeId: String(number).padStart(32, "0") }),
    Layer.succeed(MemoryHub, hub),
    chain
  )
  const peers = MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(services))
  const layer = Layer.mergeAll(Listener.layer, Dialer.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provideMerge(BlockSync.layer),
    Layer.provideMerge(ForkResolver.layer),
    Layer.provideMerge(GossipRelay.layer),
    Layer.provideMerge(peers),
    Layer.provideMerge(services)
  )
  const memo = yield* Layer.makeMemoMap
  const context = yield* Layer.buildWithMemoMap(layer, memo, yield* Effect.scope)
  const own = Context.get(context, Blockchain)
  yield* own.connect(blocks)
  return {
    /** What its operator or a producer gives it. */
    make: (block: Block) =>
      Effect.andThen(
        own.connect([block]),
        Context.get(context, Gossip).relay(toHex(blockHash(block.header)), { _tag: "BlockAnnouncement", block }, null)
      ),
    tip: () => own.tip().hash,
    coins: Effect.map(Context.get(context, UtxoStore).summary, ({ hash }) => toHex(hash))
  }
})

type Node = Effect.Success<ReturnType<typeof startNode>>

const meet = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>, tip: Hash256, minutes: number) {
  for (let second = 0; second < minutes * 60; second += 5) {
    if (nodes.every((node) => toHex(node.tip()) === toHex(tip))) break
    yield* wait("5 seconds")
  }
  for (const node of nodes) assert.strictEqual(toHex(node.tip()), toHex(tip))
  const coins = yield* Effect.forEach(nodes, ({ coins }) => coins)
  assert.strictEqual(new Set(coins).size, 1)
})

const onOneNetwork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(TestClock.setTime(dueMillis(100)), Effect.provide(effect, MemoryHub.layer, { local: true }))

const one = chainOf(12)
const other = [...one.slice(0, 8), ...branchOf(one, 8, 4)]
const lower = compareBytes(hashOf(one[11]!), hashOf(other[11]!)) < 0 ? one : other

describe("nodes whose chains have parted", () => {
  it.effect("at the same height end on the same tip when they meet", () =>
    Effect.gen(function* () {
      const first = yield* startNode(1, one)
      const second = yield* startNode(2, other, [1])
      yield* meet([first, second], hashOf(lower[11]!), 3)
    }).pipe(onOneNetwork)
  )

  it.effect("and are told of each other's block of the same height agree at once", () =>
    Effect.gen(function* () {
      const shared = one.slice(0, 8)
      const first = yield* startNode(1, shared)
      const second = yield* startNode(2, shared, [1])
      yield* settle
      yield* wait("10 seconds")
      const [here, there] = [one[8]!, other[8]!]
      yield* Effect.all([first.make(here), second.make(there)], { concurrency: "unbounded" })
      for (let turn = 0; turn < 10; turn++) yield* settle
      const best = compareBytes(hashOf(here), hashOf(there)) < 0 ? here : there
      yield* meet([first, second], hashOf(best), 0)
    }).pipe(onOneNetwork)
  )

  it.effect("follow the longer branch, to its end", () =>
    Effect.gen(function* () {
      const long = [...one.slice(0, 8), ...branchOf(one, 8, 40)]
      const first = yield* startNode(1, one)
      const second = yield* startNode(2, long, [1])
      const third = yield* startNode(3, long, [1, 2])
      yield* meet([first, second, third], hashOf(long.at(-1)!), 3)
    }).pipe(onOneNetwork)
  )

  it.effect("stay where they are when they are apart by more than is ever taken back", () =>
    Effect.gen(function* () {
      const long = chainOf(102)
      const longer = branchOf(long, 0, 110)
      yield* TestClock.setTime(dueMillis(200))
      const first = yield* startNode(1, long)
      const second = yield* startNode(2, longer, [1])
      for (let minute = 0; minute < 5; minute++) yield* wait("60 seconds")
      yield* meet([first], hashOf(long.at(-1)!), 0)
      yield* meet([second], hashOf(longer.at(-1)!), 0)
    }).pipe(onOneNetwork)
  )
})
