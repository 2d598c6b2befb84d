/**
 * Ten masternodes with real sessions, pools and votes on one network in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import * as VoteCollector from "../../src/peer/VoteCollector.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import type { ChainStore } from "../../src/services/ChainStore.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import type { UtxoStore } from "../../src/services/UtxoStore.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { apply, coins, pay, start } from "../fixtures/PoolWorld.ts"
import { peer } from "./Fixture.ts"
import { settle } from "./Session.ts"
import { keyOf, masternodes } from "./VoteWorld.ts"

const COUNT = 10
const QUORUM = 7

const startNode = Effect.fnUntraced(function* (number: number, dials: ReadonlyArray<number>) {
  const hub = yield* MemoryHub
  const coinsAndPool = MemoryMempool.layer.pipe(
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(MemoryChainStore.layer),
    Layer.provide(NodeConfig.layerTest())
  )
  const services = Layer.mergeAll(
    MockNode.layer,
    NodeConfig.layerTest({
      externalAddress: peer(number),
      peers: dials.map((to) => ({ peer: peer(to), port: testnet.p2pPort }))
    }),
    NodeIdentity.layerTest({
      nodeId: String(number).padStart(32, "0"),
      externalAddress: peer(number),
      key: keyOf(number)
    }),
    MasternodeRegistry.layerTest({ activeAt: () => masternodes(COUNT) }),
    Blockchain.layerTest({
      genesisHash: genesis(testnet).hash,
      hashAt: (at) => (at === 0n ? genesis(testnet).hash : undefined)
    }),
    coinsAndPool,
    Layer.succeed(MemoryHub, hub)
  )
  const layer = Layer.mergeAll(Listener.layer, Dialer.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provide(VoteCollector.layer),
    Layer.provideMerge(GossipRelay.layer),
    Layer.provideMerge(MemoryPeerRegistry.layerOnHub),
    Layer.provideMerge(services)
  )
  const context = yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
  yield* Effect.provideContext(apply([start]) as Effect.Effect<void, never, Mempool | UtxoStore | ChainStore>, context)
  return { pool: Context.get(context, Mempool), gossip: Context.get(context, Gossip) }
})

type Node = Effect.Success<ReturnType<typeof startNode>>

/** A node takes a transaction from its operator and tells the others. */
const send = Effect.fnUntraced(function* ({ gossip, pool }: Node, transaction: Transaction) {
  yield* pool.submit(transaction)
  yield* gossip.relay(toHex(txid(transaction)), { _tag: "TransactionBroadcast", transaction }, null)
})

/** Each dials the two before it, so that what one says has some way to go. */
const network = Effect.gen(function* () {
  const nodes: Array<Node> = []
  for (let number = 1; number <= COUNT; number++) {
    nodes.push(
      yield* startNode(
        number,
        [number - 1, number - 2].filter((other) => other > 0)
      )
    )
  }
  yield* settle
  return nodes
})

const phases = (nodes: ReadonlyArray<Node>, transaction: Transaction) =>
  Effect.forEach(nodes, ({ pool }) => Effect.map(pool.get(txid(transaction)), (pooled) => pooled?.phase._tag))

describe("ten masternodes", () => {
  it.effect("make transactions final everywhere before a second has passed", () =>
    Effect.gen(function* () {
      const nodes = yield* network
      const payments = coins.slice(0, 5).map((coin) => pay([coin]))
      for (const [index, payment] of payments.entries()) yield* send(nodes[2 * index]!, payment)
      yield* settle
      for (const payment of payments) {
        assert.deepStrictEqual(
          yield* phases(nodes, payment),
          nodes.map(() => "SpentFinalized")
        )
      }
      for (const { pool } of nodes) {
        for (const { phase } of yield* pool.finalized) {
          assert.isTrue(phase._tag === "SpentFinalized" && phase.votes >= QUORUM)
        }
      }
      assert.isBelow(yield* Clock.currentTimeMillis, 1_000)
    }).pipe(Effect.provide(MemoryHub.layer, { local: true }))
  )

  it.effect("make at most one of two spends final, and all the same one", () =>
    Effect.gen(function* () {
      const nodes = yield* network
      const [one, other] = [pay([coins[0]!]), pay([coins[0]!], 7n)]
      yield* Effect.all([send(nodes[0]!, one), send(nodes[9]!, other)], { concurrency: "unbounded" })
      yield* settle
      const finals = new Set<string>()
      for (const { pool } of nodes) for (const final of yield* pool.finalized) finals.add(toHex(final.txid))
      assert.isAtMost(finals.size, 1)
    }).pipe(Effect.provide(MemoryHub.layer, { local: true }))
  )
})
