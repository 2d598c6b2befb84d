/**
 * What a killed process may leave: a node, one that brings an old file to this schema, `timenode chain verify --repair`,
 * and a node whose disk is full, which ends by itself.
 */
import { cpSync, mkdirSync, readdirSync } from "node:fs"
import { spawnSync } from "node:child_process"
import { Effect, Result } from "effect"
import { join } from "node:path"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { isExchanging } from "../../../src/layers/ChainExchange.ts"
import { toHex } from "../../../src/protocol/Hash.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { loseBlock } from "./Damage.ts"
import { type End, killed, leftBeside, repairer, type Target, writer } from "./Killed.ts"
import { fault, inFolder, type Outcome } from "./Outcome.ts"
import { copyChain, downgrade, leave, repaired } from "./Prepared.ts"
import { bytesIn, bytesOf, description, examined, isSame } from "./Stored.ts"
import { blocksOf, type Step, take, work } from "./Work.ts"

/** Kills a process at a moment of the seed's choice, and opens what it leaves. */
export const killRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const kind = random(20)
    if (kind < 11) return node(folder, seed, random)
    if (kind < 14) return migration(folder, seed, random)
    return kind < 19 ? repair(folder, seed, random) : fullDisk(folder, seed, random)
  })

// --- internal ---

type Random = (below: number) => number

const node = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const target = among(NODE_TARGETS, random)
  const end = await killed(folder, writer(folder, seed, 0), seed, target, random)
  return held(folder, seed, "node", end, 0, random)
}

const migration = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const before = 1 + random(6)
  const steps = take(work(seed), before)
  await leave(folder, steps, steps.length)
  await downgrade(folder)
  const end = await killed(folder, writer(folder, seed, before), seed, among(MIGRATION_TARGETS, random), random)
  return held(folder, seed, "migration", end, before, random)
}

/** Commits until the disk has no more room, or the file must not grow; then says with what it failed. */
const fullDisk = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const kilobytes = 100 + random(500)
  const disk = join(folder, "disk")
  mkdirSync(disk)
  const isMounted =
    random(2) === 0 && spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", disk]).status === 0
  try {
    const limit = isMounted ? [] : ["sh", "-c", `ulimit -f ${kilobytes * 2}; exec "$@"`, "sh"]
    const end = await killed(folder, writer(disk, seed, 0), seed, undefined, random, limit)
    const what = `${isMounted ? "disk" : "file"} of at most ${kilobytes} KiB`
    if (end.phase !== "end") return fault(`${what}: goes on`)
    if (!/^the store in .* failed to \w+: /.test(end.failed ?? "")) return fault(`${what}: ${end.failed ?? end.stderr}`)
    copyChain(disk, folder)
    return await held(folder, seed, `full ${isMounted ? "disk" : "file"}`, { ...end, failed: undefined }, 0, random)
  } finally {
    if (isMounted) spawnSync("umount", [disk])
  }
}

/** The tip is one that the steps allow which were begun, and all that was said to be done is there. */
const held = async (folder: string, seed: number, kind: string, end: End, before: number, random: Random) => {
  const done = Math.max(end.done, before)
  const begun = Math.max(end.begun, before)
  const what = `${kind} in ${end.phase}, step ${begun}, ${done} done`
  if (end.failed !== undefined) return fault(`${what}: failed: ${end.failed}`)
  // It works until it is killed, unless it has said why not.
  if (end.phase === "end" && end.tip === undefined) return fault(`${what}: exit code ${end.code}\n${end.stderr}`)
  const steps = take(work(seed), begun + 1)
  const found = await Effect.runPromise(Effect.result(examined(folder, blocksOf(steps), random)))
  if (Result.isFailure(found)) return fault(`${what}: ${description(folder, found.failure)}`)
  const { differs, tip } = found.success
  if (differs.length > 0) return fault(`${what}: differs in ${differs.join(", ")}`)
  const hash = toHex(tip!.hash)
  if (end.tip !== undefined && end.tip !== hash) return fault(`${what}: the process had another tip, ${end.tip}`)
  const allowed = begun > done ? steps[begun - 1]!.tips : [tipAfter(steps, done)]
  // The genesis is there before the first step, and a file without it before that.
  if (!allowed.some((block) => toHex(block.hash) === hash)) {
    const [least, most] = [allowed[0]!, allowed.at(-1)!].map(({ block }) => block.header.height)
    return fault(`${what}: tip ${tip!.block.header.height} is none of ${least} to ${most}`)
  }
  return { fault: false, phase: `${kind}: ${end.phase}`, text: `${what}: holds block ${tip!.block.header.height}` }
}

