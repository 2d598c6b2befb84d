/**
 * Whole nodes in one process on a virtual clock and a faulty network: production layers but for transport and disk.
 *
 * Everything a run decides comes from its seed. After every step of time all invariants are checked, and one that does
 * not hold ends the run with the seed that brings it back. A node that crashes loses all but what a disk would keep.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as LocalMempool from "../layers/LocalMempool.ts"
import * as MemoryChainStore from "../layers/MemoryChainStore.ts"
import * as MemoryMasternodeRegistry from "../layers/MemoryMasternodeRegistry.ts"
import * as MemoryPeerRegistry from "../layers/MemoryPeerRegistry.ts"
import { memoryJournal, type PoolJournal } from "../layers/PoolJournal.ts"
import { MemoryHub } from "../layers/registry/MemoryHub.ts"
import type { StoredMasternodes } from "../layers/StoredMasternodes.ts"
import * as TimeNode from "../layers/TimeNode.ts"
import { type Seed, SigningKey } from "../protocol/Ed25519.ts"
import { sha256, toHex } from "../protocol/Hash.ts"
import { type Network, testnet } from "../protocol/Network.ts"
import { peerId, type PeerId } from "../protocol/PeerId.ts"
import { ChainStore } from "../services/ChainStore.ts"
import { ConsensusJournal } from "../services/ConsensusJournal.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { type Faults, FaultyHub } from "./FaultyHub.ts"

/** The services of a running node. */
export type Services = Layer.Success<ReturnType<typeof nodeLayer>>

export interface TestNode {
  readonly number: number
  readonly peer: PeerId
  /** What it signs with; also the owner of what blocks pay it. */
  readonly key: SigningKey
  readonly isUp: () => boolean
  /** Runs a program with the node's services. A node that is down is a defect. */
  readonly use: <A, E>(program: Effect.Effect<A, E, Services>) => Effect.Effect<A, E>
  /** It is gone at once, with all that is in memory alone. */
  readonly crash: Effect.Effect<void>
  /** It starts again with what it had stored. */
  readonly start: Effect.Effect<void>
}

/** What must hold at every moment. Fails, or dies, where it does not. */
export type Invariant = (nodes: ReadonlyArray<TestNode>) => Effect.Effect<void, Error>

export interface Options {
  readonly seed: number
  readonly nodes: number
  readonly network?: Network
  readonly faults?: Partial<Faults>
  /** How long after its genesis the network begins; none when left out. */
  readonly age?: Duration.Input
  readonly invariants?: ReadonlyArray<Invariant>
}

export interface TestNetwork {
  readonly nodes: ReadonlyArray<TestNode>
  readonly hub: FaultyHub["Service"]
  /** Lets time pass, and checks all invariants after every step of it. */
  readonly run: (duration: Duration.Input, step?: Duration.Input) => Effect.Effect<void, BrokenInvariant>
}

/** An invariant did not hold. The same seed brings the same run. */
export class BrokenInvariant extends Error {
  readonly _tag = "BrokenInvariant"
  readonly seed: number

