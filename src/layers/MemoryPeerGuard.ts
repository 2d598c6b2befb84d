/**
 * Scores and bans in memory: forgotten at the next start, and when too many peers have misbehaved since.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type Offence, PeerGuard } from "../services/PeerGuard.ts"

export const layer: Layer.Layer<PeerGuard, never, NodeConfig> = Layer.effect(
  PeerGuard,
  Effect.gen(function* () {
    const { peers } = yield* NodeConfig
    const configured = new Set(peers.map(({ peer }) => peer))
    /** Least recently changed first, which are the first to be forgotten. */
    const records = new Map<PeerId, GuardRecord>()

    const recordOf = (peer: PeerId): GuardRecord => records.get(peer) ?? CLEAN
    const put = (peer: PeerId, record: GuardRecord): void => {
      records.delete(peer)
      records.set(peer, record)
      if (records.size > Limits.SCORED_PEERS) records.delete(records.keys().next().value!)
    }
    const banFor = (peer: PeerId, milliseconds: number, now: number): void =>
      put(peer, { ...recordOf(peer), bannedUntil: now + milliseconds })

    return PeerGuard.of({
      report: (peer, offence) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const score = scoreAt(recordOf(peer), now) + WEIGHTS[offence]
          put(peer, { ...recordOf(peer), score, scoredAt: now })
          if (score < Limits.BAN_SCORE || configured.has(peer)) return "tolerated"
          banFor(peer, Limits.BAN_DURATION, now)
          return "banned"
        }),
      isBanned: (peer) => Effect.map(Clock.currentTimeMillis, (now) => recordOf(peer).bannedUntil > now),
      score: (peer) => Effect.map(Clock.currentTimeMillis, (now) => scoreAt(recordOf(peer), now)),
      ban: (peer, milliseconds) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (!configured.has(peer)) banFor(peer, milliseconds, now)
        }),
      lift: (peer) => Effect.sync(() => void records.delete(peer)),
      bans: Effect.map(Clock.currentTimeMillis, (now) =>
        Array.from(records, ([peer, { bannedUntil }]) => ({ peer, until: bannedUntil })).filter(
          ({ until }) => until > now
        )
      )
    })
  })
)

// --- internal ---

/** Times in milliseconds since the Unix epoch. */
interface GuardRecord {
  readonly score: number
  readonly scoredAt: number
  readonly bannedUntil: number
}

const CLEAN: GuardRecord = { score: 0, scoredAt: 0, bannedUntil: 0 }

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

/** A score halves with time. A clock that was set back does not make it grow. */
const scoreAt = ({ score, scoredAt }: GuardRecord, now: number): number =>
  score * 0.5 ** (Math.max(0, now - scoredAt) / Limits.BAN_SCORE_HALF_LIFE)
