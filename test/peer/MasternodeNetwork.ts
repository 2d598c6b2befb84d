/**
 * Masternodes with real chains and sessions on one network in memory and a virtual clock, each connected to all others.
 */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { assembleBlock } from "../../src/consensus/BlockAssembly.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as BftConsensus from "../../src/peer/BftConsensus.ts"
import * as BlockSync from "../../src/peer/BlockSync.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import * as ForkResolver from "../../src/peer/ForkResolver.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { openBallot } from "../../src/protocol/Bft.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, type Network, testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Consensus, type ConsensusMessage } from "../../src/services/Consensus.ts"
import { ConsensusJournal } from "../../src/services/ConsensusJournal.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { owner } from "../fixtures/Blocks.ts"
import { peer } from "./Fixture.ts"
import { settle, wait } from "./Session.ts"

/** The testnet with a block a minute, so that less happens between two of them. */
export const minutely: Network = { ...testnet, blockSeconds: 60n }

export interface NetworkOptions {
  /** How many masternodes the set has. */
  readonly members: number
  /** Everything about blocks to be decided that anybody heard. */
  readonly heard: Array<ConsensusMessage>
}

export interface NodeOptions {
  /** False for one whose messages the test makes. */
  readonly takesPart?: boolean
  readonly isMasternode?: boolean
}

/** The set, whatever the time. */
const activeOf = (members: number) => everybody.slice(0, members)

const everybody = Array.from({ length: 7 }, (_, index) => {
  const { address, key } = owner(index + 1)
  return { peer: peer(index + 1), publicKey: key.publicKey, rewardAddress: address, tier: "Free" as const }
})

/** A node that can be stopped and started again with what it had on disk. */
export const makeNode = Effect.fnUntraced(function* (
  number: number,
  network: NetworkOptions,
  options: NodeOptions = {}
) {
  const hub = yield* MemoryHub
  const disk = yield* Layer.build(Layer.mergeAll(MemoryChainStore.layer, ConsensusJournal.layerMemory))
  const config = NodeConfig.layerTest({
    network: minutely,
    externalAddress: peer(number),
    peers: Array.from({ length: number - 1 }, (_, index) => ({ peer: peer(index + 1), port: testnet.p2pPort }))
  })
  const store = Layer.succeed(ChainStore, Context.get(disk, ChainStore))
  const chain = LocalBlockchain.layer.pipe(
    Layer.provideMerge(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(store),
    Layer.provide(config)
  )
  const services = Layer.mergeAll(
    MockNode.layer,
    config,
    NodeIdentity.layerTest({
      nodeId: String(number).padStart(32, "0"),
      externalAddress: peer(number),
      key: options.isMasternode === false ? null : owner(number).key
    }),
    MasternodeRegistry.layerTest({ activeAt: () => activeOf(network.members) }),
    Layer.succeed(ConsensusJournal, Context.get(disk, ConsensusJournal)),
    Layer.succeed(MemoryHub, hub),
    chain
  )
  const consensus = Layer.effect(
    Consensus,
    Effect.map(Consensus, (inner) =>
      Consensus.of({
        ...inner,
        receive: (message, from) => {
          network.heard.push(message)
          return inner.receive(message, from)
        }
      })
    )
  ).pipe(Layer.provide(options.takesPart === false ? Consensus.layerTest() : BftConsensus.layer))
  const peers = MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(services))
  const layer = Layer.mergeAll(Listener.layer, Dialer.layer, ForkResolver.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provideMerge(consensus),
    Layer.provideMerge(Layer.mergeAll(BlockSync.layer, GossipRelay.layer)),
    Layer.provideMerge(peers),
    Layer.provideMerge(services)
  )
  const outer = yield* Effect.scope

  const start = Effect.gen(function* () {
    const scope = yield* Scope.fork(outer)
    const memo = yield* Layer.makeMemoMap
    const context = yield* Layer.buildWithMemoMap(layer, memo, scope)
    return { scope, context }
  })
  let life: Effect.Success<typeof start> | undefined = yield* start
  const of = <I, S>(tag: Context.Key<I, S>): S =>
    Context.getUnsafe(life!.context as Context.Context<unknown>, tag as never)
  return {
    number,
    isUp: () => life !== undefined,
    stop: Effect.suspend(() => {
      const { scope } = life!
      life = undefined
      return Scope.close(scope, Exit.void)
    }),
    start: Effect.gen(function* () {
      life = yield* start
    }),
    chain: () => of(Blockchain) as Blockchain["Service"],
    registry: () => of(PeerRegistry) as PeerRegistry["Service"],
    consensus: () => of(Consensus) as Consensus["Service"],
    coins: Effect.suspend(() => Effect.map((of(UtxoStore) as UtxoStore["Service"]).summary, ({ hash }) => toHex(hash)))
  }
})

