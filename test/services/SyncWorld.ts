/**
 * A small world to catch up in: our chain, and peers with chains and manners of their own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { BlockRejection } from "../../src/consensus/BlockRejection.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import type { Message, MessageOf } from "../../src/protocol/Message.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { Blockchain, BlockRejected, type BlockVerdict, type ChainEvent } from "../../src/services/Blockchain.ts"
import { StoreError } from "../../src/services/ChainStore.ts"
import { Forks } from "../../src/services/Forks.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"
import {
  type DisconnectReason,
  NotAnswered,
  type PeerRegistry,
  RequestError,
  type RequestPolicy,
  RequestTimeout
} from "../../src/services/PeerRegistry.ts"
import type { Sync } from "../../src/services/Sync.ts"
import { chainTo, dueMillis, peerInfo, registry } from "../peer/Fixture.ts"

export type Answer = (
  request: MessageOf<"GetBlocks">,
  honest: ReadonlyArray<Block>
) => Effect.Effect<ReadonlyArray<Block>, RequestError>

export interface Remote {
  readonly chain: ReadonlyArray<Block>
  /** What it does instead of answering from its chain. */
  readonly answer?: Answer
  /** The height it gives when asked, if that is not its chain's; null for silence. */
  readonly claims?: bigint | null
}

export interface World {
  /** Our best chain. */
  readonly ours: Array<Block>
  readonly remotes: Map<PeerId, Remote>
  /** Ranges asked, in order. */
  readonly asked: Array<readonly [PeerId, bigint, bigint]>
  /** Who was asked for its height. */
  readonly considered: Array<PeerId>
  /** Whose branches were to be looked into. */
  readonly diverged: Array<PeerId>
  readonly offences: Array<readonly [PeerId, Offence]>
  readonly disconnects: Array<readonly [PeerId, DisconnectReason]>
  /** Changes of our chain that are told. */
  readonly events: Queue.Queue<ChainEvent>
  /** How long a batch takes to be checked, milliseconds. */
  checking: number
  /** Blocks that break a rule, by hash. */
  readonly invalid: Map<string, BlockRejection>
  storeFails: boolean
  legacy: boolean
}

export const world = (ours: number, remotes: ReadonlyArray<readonly [PeerId, Remote]>): World => ({
  ours: [...chainTo(ours)],
  remotes: new Map(remotes),
  asked: [],
  considered: [],
  diverged: [],
  offences: [],
  disconnects: [],
  events: Effect.runSync(Queue.unbounded<ChainEvent>()),
  checking: 0,
  invalid: new Map(),
  storeFails: false,
  legacy: true
})

export const silent: Answer = () => Effect.never
export const empty: Answer = () => Effect.succeed([])
export const refusing =
  (peer: PeerId): Answer =>
  () =>
    Effect.fail(new RequestError({ reason: new NotAnswered({ peer, request: "GetBlocks" }) }))

/** The services that a Sync is built on, in this world. */
export const services = (world: World): Layer.Layer<PeerRegistry | Blockchain | PeerGuard | Forks | NodeConfig> =>
  Layer.mergeAll(
    registry(
      {},
      {
        peers: Effect.sync(() => [...world.remotes.keys()].map((peer) => peerInfo({ peer, direction: "outbound" }))),
        disconnect: (peer, reason) =>
          Effect.sync(() => {
            world.disconnects.push([peer, reason])
            world.remotes.delete(peer)
          }),
        // Three variants are ever asked, and each is answered with its own.
        request: ((
          peer: PeerId,
          request: MessageOf<"GetBlocks" | "GetBlockHeight" | "GetBlockHash">,
          policy: RequestPolicy
        ) => {
          const answer: Effect.Effect<Message, RequestError> =
            request._tag === "GetBlocks"
              ? blocksOf(world, peer, request)
              : request._tag === "GetBlockHash"
                ? blockHashOf(world, peer, request)
                : heightOf(world, peer)
          const late = new RequestError({ reason: new RequestTimeout({ peer, request: request._tag }) })
          return Effect.timeoutOrElse(answer, { duration: policy.timeout, orElse: () => Effect.fail(late) })
        }) as PeerRegistry["Service"]["request"]
      }
    ),
    chain(world),
    NodeConfig.layerTest({ legacy: world.legacy }),
    Forks.layerTest({ consider: (peer) => Effect.sync(() => void world.diverged.push(peer)) }),
    PeerGuard.layerTest({
      report: (peer, offence) =>
        Effect.sync(() => {
          world.offences.push([peer, offence])
          return "tolerated" as const
        })
    })
  )

