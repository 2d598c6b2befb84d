/**
 * Processes that are killed while they write a chain: a node, one that brings an old file to this schema, and
 * `timenode chain verify --repair`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { toHex } from "../../../src/protocol/Hash.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { BIN } from "../timenode.ts"
import { loseBlock } from "./Damage.ts"
import type { Phase } from "./Hooks.ts"
import { fault, inFolder, type Outcome } from "./Outcome.ts"
import { downgrade, leave, repaired } from "./Prepared.ts"
import { bytesIn, description, examined, isSame } from "./Stored.ts"
import { blocksOf, type Step, take, work } from "./Work.ts"

/** Kills a process at a moment of the seed's choice, and opens what it leaves. */
export const killRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const kind = random(10)
    return kind < 6
      ? node(folder, seed, random)
      : kind < 8
        ? migration(folder, seed, random)
        : repair(folder, seed, random)
  })

// --- internal ---

type Random = (below: number) => number

const node = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const target = among(NODE_TARGETS, random)
  const end = await killed([WRITER, folder, String(seed), "0"], seed, target, random)
  return held(folder, seed, "node", end, 0, random)
}

const migration = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const before = 1 + random(6)
  const steps = take(work(seed), before)
  await leave(folder, steps, steps.length)
  await downgrade(folder)
  const target = among(MIGRATION_TARGETS, random)
  const end = await killed([WRITER, folder, String(seed), String(before)], seed, target, random)
  return held(folder, seed, "migration", end, before, random)
}

/** The tip is one that the steps allow which were begun, and all that was said to be done is there. */
const held = async (folder: string, seed: number, kind: string, end: End, before: number, random: Random) => {
  const done = Math.max(end.done, before)
  const begun = Math.max(end.begun, before)
  const what = `${kind} in ${end.phase}, step ${begun}, ${done} done`
  if (end.failed !== undefined) return fault(`${what}: failed: ${end.failed}`, end.phase)
  const steps = take(work(seed), begun + 1)
  const found = await Effect.runPromise(Effect.result(examined(folder, blocksOf(steps), random)))
  if (Result.isFailure(found)) return fault(`${what}: ${description(folder, found.failure)}`, end.phase)
  const { differs, tip } = found.success
  if (differs.length > 0) return fault(`${what}: differs in ${differs.join(", ")}`, end.phase)
  const allowed = begun > done ? steps[begun - 1]!.tips : [tipAfter(steps, done)]
  // The genesis is there before the first step, and a file without it before that.
  if (!allowed.some(({ hash }) => toHex(hash) === toHex(tip!.hash))) {
    const [least, most] = [allowed[0]!, allowed.at(-1)!].map(({ block }) => block.header.height)
    return fault(`${what}: tip ${tip!.block.header.height} is none of ${least} to ${most}`, end.phase)
  }
  return { fault: false, phase: `${kind}: ${end.phase}`, text: `${what}: holds block ${tip!.block.header.height}` }
}

const tipAfter = (steps: ReadonlyArray<Step>, done: number) =>
  done === 0 ? steps[0]!.tips[0]! : steps[done - 1]!.tips.at(-1)!

