/**
 * Progress of long work on standard error, for people: the height that was reached, and how fast. On a terminal it is one
 * line that moves, elsewhere lines.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { progressLine } from "./ProgressLine.ts"
import * as StatusLine from "./StatusLine.ts"

export interface Progress {
  /** So many more blocks were done, up to this height. Prints seldom. */
  readonly advance: (blocks: number, height: bigint) => Effect.Effect<void>
  /** Prints what was done in all, if anything was tried. */
  readonly finish: Effect.Effect<void>
}

/** `verb` says what was done to blocks: `imported`; `target` is the height at which that ends, where it is known. */
export const makeProgress = (verb: string, target?: bigint): Effect.Effect<Progress> =>
  Effect.map(Clock.currentTimeMillis, (startedAt) => {
    const isDrawn = StatusLine.isDrawn()
    const interval = isDrawn ? DRAW_INTERVAL : PRINT_INTERVAL
    let done = 0
    let height: bigint | undefined
    let shownAt = startedAt
    const rateAt = (now: number): number => (done * 1000) / Math.max(1, now - startedAt)
    const draw = (at: bigint, now: number): void => {
      const progressed = { verb, height: at, target, blocksPerSecond: rateAt(now) }
      StatusLine.draw(progressLine(progressed, StatusLine.columns(), StatusLine.isPlain()))
    }
    const print = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      StatusLine.erase()
      return Console.error(`${verb} ${done} blocks up to height ${height}, ${Math.round(rateAt(now))} blocks/s`)
    })
    return {
      advance: (blocks, at) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          done += blocks
          height = at
          if (now - shownAt < interval) return Effect.void
          shownAt = now
          return isDrawn ? Effect.sync(() => draw(at, now)) : print
        }),
      finish: Effect.suspend(() => (height === undefined ? Effect.void : print))
    }
  })

// --- internal ---

const PRINT_INTERVAL = 2_000
const DRAW_INTERVAL = 100
