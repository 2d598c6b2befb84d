/**
 * What the log says of a long sync, for people.
 *
 * A line follows from blocks that were checked and kept, never from what peers say alone: one that lies about its
 * height fills no log.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Height } from "../../protocol/Height.ts"
import { Sync, type SyncStatus } from "../../services/Sync.ts"
import { duration } from "./ProgressLine.ts"
import { StatusLine } from "./StatusLine.ts"

/** Logs a line every ten seconds in which the chain grew and is far from what peers have; then one at the end. */
export const logSyncProgress = Effect.gen(function* () {
  const sync = yield* Sync
  let isFar = false
  let before: Height = (yield* sync.status).height
  return yield* Effect.forever(
    Effect.gen(function* () {
      yield* Effect.sleep(INTERVAL)
      const status = yield* sync.status
      const hasGrown = status.height > before
      before = status.height
      if (!hasGrown) return
      if (status.target - status.height > FAR) {
        isFar = true
        yield* Effect.logInfo(describeSync(status))
      } else if (isFar) {
        isFar = false
        yield* Effect.logInfo(`Synced: height ${number(status.height)}`)
      }
    })
  )
})

/** Draws the line of a sync that is far from what peers have, four times a second. */
export const drawSyncProgress = Effect.gen(function* () {
  const sync = yield* Sync
  const line = yield* StatusLine
  const show = Effect.flatMap(sync.status, ({ blocksPerSecond, height, peers, secondsLeft, target }) => {
    if (target - height <= FAR || blocksPerSecond === 0) return line.erase
    const share = Number(height) / Number(target)
    const left = secondsLeft ?? undefined
    return line.draw({
      verb: "Syncing",
      height,
      target,
      share,
      blocksPerSecond,
      secondsLeft: left,
      peers: peers.length
    })
  })
  return yield* show.pipe(Effect.andThen(Effect.sleep(DRAW_INTERVAL)), Effect.forever, Effect.ensuring(line.erase))
})

/** One line: where a sync is, how fast, and for how long yet. */
export const describeSync = ({ blocksPerSecond, height, peers, secondsLeft, target }: SyncStatus): string => {
  const parts = [`height ${number(height)} of ${number(target)}`, `${(100n * height) / target} %`]
  parts.push(`${number(Math.round(blocksPerSecond))} blocks/s`)
  if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`)
  parts.push(peers.length === 1 ? "1 peer" : `${peers.length} peers`)
  return `Syncing: ${parts.join(", ")}`
}

// --- internal ---

const INTERVAL = Duration.seconds(10)
const DRAW_INTERVAL = Duration.millis(250)

/** Blocks that are fetched in less than one interval. */
const FAR = 1_000n

const number = (value: number | bigint): string => value.toLocaleString("en")
