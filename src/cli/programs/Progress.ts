/**
 * Progress of long work on standard error, for people: the height that was reached, and how fast. On a terminal it is one
 * line that moves, elsewhere lines.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { StatusLine } from "./StatusLine.ts"

export interface Progress {
  /** So many more blocks were done, up to this height. Prints seldom. */
  readonly advance: (blocks: number, height: bigint) => Effect.Effect<void>
  /** Prints what was done in all, if anything was tried. */
  readonly finish: Effect.Effect<void>
  /** Takes away what is drawn, without a word. */
  readonly clear: Effect.Effect<void>
}

/** What is known of the end of the work. */
export interface End {
  /** The last height. */
  readonly target?: bigint
  /** The part that is done after so many blocks, from 0 to 1, once it can be told. */
  readonly share: (done: number) => number | undefined
}

/** The end of work on the blocks of these heights, both included. */
export const endAt = (first: bigint, last: bigint): End => ({
  target: last,
  share: (done) => done / Number(last - first + 1n)
})

/** `verb` says what was done to blocks: `imported`. */
export const makeProgress = (verb: string, end?: End): Effect.Effect<Progress, never, StatusLine> =>
  Effect.gen(function* () {
    const line = yield* StatusLine
    const startedAt = yield* Clock.currentTimeMillis
    const interval = line.isDrawn ? DRAW_INTERVAL : PRINT_INTERVAL
    let done = 0
    let height: bigint | undefined
    let shownAt = startedAt
    const rateAt = (now: number): number => (done * 1000) / Math.max(1, now - startedAt)
    const draw = (at: bigint, now: number): Effect.Effect<void> => {
      const share = end?.share(done)
      const secondsLeft = share && ((now - startedAt) * (1 - share)) / share / 1000
      return line.draw({ verb, height: at, target: end?.target, share, secondsLeft, blocksPerSecond: rateAt(now) })
    }
    const print = Effect.gen(function* () {
      const rate = Math.round(rateAt(yield* Clock.currentTimeMillis))
      yield* line.erase
      yield* Console.error(`${verb} ${done} blocks up to height ${height}, ${rate} blocks/s`)
    })
    return {
      advance: (blocks, at) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          done += blocks
          height = at
          if (now - shownAt < interval) return Effect.void
          shownAt = now
          return line.isDrawn ? draw(at, now) : print
        }),
      finish: Effect.suspend(() => (height === undefined ? Effect.void : print)),
      clear: line.erase
    }
  })

// --- internal ---

const PRINT_INTERVAL = 2_000
const DRAW_INTERVAL = 100
