/**
 * Asking many peers the same, under one deadline.
 *
 * An answer is a vote, and silence is none: whoever is late, gone or unable to answer is listed apart and counts for no
 * side. A peer has one vote, and a silent one takes nobody else's turn.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Request, ResponseOf } from "../protocol/Exchange.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"

export type Answers<R extends Request> = ReadonlyMap<PeerId, ResponseOf<R>>

export interface PollOptions<R extends Request> {
  readonly peers: ReadonlyArray<PeerId>
  /** For the whole poll. */
  readonly deadline: Duration.Duration
  /** Asked after each answer: true ends the poll. */
  readonly enough: (answers: Answers<R>) => boolean
}

export interface PollResult<R extends Request> {
  /** In the order they came. */
  readonly answers: Answers<R>
  /** Those without an answer when the poll ended, whatever the reason, in the order given. */
  readonly silent: ReadonlyArray<PeerId>
}

/** Asks every peer once. Never fails: a poll that nobody answers has no answers. */
export const poll = <R extends Request>(
  request: R,
  { deadline, enough, peers }: PollOptions<R>
): Effect.Effect<PollResult<R>, never, PeerRegistry> =>
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    const asked = [...new Set(peers)]
    const answers = new Map<PeerId, ResponseOf<R>>()
    // Peers beyond the bound wait for a place, so that each may hold its place only for a fair part of the time.
    const turns = Math.ceil(asked.length / Limits.PEERS_POLLED_AT_ONCE)
    const turn = Duration.millis(Duration.toMillis(deadline) / Math.max(turns, 1))
    const ask = (peer: PeerId) =>
      registry.request(peer, request, { timeout: turn }).pipe(
        // The registry looks at its deadlines at intervals; a place is free in time.
        Effect.timeout(turn),
        Effect.matchEffect({
          onFailure: () => Effect.void,
          onSuccess: (answer) => {
            answers.set(peer, answer)
            return enough(answers) ? ENOUGH : Effect.void
          }
        })
      )
    yield* Effect.forEach(asked, ask, { concurrency: Limits.PEERS_POLLED_AT_ONCE, discard: true }).pipe(
      Effect.timeout(deadline),
      Effect.ignore
    )
    return { answers, silent: asked.filter((peer) => !answers.has(peer)) }
  })

// --- internal ---

/** A failure, because that is what interrupts the questions still under way. */
const ENOUGH = Effect.fail("enough" as const)
