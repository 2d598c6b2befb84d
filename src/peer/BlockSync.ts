/**
 * Catching up: heights from all peers, blocks from all that have them, everything checked before it is kept.
 *
 * One fiber asks for ranges as `RangePlan` says, another connects what has come, in order. A peer that does not answer,
 * is late, or whose blocks do not fit is passed over for a while, which costs its own ranges only; silence is never
 * taken for an answer, and nothing is rolled back here: that is for `Forks` to find out and for `Blockchain` to do. When it
 * has happened, what was planned and fetched for the branch before is given up.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { describe, provesMisbehaviour } from "../consensus/BlockRejection.ts"
import { type Block, blockMemory } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { height, type Height } from "../protocol/Height.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import { expectedHeight } from "../protocol/Network.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain, type BlockRejected, type BlockVerdict } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { Forks } from "../services/Forks.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { Sync } from "../services/Sync.ts"
import { expel } from "./Expulsion.ts"
import * as Policies from "./Policies.ts"
import { type Ask, type Fetched, RangePlan, type Rivals } from "./RangePlan.ts"
import { SyncSources } from "./SyncSources.ts"
import { SyncSpeed } from "./SyncSpeed.ts"

export const layer = Layer.effect(
  Sync,
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    const chain = yield* Blockchain
    const config = yield* NodeConfig
    const forks = yield* Forks

    const sources = new SyncSources()
    const speed = new SyncSpeed()
    let plan = new RangePlan<Block>(chain.tip().height + 1n)
    /** The tip that what is planned continues. */
    let head = chain.tip()
    let isConnecting = false
    /** The height at which this sync began; undefined at rest. */
    let began: Height | undefined
    /** Who was asked in vain for ranges that have come from others. */
    const outrun: Array<Rivals & { readonly start: bigint }> = []
    /** A store that failed is left alone until then. */
    let pausedUntil = 0

    const toAsk = yield* Queue.sliding<void>(1)
    const toConnect = yield* Queue.sliding<void>(1)
    const fetching = yield* FiberMap.make<FetchKey>()
    const asking = yield* FiberMap.make<PeerId>()

    const reachable = Effect.map(Clock.currentTimeMillis, (now) =>
      sources.above(chain.tip().height, expectedHeight(chain.network, toUnixSeconds(now)) + 1n)
    )
    const lateAfter = () => Math.max(LATE_RANGE, Policies.lateAnswers * sources.pace)

    /** Passes the peer over, and no longer waits for what it was asked. Not to be called from a fetch. */
    const forsake = Effect.fnUntraced(function* (peer: PeerId, isTrusted: boolean) {
      sources.passOver(peer, (yield* Clock.currentTimeMillis) + PASS_OVER)
      plan.forsake(peer, isTrusted)
      const keys = Array.from(fetching, ([key]) => key).filter((key) => key.startsWith(`${peer} `))
      yield* Effect.forEach(keys, (key) => FiberMap.remove(fetching, key), { discard: true })
    })

    const startOver = Effect.suspend(() => {
      head = chain.tip()
      plan = new RangePlan(head.height + 1n)
      return FiberMap.clear(fetching)
    })

    /** False when another branch has become the best chain. */
    const isHeadOnChain = () => {
      const hash = chain.hashAt(head.height)
      return hash !== undefined && bytesEqual(hash, head.hash)
    }

    // --- fetching ---

    const fetch = Effect.fnUntraced(function* ({ end, peer, start }: Ask) {
      const askedAt = yield* Clock.currentTimeMillis
      const request = { _tag: "GetBlocks", start: height(start), end: height(end) } as const
      const result = yield* Effect.result(registry.request(peer, request, Policies.once("bulk")))
      const now = yield* Clock.currentTimeMillis
      const blocks = Result.isSuccess(result) ? result.success.blocks : []
      if (blocks.length > 0 && isRun(blocks, start, end)) {
        sources.answered(peer, now - askedAt)
        const rivals = plan.answered(peer, start, blocks, sizeOf(blocks))
        if (rivals !== undefined) outrun.push({ start, ...rivals })
      } else {
        plan.failed(peer, start)
        sources.passOver(peer, now + PASS_OVER)
        const why = Result.isFailure(result) ? result.failure.reason._tag : `${blocks.length} that were not asked for`
        yield* Effect.logDebug(`No blocks from ${start} on from ${peer}: ${why}`)
      }
      Queue.offerUnsafe(toAsk, undefined)
      Queue.offerUnsafe(toConnect, undefined)
    })

    /** Ends what was asked of others for ranges that have come. Fetches do not end each other: two might at once. */
    const endOutrun = Effect.suspend(() =>
      Effect.forEach(
        outrun.splice(0),
        ({ late, needless, start }) =>
          Effect.andThen(
            Effect.forEach(needless, (peer) => FiberMap.remove(fetching, keyOf(peer, start))),
            Effect.forEach(late, (peer) => forsake(peer, true))
          ),
        { discard: true }
      )
    )

    const isResting = () => plan.inFlight === 0 && !isConnecting && plan.ready(1).length === 0

    const begin = Effect.gen(function* () {
      sources.retain(new Set((yield* registry.peers).map(({ peer }) => peer)))
      const now = yield* Clock.currentTimeMillis
      sources.readmit(now)
      began = chain.tip().height
      speed.clear()
      speed.note(now, began)
      yield* startOver
    })

    /** Nobody is left who can be asked. */
    const rest = Effect.gen(function* () {
      const connected = chain.tip().height - (began ?? 0n)
      began = undefined
      speed.clear()
      yield* startOver
      if (connected > 0n) yield* Effect.logDebug(`${connected} blocks fetched, up to ${chain.tip().height}`)
    })

    const askForMore = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* endOutrun
      if (now < pausedUntil) return
      if (!isConnecting && !isHeadOnChain()) yield* startOver
      if (isResting()) yield* begin
      for (const ask of plan.plan(yield* reachable, now, lateAfter())) {
        if (ask.insteadOf !== undefined) yield* forsake(ask.insteadOf, true)
        yield* FiberMap.run(fetching, keyOf(ask.peer, ask.start), fetch(ask))
      }
      if (isResting()) yield* rest
    })

    /** Waits until something has changed, or what is waited for is late. */
    const change = Effect.gen(function* () {
      const wait = (plan.lateAt(lateAfter()) ?? 0) - (yield* Clock.currentTimeMillis)
      const news = Queue.take(toAsk)
      yield* wait > 0 ? Effect.raceFirst(news, Effect.sleep(wait)) : news
    })
    yield* change.pipe(Effect.andThen(askForMore), Effect.forever, Effect.forkScoped)

    // --- connecting ---

    /** The peer's block does not follow our tip. Others are asked while its branch is looked into. */
    const diverged = Effect.fnUntraced(function* (peer: PeerId, verdict: BlockVerdict) {
      yield* Effect.logDebug(`${peer} is on another branch at height ${plan.next}: ${verdict._tag}`)
      yield* forsake(peer, false)
      yield* forks.consider(peer)
    })

    const rejected = Effect.fnUntraced(function* (peer: PeerId, { height, rejection }: BlockRejected) {
      yield* forsake(peer, false)
      if (!provesMisbehaviour(rejection, config)) {
        return yield* Effect.logDebug(`Block ${height} of ${peer} is not valid: ${describe(rejection)}`)
      }
      yield* Effect.logWarning(`${peer} is disconnected: its block ${height} is not valid: ${describe(rejection)}`)
      yield* expel(peer)
    })

    const storeFailed = Effect.fnUntraced(function* (error: StoreError) {
      pausedUntil = (yield* Clock.currentTimeMillis) + PASS_OVER
      yield* startOver
      yield* Effect.logError("Blocks cannot be stored", error)
    })

    const connect = Effect.fnUntraced(function* (batch: ReadonlyArray<Fetched<Block>>) {
      const result = yield* Effect.result(chain.connect(batch.flatMap(({ blocks }) => blocks)))
      const tip = chain.tip()
      const now = yield* Clock.currentTimeMillis
      if (tip.height >= plan.next) sources.readmit(now)
      speed.note(now, tip.height)
      plan.connected(tip.height + 1n)
      if (Result.isSuccess(result)) {
        const verdict = result.success.at(-1)!
        if (isHeadOnChain() && (verdict._tag === "Orphan" || verdict._tag === "SideBranch")) {
          yield* diverged(senderOf(batch, result.success.length - 1), verdict)
        }
      } else if (result.failure._tag === "BlockRejected") {
        const index = Number(result.failure.height - batch[0]!.start)
        yield* rejected(senderOf(batch, index), result.failure)
      } else {
        yield* storeFailed(result.failure)
      }
      if (isHeadOnChain()) head = tip
      else yield* startOver
    })

    const connectReady = Effect.gen(function* () {
      while (true) {
        const batch = plan.ready(Limits.SYNC_BATCH)
        if (batch.length === 0) return
        isConnecting = true
        yield* Effect.ensuring(
          connect(batch),
          Effect.sync(() => void (isConnecting = false))
        )
        Queue.offerUnsafe(toAsk, undefined)
      }
    })
    yield* Queue.take(toConnect).pipe(Effect.andThen(connectReady), Effect.forever, Effect.forkScoped)

    /** Who did not fit the branch before may fit this one, and may be all that has more of it. */
    const changedBranch = Effect.sync(() => {
      sources.forgiveAll()
      Queue.offerUnsafe(toAsk, undefined)
    })
    yield* chain.changes.pipe(
      Stream.filter(({ _tag }) => _tag !== "Connected"),
      Stream.runForEach(() => changedBranch),
      Effect.forkScoped({ startImmediately: true })
    )

    // --- the service ---

    const report = (peer: PeerId, height: Height) =>
      Effect.sync(() => {
        sources.reported(peer, height)
        Queue.offerUnsafe(toAsk, undefined)
      })
    // One question a peer at a time, apart from the work: a silent peer holds up nobody.
    const askHeight = (peer: PeerId) =>
      registry.request(peer, { _tag: "GetBlockHeight" }, Policies.once("quick")).pipe(
        Effect.flatMap(({ height }) => report(peer, height)),
        Effect.ignore
      )

    const status = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { height: at } = chain.tip()
      let target: bigint = at
      for (const source of yield* reachable) if (source.height > target) target = source.height
      const blocksPerSecond = began === undefined ? 0 : speed.perSecond(now)
      return {
        best: sources.best,
        height: at,
        target: height(target),
        blocksPerSecond,
        secondsLeft: blocksPerSecond === 0 ? null : Number(target - at) / blocksPerSecond,
        peers: [...plan.askedPeers]
      }
    })

    return Sync.of({
      report,
      consider: (peer) => Effect.asVoid(FiberMap.run(asking, peer, askHeight(peer), { onlyIfMissing: true })),
      status
    })
  })
)

// --- internal ---

type FetchKey = `${PeerId} ${bigint}`

const keyOf = (peer: PeerId, start: bigint): FetchKey => `${peer} ${start}`

const PASS_OVER = Duration.toMillis(Policies.passOver)
const LATE_RANGE = Duration.toMillis(Policies.lateRange)

/** True for the blocks from `start` on without a gap, as far as their heights say. */
const isRun = (blocks: ReadonlyArray<Block>, start: bigint, end: bigint): boolean =>
  start + BigInt(blocks.length) - 1n <= end &&
  blocks.every(({ header }, index) => header.height === start + BigInt(index))

/** Who sent the block at that place of the batch. */
const senderOf = (batch: ReadonlyArray<Fetched<Block>>, place: number): PeerId => {
  let after = 0
  return batch.find(({ blocks }) => (after += blocks.length) > place)!.peer
}

/** About what they take of memory, in bytes. */
const sizeOf = (blocks: ReadonlyArray<Block>): number => blocks.reduce((sum, block) => sum + blockMemory(block), 0)
