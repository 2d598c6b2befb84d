/**
 * What became of a run.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Outcome {
  readonly fault: boolean
  /** What it was a case of, to be counted. */
  readonly phase: string
  /** A line for people. */
  readonly text: string
}

export const fault = (text: string, phase = "fault"): Outcome => ({ fault: true, phase, text })

/** Runs with a folder, which is gone afterwards unless something is wrong in it. */
export const inFolder = async (run: (folder: string) => Promise<Outcome>): Promise<Outcome> => {
  const scratch = mkdtempSync(join(tmpdir(), "timenode-crash-"))
  const folder = join(scratch, "data")
  mkdirSync(folder)
  const outcome = await run(folder).catch((cause: unknown) =>
    fault(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause))
  )
  if (outcome.fault) return { ...outcome, text: `${outcome.text}; kept in ${scratch}` }
  rmSync(scratch, { recursive: true, force: true })
  return outcome
}
