/**
 * Two nodes with real sessions on one network in memory, mocked behind them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { mainnet, testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { peer, transaction } from "./Fixture.ts"
import { settle, wait } from "./Session.ts"

interface Options {
  readonly dials?: ReadonlyArray<number>
  readonly genesis?: typeof testnet
  readonly nodeId?: string
  readonly submitted?: Array<Transaction>
}

/** A node at that address of the network that `hub` is. */
const startNode = Effect.fnUntraced(function* (number: number, options: Options = {}) {
  const hub = yield* MemoryHub
  const services = Layer.mergeAll(
    MockNode.layer,
    NodeConfig.layerTest({
      externalAddress: peer(number),
      peers: (options.dials ?? []).map((to) => ({ peer: peer(to), port: testnet.p2pPort }))
    }),
    NodeIdentity.layerTest({ nodeId: options.nodeId ?? String(number).padStart(32, "0") }),
    Blockchain.layerTest({
      genesisHash: genesis(options.genesis ?? testnet).hash,
      hashAt: (at) => (at === 0n ? genesis(options.genesis ?? testnet).hash : undefined)
    }),
    Mempool.layerTest({
      submit: (transaction) =>
        Effect.sync(() => {
          options.submitted?.push(transaction)
          return "accepted" as const
        })
    }),
    Layer.succeed(MemoryHub, hub)
  )
  const peers = MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(services))
  const layer = Layer.mergeAll(Listener.layer, Dialer.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provideMerge(GossipRelay.layer),
    Layer.provideMerge(peers),
    Layer.provideMerge(services)
  )
  // A memo map of its own, so that no two nodes share a layer.
  const memo = yield* Layer.makeMemoMap
  const context = yield* Layer.buildWithMemoMap(layer, memo, yield* Effect.scope)
  return {
    registry: Context.get(context, PeerRegistry),
    gossip: Context.get(context, Gossip),
    peers: Effect.map(Context.get(context, PeerRegistry).peers, (infos) =>
      infos.map(({ agent, direction, peer }) => [peer, direction, agent] as const)
    )
  }
})

const onOneNetwork = Effect.provide(MemoryHub.layer, { local: true })
const timenode = (of: PeerId, direction: "inbound" | "outbound") => [of, direction, "timenode"] as const

describe("two nodes", () => {
  it.effect("know each other as timenodes, and stay connected", () =>
    Effect.gen(function* () {
      const one = yield* startNode(1)
      const other = yield* startNode(2, { dials: [1] })
      yield* settle
      for (let minute = 0; minute < 5; minute++) {
        assert.deepStrictEqual(yield* one.peers, [timenode(peer(2), "inbound")])
        assert.deepStrictEqual(yield* other.peers, [timenode(peer(1), "outbound")])
        yield* wait("60 seconds")
      }
    }).pipe(onOneNetwork)
  )

  it.effect("answer each other in both directions, what a timed never answers included", () =>
    Effect.gen(function* () {
      const one = yield* startNode(1)
      const other = yield* startNode(2, { dials: [1] })
      yield* settle
      for (const [node, to] of [
        [one, peer(2)],
        [other, peer(1)]
      ] as const) {
        assert.strictEqual((yield* node.registry.request(to, { _tag: "GetBlockHeight" })).height, 0n)
        const { hash } = yield* node.registry.request(to, { _tag: "GetGenesisHash" })
        assert.deepStrictEqual(hash, genesis(testnet).hash)
      }
    }).pipe(onOneNetwork)
  )

  it.effect("that dial each other at once end with one connection, the same one", () =>
    Effect.gen(function* () {
      const one = yield* startNode(1, { dials: [2] })
      const other = yield* startNode(2, { dials: [1] })
      yield* settle
      yield* wait("120 seconds")
      const [[first], [second]] = [yield* one.peers, yield* other.peers]
      assert.deepStrictEqual([(yield* one.peers).length, (yield* other.peers).length], [1, 1])
      assert.strictEqual(first![0], peer(2))
      assert.strictEqual(second![0], peer(1))
      assert.notStrictEqual(first![1], second![1])
      assert.strictEqual((yield* one.registry.request(peer(2), { _tag: "GetBlockHeight" })).height, 0n)
      assert.strictEqual((yield* other.registry.request(peer(1), { _tag: "GetBlockHeight" })).height, 0n)
    }).pipe(onOneNetwork)
  )

  it.effect("of different networks part", () =>
    Effect.gen(function* () {
      const one = yield* startNode(1, { genesis: mainnet })
      const other = yield* startNode(2, { dials: [1] })
      yield* settle
      yield* wait("60 seconds")
      assert.deepStrictEqual([yield* one.peers, yield* other.peers], [[], []])
    }).pipe(onOneNetwork)
  )

  it.effect("with one identity are one node, and part", () =>
    Effect.gen(function* () {
      const nodeId = "f".repeat(32)
      const one = yield* startNode(1, { nodeId })
      const other = yield* startNode(2, { nodeId, dials: [1] })
      yield* settle
      yield* wait("60 seconds")
      assert.deepStrictEqual([yield* one.peers, yield* other.peers], [[], []])
    }).pipe(onOneNetwork)
  )

  it.effect("pass a transaction on to everybody, each neighbour once at most", () => {
    const submitted: ReadonlyArray<Array<Transaction>> = [[], [], [], []]
    return Effect.gen(function* () {
      // A ring with a chord, so that everything has more than one way round.
      const origin = yield* startNode(1, { submitted: submitted[0]! })
      yield* startNode(2, { dials: [1], submitted: submitted[1]! })
      yield* startNode(3, { dials: [2], submitted: submitted[2]! })
      yield* startNode(4, { dials: [3, 1, 2], submitted: submitted[3]! })
      yield* settle
      yield* origin.gossip.relay("t", { _tag: "TransactionBroadcast", transaction: transaction(1) }, null)
      yield* settle
      const counts = submitted.map((received) => received.length)
      // Everybody gets it; nobody more often than it has neighbours, since no neighbour says it twice.
      assert.isTrue(
        counts.slice(1).every((count) => count >= 1),
        String(counts)
      )
      assert.isTrue(
        counts.every((count, index) => count <= [2, 3, 2, 3][index]!),
        String(counts)
      )
      yield* wait("60 seconds")
      assert.deepStrictEqual(
        submitted.map((received) => received.length),
        counts
      )
    }).pipe(onOneNetwork)
  })
})
