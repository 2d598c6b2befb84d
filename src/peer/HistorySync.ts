/**
 * Fetches the blocks up to the base of a snapshot, to be replayed beside the chain.
 *
 * It stands behind everything else: it waits until the chain is as high as those of the peers, asks one peer at a time for
 * one range, all in turn, and pauses after each. A peer that has not these blocks is passed over for a while, which is no
 * offence: it may have begun with a snapshot itself.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { answers } from "../protocol/Exchange.ts"
import { height } from "../protocol/Height.ts"
import { BLOCKS_PER_ANSWER } from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { History, type HistoryState } from "../services/History.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { Sync } from "../services/Sync.ts"
import * as Policies from "./Policies.ts"

export const layer: Layer.Layer<never, never, History | PeerRegistry | Sync> = Layer.effectDiscard(
  Effect.gen(function* () {
    const history = yield* History
    const registry = yield* PeerRegistry
    const sync = yield* Sync
    if (history.state()._tag === "Whole") return
    /** Until when peers are left alone, in milliseconds. */
    const passedOver = new Map<PeerId, number>()
    /** Whose next block did not fit those that were replayed. */
    const doubted = new Set<PeerId>()
    let last: PeerId | undefined

    /** The peer whose turn it is, of those that are not passed over. */
    const next = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const peers = (yield* registry.peers)
        .filter((info) => answers(info, ASKED))
        .map(({ peer }) => peer)
        .sort()
      for (const peer of passedOver.keys()) if (!peers.includes(peer)) passedOver.delete(peer)
      const free = peers.filter((peer) => (passedOver.get(peer) ?? 0) <= now)
      const peer = free.find((peer) => last === undefined || peer > last) ?? free[0]
      if (peer !== undefined) last = peer
      // One body that no peer's blocks fit was false, and was taken from one that is gone or has changed.
      return { peer, isStuck: peers.length > 0 && peers.every((peer) => doubted.has(peer)) }
    })

    const fetch = Effect.fnUntraced(function* ({ base, height: at }: Replaying) {
      const { isStuck, peer } = yield* next
      if (isStuck) {
        doubted.clear()
        yield* Effect.logWarning(`No peer's block ${at + 1n} fits those that were fetched; all are fetched once more`)
        yield* history.restart
        return Policies.historyRetry
      }
      if (peer === undefined) return Policies.historyWait
      const end = at + BigInt(BLOCKS_PER_ANSWER)
      const range = { start: height(at + 1n), end: end < base.height ? height(end) : base.height }
      const result = yield* Effect.result(registry.request(peer, { ...ASKED, ...range }, Policies.once("bulk")))
      const replayed = Result.isSuccess(result) ? yield* history.replay(result.success.blocks) : "Unlisted"
      if (replayed === "Restarted") return Policies.historyRetry
      if (replayed === "Connected") doubted.clear()
      else {
        if (replayed === "Doubtful") doubted.add(peer)
        passedOver.set(peer, (yield* Clock.currentTimeMillis) + Duration.toMillis(Policies.passOver))
        yield* Effect.logDebug(`No blocks of the snapshot's past from ${range.start} on from ${peer}: ${replayed}`)
      }
      return Policies.historyPause
    })

    /** Does what is next, and gives how long to wait after it. */
    const step = Effect.gen(function* (): Effect.fn.Return<Duration.Duration, StoreError> {
      const state = history.state()
      if (state._tag === "Verified") yield* history.extend
      if (state._tag !== "Replaying" || state.height >= state.base.height) return Policies.pollInterval
      const { best, height, target } = yield* sync.status
      return best === 0n || target > height ? Policies.historyWait : yield* fetch(state)
    }).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logError("The snapshot cannot be verified now", error), Policies.historyRetry)
      )
    )
    yield* Effect.sleep(Policies.historyWait).pipe(
      Effect.andThen(Effect.forever(Effect.flatMap(step, Effect.sleep))),
      Effect.forkScoped
    )
  })
)

// --- internal ---

type Replaying = Extract<HistoryState, { readonly _tag: "Replaying" }>

const ASKED = { _tag: "GetBlocks", start: height(1), end: height(1) } as const