const tipAfter = (steps: ReadonlyArray<Step>, done: number) =>
  done === 0 ? steps[0]!.tips[0]! : steps[done - 1]!.tips.at(-1)!

/**
 * The chain is as damaged as before, or refused until the repair is finished, or repaired. A second repair ends where one
 * does that is left alone; the damaged files are kept as they were, and nothing else is left.
 */
const repair = async (folder: string, seed: number, random: Random): Promise<Outcome> => {
  const steps = take(work(seed), 2 + random(8))
  await leave(folder, steps, random(steps.length))
  const blocks = blocksOf(steps)
  const damage = loseBlock(folder, random)
  const before = bytesIn(folder)
  const beside = `${folder}-beside`
  cpSync(folder, beside, { recursive: true })
  const whole = await repaired(beside, blocks, random)
  if ("fault" in whole) return fault(`${damage}: ${whole.fault}`)

  const end = await killed(folder, repairer(folder), seed, among(REPAIR_TARGETS, random), random)
  const what = `${damage}, repair in ${end.phase}`
  if (end.phase === "end" && end.code !== 0) return fault(`${what}: exit code ${end.code}\n${end.stderr}`)
  const isPending = isExchanging(chainFile(folder))
  const isUntouched = !isPending && isSame(before, bytesIn(folder))
  // Opening may change files, and a second repair has to begin with those of the first.
  const copy = `${folder}-copy`
  cpSync(leftBeside(folder), copy, { recursive: true })
  const found = await Effect.runPromise(Effect.result(examined(copy, blocks, random)))
  if (isPending || isUntouched) {
    if (Result.isSuccess(found)) return fault(`${what}: opens before it is repaired`)
    const text = description(folder, found.failure)
    if (!text.includes("timenode chain verify --repair")) return fault(`${what}: no advice in: ${text}`)
  } else if (Result.isFailure(found)) return fault(`${what}: ${description(folder, found.failure)}`)
  else if (found.success.differs.length > 0) return fault(`${what}: differs in ${found.success.differs.join(", ")}`)

  const again = await repaired(folder, blocks, random)
  if ("fault" in again) return fault(`${what}: a second time: ${again.fault}`)
  if (again.height !== whole.height) return fault(`${what}: keeps ${again.height}, ${whole.height} when left alone`)
  const aside = `${chainFile(folder)}.damaged-1`
  if (!isSame(before, [aside, `${aside}-wal`].map(bytesOf))) return fault(`${what}: the damaged files are others`)
  const stale = readdirSync(folder).filter((name) => !/^chain\.db(-wal|-shm|\.damaged-1(-wal)?)?$/.test(name))
  if (stale.length > 0) return fault(`${what}: leaves ${stale.join(", ")}`)
  const state = isUntouched ? "untouched" : isPending ? "to be finished" : "repaired"
  return { fault: false, phase: `repair: ${end.phase}`, text: `${what}: ${state}, then block ${again.height}` }
}

const NODE_TARGETS: ReadonlyArray<Target> = [
  ["start", 1, 1_500_000],
  ["open", 2, 1_000],
  ["open", 2, 4_000],
  ["connect", 6, 12_000],
  ["reorganise", 2, 4_000],
  ["reorganise", 3, 12_000],
  ["commit", 8, 1_500],
  ["commit", 8, 400],
  ["checkpoint", 3, 1_000],
  ["checkpoint", 3, 300],
  ["commit after checkpoint", 3, 1_000],
  ["close", 2, 3_000],
  ["close", 2, 600]
]

const MIGRATION_TARGETS: ReadonlyArray<Target> = [
  ["migrate", 1, 60_000],
  ["migrate", 1, 200_000],
  ["open", 1, 4_000],
  ["commit", 2, 2_000]
]

const REPAIR_TARGETS: ReadonlyArray<Target> = [
  ["start", 1, 1_500_000],
  ["connect", 4, 12_000],
  ["commit", 3, 1_500],
  ["exchange", 8, 300],
  ["exchange", 12, 300],
  ["exchange", 12, 800],
  ["clean", 3, 800],
  ["close", 4, 2_000]
]

const among = (targets: ReadonlyArray<Target>, random: Random): Target => targets[random(targets.length)]!