  constructor(seed: number, at: number, cause: unknown) {
    super(`Broken with seed ${seed} at ${at} ms: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.seed = seed
  }
}

/** A network whose nodes all run and dial each other. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { age = 0, invariants = [], network = testnet, seed } = options
  yield* TestClock.setTime(Number(network.genesisTime) * 1_000 + Duration.toMillis(Duration.fromInputUnsafe(age)))
  const context = yield* Layer.build(FaultyHub.layer(options.faults))
  const hub = Context.get(context, MemoryHub)
  const peers = Array.from({ length: options.nodes }, (_, index) => peerId(`10.0.0.${index + 1}`)!)
  const nodes: Array<TestNode> = []
  for (const index of peers.keys()) nodes.push(yield* makeNode({ hub, index, network, peers, seed }))
  for (const node of nodes) yield* node.start

  const check = Effect.forEach(invariants, (invariant) => invariant(nodes), { discard: true })
  const run = Effect.fnUntraced(function* (duration: Duration.Input, step: Duration.Input = "1 second") {
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(duration))
    const length = Duration.toMillis(Duration.fromInputUnsafe(step))
    for (let now = yield* Clock.currentTimeMillis; now < end; now = yield* Clock.currentTimeMillis) {
      yield* TestClock.adjust(Math.min(length, end - now))
      yield* settle
      const at = yield* Clock.currentTimeMillis
      yield* Effect.mapError(check, (cause) => new BrokenInvariant(seed, at, cause))
    }
  })
  const made: TestNetwork = { nodes, hub: Context.get(context, FaultyHub), run }
  return made
})

/** Runs a program with a network of its own, whose chance is all the seed's. */
export const within = <A, E>(
  options: Options,
  program: (network: TestNetwork) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.flatMap(make(options), program).pipe(
    Effect.scoped,
    Random.withSeed(options.seed),
    Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([])), { local: true })
  )

// --- internal ---

interface Disk {
  readonly stored: Context.Context<ChainStore | ConsensusJournal>
  readonly pool: PoolJournal
  masternodes: StoredMasternodes | null
}

interface NodeOptions {
  readonly hub: MemoryHub["Service"]
  readonly index: number
  readonly network: Network
  readonly peers: ReadonlyArray<PeerId>
  readonly seed: number
}

const makeNode = Effect.fnUntraced(function* (options: NodeOptions) {
  const { index, peers } = options
  const outer = yield* Effect.scope
  // What outlives a crash.
  const disk: Disk = {
    stored: yield* Layer.build(Layer.fresh(Layer.merge(MemoryChainStore.layer, ConsensusJournal.layerMemory))),
    pool: memoryJournal(),
    masternodes: null
  }
  const key = new SigningKey(sha256(new TextEncoder().encode(`${options.seed} node ${index}`)) as Uint8Array as Seed)
  let running: { readonly scope: Scope.Closeable; readonly services: Context.Context<Services> } | undefined

  const start = Effect.gen(function* () {
    if (running !== undefined) return
    const scope = yield* Scope.fork(outer)
    const memo = yield* Layer.makeMemoMap
    const layer = nodeLayer(options, key, disk)
    running = { scope, services: yield* Effect.orDie(Layer.buildWithMemoMap(layer, memo, scope)) }
  })
  const crash = Effect.suspend(() => {
    if (running === undefined) return Effect.void
    const { scope } = running
    running = undefined
    return Scope.close(scope, Exit.void)
  })
  const node: TestNode = {
    number: index + 1,
    peer: peers[index]!,
    key,
    isUp: () => running !== undefined,
    use: (program) =>
      Effect.suspend(() =>
        running === undefined
          ? Effect.die(new Error(`Node ${index + 1} is down`))
          : Effect.provideContext(program, running.services)
      ),
    crash,
    start
  }
  return node
})

const nodeLayer = ({ hub, index, network, peers, seed }: NodeOptions, key: SigningKey, disk: Disk) => {
  const { pool, stored } = disk
  const own = peers[index]!
  const config = NodeConfig.layerTest({
    network,
    externalAddress: own,
    listen: { host: own, port: network.p2pPort },
    peers: peers.filter((peer) => peer !== own).map((peer) => ({ peer, port: network.p2pPort })),
    legacy: false,
    masternode: { enabled: true, tier: "Free", rewardAddress: "" }
  })
  const identity = NodeIdentity.layerTest({
    nodeId: toHex(sha256(new TextEncoder().encode(`${seed} id ${index}`))).slice(0, 32),
    externalAddress: own,
    key
  })
  return TimeNode.layerWith({
    identity,
    chainStore: Layer.succeed(ChainStore, Context.get(stored, ChainStore)),
    mempool: Layer.effect(
      Mempool,
      Effect.suspend(() => LocalMempool.make(pool))
    ),
    masternodes: Layer.effect(
      MasternodeRegistry,
      Effect.gen(function* () {
        const { registry, snapshot } = yield* MemoryMasternodeRegistry.make(disk.masternodes)
        yield* Effect.addFinalizer(() => Effect.map(snapshot, (stored) => void (disk.masternodes = stored)))
        return registry
      })
    ),
    consensusJournal: Layer.succeed(ConsensusJournal, Context.get(stored, ConsensusJournal)),
    peers: MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(Layer.succeed(MemoryHub, hub)))
  }).pipe(Layer.provideMerge(config))
}

/** Lets all that needs no time happen: bytes in memory are handed on in later microtasks. */
const settle = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })
