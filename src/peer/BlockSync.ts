/**
 * Catching up: heights from all peers, blocks from the best of them, everything checked before it is kept.
 *
 * One fiber owns the work. While one range of blocks is being checked the next is on its way. A peer that does not
 * answer, or whose blocks do not fit, is passed over for a while and another is asked; silence is never taken for an
 * answer, and nothing is rolled back here: that is for `ForkResolver` to find out and for `Blockchain` to do.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { describe, provesMisbehaviour } from "../consensus/BlockRejection.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import { expectedHeight } from "../protocol/Network.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain, type BlockRejected, type BlockVerdict } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import { PeerRegistry, type RequestError } from "../services/PeerRegistry.ts"
import { Sync } from "../services/Sync.ts"
import * as ForkResolver from "./ForkResolver.ts"
import * as Policies from "./Policies.ts"

/** Why fetching from a peer stopped before its height was reached. */
type Stop =
  | { readonly _tag: "Unanswered"; readonly error: RequestError }
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Diverged"; readonly verdict: BlockVerdict }
  | BlockRejected
  | StoreError

export const layer = Layer.effect(
  Sync,
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    const state: State = { heights: new Map(), passedOver: new Map(), from: null }
    const news = yield* Queue.sliding<void>(1)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(news), work(state))))

    const report = (peer: PeerId, height: Height) =>
      Effect.suspend(() => {
        remember(state.heights, peer, height)
        return Effect.asVoid(Queue.offer(news, undefined))
      })
    // One question a peer at a time, apart from the work: a silent peer holds up nobody.
    const asking = yield* FiberMap.make<PeerId>()
    const ask = (peer: PeerId) =>
      registry.request(peer, { _tag: "GetBlockHeight" }, Policies.once("quick")).pipe(
        Effect.flatMap(({ height }) => report(peer, height)),
        Effect.ignore
      )

    return Sync.of({
      report,
      consider: (peer) => Effect.asVoid(FiberMap.run(asking, peer, ask(peer), { onlyIfMissing: true })),
      status: Effect.sync(() => ({ best: highest(state), from: state.from }))
    })
  })
)

// --- internal ---

interface State {
  /** What connected peers last reported. */
  readonly heights: Map<PeerId, Height>
  /** Peers not to fetch from before that time, in milliseconds. */
  readonly passedOver: Map<PeerId, number>
  from: PeerId | null
}

const highest = (state: State): Height => {
  let best = 0n
  for (const height of state.heights.values()) if (height > best) best = height
  return height(best)
}

/** The latest word of every peer. Those that are gone are forgotten later, so that there may be more than connections. */
const remember = (heights: Map<PeerId, Height>, peer: PeerId, height: Height): void => {
  heights.delete(peer)
  heights.set(peer, height)
  if (heights.size > Limits.INBOUND_SLOTS + Limits.OUTBOUND_SLOTS) heights.delete(heights.keys().next().value!)
}

const work = Effect.fnUntraced(function* (state: State) {
  // Once, and not between two peers: among several silent ones the first would be due again when the last was tried.
  yield* forgetTheGone(state)
  while (true) {
    const target = yield* bestPeer(state)
    if (target === undefined) return
    state.from = target.peer
    yield* fetchFrom(target.peer, target.height).pipe(
      Effect.flatMap((tip) => Effect.logInfo(`Caught up with ${target.peer} at height ${tip}`)),
      Effect.catch((stop) => passOver(state, target.peer, stop)),
      Effect.ensuring(Effect.sync(() => void (state.from = null)))
    )
  }
})

const forgetTheGone = Effect.fnUntraced(function* (state: State) {
  const registry = yield* PeerRegistry
  const connected = new Set((yield* registry.peers).map(({ peer }) => peer))
  for (const peer of state.heights.keys()) if (!connected.has(peer)) state.heights.delete(peer)
  const now = yield* Clock.currentTimeMillis
  for (const [peer, until] of state.passedOver) if (until <= now) state.passedOver.delete(peer)
})

/** The peer with the highest chain above ours, as far as a chain can honestly be by now. */
const bestPeer = Effect.fnUntraced(function* (state: State) {
  const chain = yield* Blockchain
  const now = yield* Clock.currentTimeMillis
  const possible = expectedHeight(chain.network, BigInt(Math.floor(now / 1000))) + 1n
  let best: { readonly peer: PeerId; readonly height: Height } | undefined
  let bestHeight: bigint = chain.tip().height
  for (const [peer, reported] of state.heights) {
    const reachable = min(reported, possible)
    if (reachable > bestHeight && !state.passedOver.has(peer)) {
      best = { peer, height: height(reachable) }
      bestHeight = reachable
    }
  }
  return best
})

/** Fetches and connects until the target is reached. */
const fetchFrom = (peer: PeerId, target: Height) =>
  Effect.scoped(
    Effect.gen(function* () {
      const chain = yield* Blockchain
      const fetch = (from: bigint) =>
        Effect.forkScoped(fetchRange(peer, height(from), height(min(target, from + RANGE - 1n))))
      let next = yield* fetch(chain.tip().height + 1n)
      while (true) {
        const blocks = yield* Fiber.join(next)
        const last = blocks.at(-1)?.header.height
        if (last === undefined) return yield* Effect.fail<Stop>({ _tag: "Empty" })
        if (last < target) next = yield* fetch(last + 1n)
        const verdicts = yield* chain.connect(blocks)
        const diverged = verdicts.find(({ _tag }) => _tag === "Orphan" || _tag === "SideBranch")
        if (diverged !== undefined) return yield* Effect.fail<Stop>({ _tag: "Diverged", verdict: diverged })
        if (last >= target) return last
      }
    })
  )

const RANGE = BigInt(Limits.BLOCKS_PER_ANSWER)

const fetchRange = Effect.fnUntraced(function* (peer: PeerId, start: Height, end: Height) {
  const registry = yield* PeerRegistry
  const { blocks } = yield* registry
    .request(peer, { _tag: "GetBlocks", start, end }, Policies.once("bulk"))
    .pipe(Effect.mapError((error): Stop => ({ _tag: "Unanswered", error })))
  return blocks
})

/** Leaves the peer alone for a while, and blames it if its blocks break a rule that no honest peer's break. */
const passOver = Effect.fnUntraced(function* (state: State, peer: PeerId, stop: Stop) {
  const chain = yield* Blockchain
  const next = chain.tip().height + 1n
  state.passedOver.set(peer, (yield* Clock.currentTimeMillis) + Duration.toMillis(Policies.passOver))
  switch (stop._tag) {
    case "Unanswered":
      return yield* Effect.logInfo(`No blocks from ${peer}: ${stop.error.reason._tag}`)
    case "Empty":
      return yield* Effect.logInfo(`${peer} has no block ${next}, though it reported a higher chain`)
    case "Diverged":
      yield* Effect.logWarning(`${peer} is on another branch: its block ${next} does not follow ours`)
      if (yield* ForkResolver.resolve(peer)) state.passedOver.delete(peer)
      return
    case "BlockRejected": {
      yield* Effect.logWarning(`Block ${stop.height} of ${peer} is not valid: ${describe(stop.rejection)}`)
      if (!provesMisbehaviour(stop.rejection)) return
      const guard = yield* PeerGuard
      const registry = yield* PeerRegistry
      yield* guard.report(peer, "invalidBlock")
      return yield* registry.disconnect(peer, "misbehaving")
    }
    case "StoreError":
      return yield* Effect.logError("Blocks cannot be stored", stop)
  }
})

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