/** Runs with a Sync over the world, at a time when block 1,000 is due. */
export const withSync = <A, E>(
  layer: Layer.Layer<Sync, never, PeerRegistry | Blockchain | PeerGuard | Forks | NodeConfig>,
  world: World,
  run: Effect.Effect<A, E, Sync>
): Effect.Effect<A, E> =>
  Effect.andThen(TestClock.setTime(dueMillis(1_000)), Effect.provide(run, layer, { local: true })).pipe(
    Effect.provide(services(world), { local: true })
  ) as Effect.Effect<A, E>

/** Another branch becomes the best chain, as `Blockchain` tells it. */
export const changeBranch = (world: World, branch: ReadonlyArray<Block>): void => {
  const fork = world.ours.findIndex((block, at) => branch[at] !== block)
  const removed = world.ours.splice(fork, Infinity, ...branch.slice(fork))
  for (const { header } of removed.reverse()) {
    Queue.offerUnsafe(world.events, { _tag: "Disconnected", height: header.height, hash: blockHash(header) })
  }
}

/** Lets everything happen that needs no time. */
export const settle = Effect.andThen(
  TestClock.adjust(0),
  Effect.forEach(Array.from({ length: 400 }), () => Effect.yieldNow, { discard: true })
)

// --- internal ---

const hashes = new WeakMap<Block, string>()

const hashOf = (block: Block): string => {
  const known = hashes.get(block) ?? toHex(blockHash(block.header))
  hashes.set(block, known)
  return known
}

const blocksOf = (world: World, peer: PeerId, request: MessageOf<"GetBlocks">) =>
  Effect.suspend(() => {
    world.asked.push([peer, request.start, request.end])
    const remote = world.remotes.get(peer)!
    const honest = remote.chain
      .filter(({ header }) => header.height >= request.start && header.height <= request.end)
      .slice(0, 101)
    const blocks = remote.answer?.(request, honest) ?? Effect.succeed(honest)
    return Effect.map(blocks, (blocks) => ({ _tag: "BlocksResponse" as const, blocks }))
  })

const heightOf = (world: World, peer: PeerId) =>
  Effect.suspend(() => {
    world.considered.push(peer)
    const { chain, claims } = world.remotes.get(peer)!
    if (claims === null) return Effect.never
    return Effect.succeed({
      _tag: "BlockHeightResponse" as const,
      height: claims === undefined ? chain.at(-1)!.header.height : height(claims)
    })
  })

const blockHashOf = (world: World, peer: PeerId, { height }: MessageOf<"GetBlockHash">) =>
  Effect.sync(() => {
    const block = world.remotes.get(peer)?.chain[Number(height)]
    return { _tag: "BlockHashResponse" as const, height, hash: block === undefined ? null : blockHash(block.header) }
  })

const chain = (world: World) =>
  Blockchain.layerTest({
    tip: () => {
      const { header } = world.ours.at(-1)!
      return { height: header.height, hash: blockHash(header), timestamp: header.timestamp }
    },
    changes: Stream.fromQueue(world.events),
    hashAt: (at) => {
      const block = world.ours[Number(at)]
      return block && blockHash(block.header)
    },
    connect: (blocks) =>
      Effect.gen(function* () {
        yield* Effect.sleep(world.checking)
        if (world.storeFails) {
          return yield* new StoreError({ operation: "commit", reason: "Failed", detail: "disk" })
        }
        const verdicts: Array<BlockVerdict> = []
        for (const block of blocks) {
          const hash = hashOf(block)
          const rejection = world.invalid.get(hash)
          if (rejection !== undefined) {
            return yield* new BlockRejected({ height: block.header.height, hash, rejection })
          }
          const verdict = put(world.ours, block)
          verdicts.push(verdict)
          if (verdict._tag === "Orphan" || verdict._tag === "SideBranch") break
        }
        return verdicts
      })
  })

const put = (ours: Array<Block>, block: Block): BlockVerdict => {
  if (ours.some((known) => hashOf(known) === hashOf(block))) return { _tag: "AlreadyKnown" }
  const parent = ours.find((known) => hashOf(known) === toHex(block.header.previousHash))
  if (parent === undefined) return { _tag: "Orphan" }
  if (parent !== ours.at(-1)) {
    return { _tag: "SideBranch", parent: parent.header.height, fork: parent.header.height, length: 1 }
  }
  ours.push(block)
  const { header } = block
  return { _tag: "Connected", tip: { height: header.height, hash: blockHash(header), timestamp: header.timestamp } }
}