/** The chain is as damaged as before, with its advice, or repaired; a second repair makes it sound in any case. */
const repair = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const steps = take(work(seed), 2 + random(8))
  await leave(folder, steps, random(steps.length))
  const blocks = blocksOf(steps)
  const damage = loseBlock(folder, random)
  const before = bytesIn(folder)
  const beside = `${folder}-beside`
  cpSync(folder, beside, { recursive: true })
  try {
    const whole = await repaired(beside, blocks, random)
    if ("fault" in whole) return fault(`${damage}: ${whole.fault}`)
    const args = ["--import", HOOKS, BIN, "chain", "verify", "--repair", "--data-dir", folder]
    const end = await killed(args, seed, among(REPAIR_TARGETS, random), random)
    const what = `${damage}, repair in ${end.phase}`
    const outcome = (text: string): Outcome => fault(`${what}: ${text}`, end.phase)
    if (end.failed !== undefined) return outcome(end.failed)
    if (!existsSync(chainFile(folder))) return outcome("no file is left")
    const untouched = isSame(before, bytesIn(folder))
    const again = await repaired(folder, blocks, random)
    if ("fault" in again) return outcome(`a second time: ${again.fault}`)
    if (again.height < whole.height) return outcome(`keeps ${again.height} blocks, ${whole.height} when left alone`)
    return {
      fault: false,
      phase: `repair: ${end.phase}`,
      text: `${what}: ${untouched ? "untouched" : "changed"}, then block ${again.height}`
    }
  } finally {
    rmSync(beside, { recursive: true, force: true })
  }
}

const WRITER = join(import.meta.dirname, "Writer.ts")
const HOOKS = join(import.meta.dirname, "Hooks.ts")

/** Where to kill: in which phase, how often that was there before at most, and how many microseconds later at most. */
type Target = readonly [phase: Phase | "any", times: number, micros: number]

const NODE_TARGETS: ReadonlyArray<Target> = [
  ["any", 0, 700_000],
  ["open", 1, 4_000],
  ["connect", 12, 12_000],
  ["reorganise", 8, 12_000],
  ["reorganise", 3, 25_000],
  ["commit", 16, 1_500],
  ["commit", 16, 400],
  ["checkpoint", 3, 4_000],
  ["checkpoint", 3, 1_000],
  ["commit after checkpoint", 3, 1_000]
]

const MIGRATION_TARGETS: ReadonlyArray<Target> = [
  ["migrate", 1, 60_000],
  ["migrate", 1, 200_000],
  ["open", 1, 4_000],
  ["commit", 2, 2_000]
]

const REPAIR_TARGETS: ReadonlyArray<Target> = [
  ["any", 0, 900_000],
  ["connect", 4, 12_000],
  ["commit", 3, 1_500],
  ["exchange", 6, 800],
  ["exchange", 6, 3_000],
  ["close", 4, 2_000]
]

const among = (targets: ReadonlyArray<Target>, random: Random): Target => targets[random(targets.length)]!

interface End {
  readonly phase: string
  readonly begun: number
  readonly done: number
  /** What it said that it failed with, instead of being killed. */
  readonly failed: string | undefined
}

/** Starts a process and kills it at the target; if that never comes, a second after its start or at its end. */
const killed = async (args: ReadonlyArray<string>, seed: number, target: Target, random: Random): Promise<End> => {
  const [phase, times, micros] = target
  const wanted = 1 + random(Math.max(times, 1))
  const delay = random(micros)
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { ...process.env, CRASH_SEED: String(seed) }
  })
  const ended = once(child, "close")
  const kill = (): void => void child.kill("SIGKILL")
  const timer = setTimeout(kill, phase === "any" ? 400 + delay / 1_000 : LONGEST)
  let said = ""
  let seen = 0
  child.stdio[3]!.on("data", (bytes: Buffer) => {
    const text = bytes.toString()
    said += text
    if (seen >= wanted) return
    seen += text.split("\n").filter((line) => line === `at ${phase}`).length
    if (seen < wanted) return
    if (delay > 5_000) return void setTimeout(kill, delay / 1_000)
    const until = performance.now() + delay / 1_000
    while (performance.now() < until);
    kill()
  })
  await ended
  clearTimeout(timer)
  const last = (word: string): string | undefined =>
    [...said.matchAll(new RegExp(`^${word} (.+)\\n`, "gm"))].at(-1)?.[1]
  return {
    phase: child.signalCode === null ? "end" : (last("at") ?? "start"),
    begun: Number(last("begun") ?? 0),
    done: Number(last("done") ?? 0),
    failed: last("failed")
  }
}

const LONGEST = 4_000
