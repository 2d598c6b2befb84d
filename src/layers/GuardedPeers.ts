/**
 * The rules of every `PeerGuard`, whatever keeps its bans.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type Ban, ConfiguredPeer, type Offence, PeerGuard } from "../services/PeerGuard.ts"
import { BanList } from "./BanList.ts"
import { PeerBudgets } from "./PeerBudgets.ts"

/** What keeps bans across restarts. */
export interface BanKeeper {
  /** A ban was made for misbehaving: it is to be kept, soon. */
  readonly changed: () => void
  /** Keeps the bans as they are now, and waits for that. */
  readonly keep: Effect.Effect<void>
}

/** A guard that begins with these bans; those over, and those of configured peers, are left out. */
export const make = Effect.fnUntraced(function* <R>(
  restored: ReadonlyArray<Ban>,
  keeper: (bans: Effect.Effect<ReadonlyArray<Ban>>) => Effect.Effect<BanKeeper, never, R>
) {
  const { peers } = yield* NodeConfig
  const clock = yield* Clock.Clock
  const configured = new Set(peers.map(({ peer }) => peer))
  const wallTime = () => clock.currentTimeMillisUnsafe()
  const list = new BanList(
    restored.filter(({ peer }) => !configured.has(peer)),
    wallTime()
  )
  const scores = new Scores()
  const budgets = new PeerBudgets()
  const uptime = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const bans = Effect.sync(() => list.all(wallTime()))
  const { changed, keep } = yield* keeper(bans)

  return PeerGuard.of({
    report: (peer, offence) =>
      Effect.sync(() => {
        const now = wallTime()
        const score = scores.add(peer, offence, now)
        if (score < Limits.BAN_SCORE || configured.has(peer)) return "tolerated"
        if (list.put({ peer, since: now, until: now + Limits.BAN_DURATION, reason: "misbehaving" }, now)) changed()
        return "banned"
      }),
    isBanned: (peer) => Effect.sync(() => list.has(peer, wallTime())),
    score: (peer) => Effect.sync(() => scores.of(peer, wallTime())),
    ban: (peer, milliseconds) =>
      Effect.suspend(() => {
        if (configured.has(peer)) return Effect.fail(new ConfiguredPeer({ peer }))
        const since = wallTime()
        list.put({ peer, since, until: since + milliseconds, reason: "manual" }, since)
        return keep
      }),
    lift: (peer) =>
      Effect.suspend(() => {
        scores.forget(peer)
        return list.delete(peer, wallTime()) ? Effect.as(keep, true) : Effect.succeed(false)
      }),
    clear: Effect.suspend(() => {
      for (const { peer } of list.all(wallTime())) scores.forget(peer)
      list.clear()
      return keep
    }),
    bans,
    spend: (peer, cost) => (budgets.spend(peer, cost, uptime()) ? "within" : "beyond"),
    recordDropped: (peer) => budgets.recordDropped(peer, uptime()),
    spending: (peer) => Effect.sync(() => budgets.of(peer, uptime()))
  })
})

// --- internal ---

interface Score {
  readonly points: number
  /** Milliseconds since the Unix epoch. */
  readonly at: number
}

/** Scores of the most recent offenders. */
class Scores {
  /** Least recently changed first, which are the first to be forgotten. */
  private readonly scores = new Map<PeerId, Score>()

  /** The score with one more offence. */
  add(peer: PeerId, offence: Offence, now: number): number {
    const points = this.of(peer, now) + WEIGHTS[offence]
    this.scores.delete(peer)
    this.scores.set(peer, { points, at: now })
    if (this.scores.size > Limits.SCORED_PEERS) this.scores.delete(this.scores.keys().next().value!)
    return points
  }

  /** A score halves with time. A clock that was set back does not make it grow. */
  of(peer: PeerId, now: number): number {
    const score = this.scores.get(peer)
    return score === undefined ? 0 : score.points * 0.5 ** (Math.max(0, now - score.at) / Limits.BAN_SCORE_HALF_LIFE)
  }

  forget(peer: PeerId): void {
    this.scores.delete(peer)
  }
}

/** In units of a line that cannot be read. */
const WEIGHTS: Readonly<Record<Offence, number>> = {
  malformedLine: 1,
  badMagic: 1,
  badVersion: 1,
  // A confused peer is a nuisance, not an attack: fifty within minutes make a ban.
  unaskedResponse: 0.2,
  invalidHeartbeat: 1,
  invalidBlock: 5
}
