/**
 * How far long work is, as one line that fits. Pure.
 */

export interface Progressed {
  /** What is done to blocks: `imported`. */
  readonly verb: string
  readonly height: bigint
  /** The height at which the work ends, where that is known. */
  readonly target?: bigint | undefined
  /** The part that is done, from 0 to 1; unknown of what comes through a pipe. */
  readonly share?: number | undefined
  readonly blocksPerSecond: number
  readonly secondsLeft?: number | undefined
  /** Of a sync: the peers that blocks come from. */
  readonly peers?: number | undefined
}

/** The line, cut to so many columns: first the bar gives way, then what is at the end. */
export const progressLine = (progressed: Progressed, columns: number, isPlain = true): string => {
  const parts = partsOf(progressed)
  const room = Math.min(BAR, columns - parts.join("  ").length - 2)
  if (progressed.share === undefined || room < LEAST_BAR) {
    while (parts.length > 1 && parts.join("  ").length > columns) parts.pop()
    return parts.join("  ").slice(0, Math.max(0, columns))
  }
  const filled = Math.round(Math.min(1, progressed.share) * (room - 2))
  const full = "#".repeat(filled)
  const bar = `[${isPlain ? full : `\u001b[32m${full}\u001b[39m`}${"-".repeat(room - 2 - filled)}]`
  return `${parts[0]}  ${bar}  ${parts.slice(1).join("  ")}`
}

/** Seconds, in the unit that people would choose. */
export const duration = (seconds: number): string => {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

// --- internal ---

const BAR = 30
const LEAST_BAR = 10

/** The most telling first. */
const partsOf = ({ blocksPerSecond, height, peers, secondsLeft, share, target, verb }: Progressed): Array<string> => {
  const of = target === undefined ? "" : `/${target.toLocaleString("en")}`
  const parts = [`${verb} ${height.toLocaleString("en")}${of}`]
  if (share !== undefined) parts.push(`${Math.floor(100 * Math.min(1, share))} %`)
  parts.push(`${Math.round(blocksPerSecond).toLocaleString("en")} blocks/s`)
  if (secondsLeft !== undefined && secondsLeft > 0) parts.push(`${duration(secondsLeft)} left`)
  if (peers !== undefined) parts.push(peers === 1 ? "1 peer" : `${peers} peers`)
  return parts
}
