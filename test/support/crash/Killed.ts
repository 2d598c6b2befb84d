/**
 * A process that writes a chain and is killed while it does, in the phase that was chosen.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { BIN } from "../timenode.ts"
import type { Phase } from "./Hooks.ts"

/** Where to kill: in which phase, at which time of it at most, and how many microseconds later at most. */
export type Target = readonly [phase: Phase, times: number, micros: number]

export interface End {
  /** Where it was last; `"end"` if it came to its own end. */
  readonly phase: Phase | "end"
  /** The last step that it began, and the last that it had done. */
  readonly begun: number
  readonly done: number
  /** The hash of its tip in hex, if it said that. */
  readonly tip: string | undefined
  /** Its exit code, null if it was killed. */
  readonly code: number | null
  /** What it said that it failed with, and all that it wrote to standard error. */
  readonly failed: string | undefined
  readonly stderr: string
}

/** A node that works on a chain without an end, after so many steps were done. */
export const writer = (folder: string, seed: number, before: number): ReadonlyArray<string> => [
  join(import.meta.dirname, "Writer.ts"),
  folder,
  String(seed),
  String(before)
]

/** `timenode chain verify --repair` */
export const repairer = (folder: string): ReadonlyArray<string> => [
  "--import",
  join(import.meta.dirname, "Hooks.ts"),
  BIN,
  "chain",
  "verify",
  "--repair",
  "--network",
  "testnet",
  "--data-dir",
  folder
]

/** The folder as the process left it, for as long as the outcome is not known. */
export const leftBeside = (folder: string): string => `${folder}-as-left`

/**
 * Starts Node and kills it at the target, or else after a while; keeps a copy of the folder then. Without a target waits
 * for its end, for which `prefix` is a program that starts it in another way.
 */
export const killed = async (
  folder: string,
  args: ReadonlyArray<string>,
  seed: number,
  target: Target | undefined,
  random: (below: number) => number,
  prefix: ReadonlyArray<string> = []
): Promise<End> => {
  const [phase, times, micros] = target ?? []
  const killing = phase === undefined ? null : [phase, 1 + random(times!), random(micros!)]
  const [program, ...rest] = [...prefix, process.execPath, ...args] as [string, ...ReadonlyArray<string>]
  const child = spawn(program, rest, {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: { ...process.env, CRASH_SEED: String(seed), CRASH_AT: JSON.stringify(killing) }
  })
  const ended = once(child, "close")
  const timer = setTimeout(() => child.kill("SIGKILL"), target === undefined ? 6 * LONGEST : LONGEST)
  let stderr = ""
  child.stderr!.on("data", (bytes: Buffer) => (stderr += bytes.toString()))
  let said = ""
  child.stdio[3]!.on("data", (bytes: Buffer) => (said += bytes.toString()))
  await ended
  clearTimeout(timer)
  cpSync(folder, leftBeside(folder), { recursive: true })
  const last = (word: string): string | undefined =>
    [...said.matchAll(new RegExp(`^${word} (.+)\\n`, "gm"))].at(-1)?.[1]
  return {
    phase: child.signalCode === null ? "end" : ((last("at") ?? "start") as Phase),
    begun: Number(last("begun") ?? 0),
    done: Number(last("done") ?? 0),
    tip: last("tip"),
    code: child.exitCode,
    failed: last("failed"),
    stderr
  }
}

// --- internal ---

/** On a machine with much else to do; most targets come within a second. */
const LONGEST = 20_000