export type TestNode = Effect.Success<ReturnType<typeof makeNode>>

/** Lets the time come in which that block is due, to the second. */
export const untilDue = Effect.fnUntraced(function* (at: number) {
  const target = Number(dueTime(minutely, height(at))) * 1_000
  for (;;) {
    const left = target - (yield* Effect.clockWith((clock) => clock.currentTimeMillis))
    if (left <= 0) return
    yield* TestClock.adjust(Math.min(left, 60_000))
    yield* settle
  }
})

/** Lets seconds pass until all of these nodes have that block, and gives how many passed. */
export const untilHeight = Effect.fnUntraced(function* (nodes: ReadonlyArray<TestNode>, at: number, seconds = 120) {
  for (let second = 0; second <= seconds; second++) {
    for (let turn = 0; turn < 5; turn++) {
      if (nodes.every((node) => node.chain().tip().height >= BigInt(at))) return second
      yield* settle
    }
    yield* wait("1 seconds")
  }
  const heights = nodes.map(
    (node) =>
      `${node.number} at ${node.chain().tip().height} ${JSON.stringify(node.consensus().status(), (_, value) => (typeof value === "bigint" ? String(value) : value))}`
  )
  return assert.fail(`block ${at} did not come: ${heights.join(", ")}`)
})

/** All have the same blocks and the same coins. */
export const assertEqualChains = Effect.fnUntraced(function* (nodes: ReadonlyArray<TestNode>) {
  const tips = nodes.map((node) => `${node.chain().tip().height} ${toHex(node.chain().tip().hash)}`)
  assert.strictEqual(new Set(tips).size, 1, tips.join(", "))
  const coins = yield* Effect.forEach(nodes, ({ coins }) => coins)
  assert.strictEqual(new Set(coins).size, 1)
})

/** Statements signed by these that contradict others of theirs. */
export const contradictions = (
  heard: ReadonlyArray<ConsensusMessage>,
  by: ReadonlyArray<PeerId>
): ReadonlyArray<string> => {
  const said = new Map<string, string>()
  const found = new Set<string>()
  for (const message of heard) {
    if (message._tag === "BlockCommit") continue
    const ballot = message._tag === "BlockVote" && openBallot(message.height, message.blockHash, message.signature)
    const [name, value] =
      message._tag === "BlockProposal"
        ? [
            `${message.proposer} ${message.block.header.height} ${message.round}`,
            toHex(blockHash(message.block.header))
          ]
        : ballot
          ? [`${message.voter} ${message.height} ${ballot.round} ${ballot.kind}`, toHex(ballot.blockHash)]
          : [undefined, ""]
    if (name === undefined || !by.some((voter) => name.startsWith(`${voter} `))) continue
    if ((said.get(name) ?? value) !== value) found.add(name)
    said.set(name, value)
  }
  return [...found]
}

/** A block that these masternodes could make on top of the chain's tip. */
export const blockOn = (
  chain: Blockchain["Service"],
  members: number,
  spends: ReadonlyArray<{ readonly coin: Utxo; readonly transaction: Transaction }> = []
): Block =>
  assembleBlock({
    network: minutely,
    parent: chain.tip(),
    payees: activeOf(members).map(({ rewardAddress }) => rewardAddress),
    transactions: spends.map(({ transaction }) => transaction),
    coins: coinView(new Map(spends.map(({ coin }) => [outPointKey(coin.outpoint), coin]))),
    legacy: true
  })
