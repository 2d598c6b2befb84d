/**
 * Progress of long work on standard error, for people: the height that was reached, and how fast.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

export interface Progress {
  /** So many more blocks were done, up to this height. Prints every two seconds at most. */
  readonly advance: (blocks: number, height: bigint) => Effect.Effect<void>
  /** Prints what was done in all, if anything was tried. */
  readonly finish: Effect.Effect<void>
}

/** `verb` says what was done to blocks: `imported`. */
export const makeProgress = (verb: string): Effect.Effect<Progress> =>
  Effect.map(Clock.currentTimeMillis, (startedAt) => {
    let done = 0
    let height: bigint | undefined
    let printedAt = startedAt
    const print = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      printedAt = now
      const rate = Math.round((done * 1000) / Math.max(1, now - startedAt))
      return Console.error(`${verb} ${done} blocks up to height ${height}, ${rate} blocks/s`)
    })
    return {
      advance: (blocks, at) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          done += blocks
          height = at
          return now - printedAt < INTERVAL ? Effect.void : print
        }),
      finish: Effect.suspend(() => (height === undefined ? Effect.void : print))
    }
  })

// --- internal ---

const INTERVAL = 2_000
