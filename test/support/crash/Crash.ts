/**
 * Kills and damages chain stores, and compares what is left with a clean replay.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Result } from "effect"
import * as MemoryChainStore from "../../../src/layers/MemoryChainStore.ts"
import * as SqliteChainStore from "../../../src/layers/SqliteChainStore.ts"
import { storeFailure } from "../../../src/cli/programs/StoppedChain.ts"
import { toHex } from "../../../src/protocol/Hash.ts"
import { testnet } from "../../../src/protocol/Network.ts"
import { ChainStore } from "../../../src/services/ChainStore.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { differences, storeContents } from "../StoreContents.ts"
import { type Step, work, type WorkKind, workLayer } from "./Work.ts"

/** What became of a run: a line for people, and whether it is a fault. */
export interface Outcome {
  readonly fault: boolean
  readonly text: string
}

/** Kills a process that works on a store at a random moment, and opens what it leaves. */
export const killRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const kind: WorkKind = random(2) === 0 ? "batches" : "import"
    const file = join(folder, "chain.db")
    const { begun, done } = await killed(file, kind, seed, random)
    const what = `${kind}, killed in step ${begun} after ${done} were done`
    const found = await Effect.runPromise(Effect.result(open(file)))
    if (Result.isFailure(found)) return fault(`${what}: does not open: ${String(found.failure)}`)
    const state = await stateOf(kind, seed, found.success, done, begun)
    if ("differs" in state) return fault(`${what}: ${state.differs}`)
    return { fault: false, text: `${what}: holds ${state.steps}` }
  })

/** Damages the end of a file or its log as a killed process leaves them, and opens that. */
export const corruptRun = (seed: number): Promise<Outcome> =>
  inFolder(async (folder) => {
    const random = makeRandom(seed)
    const kind: WorkKind = random(2) === 0 ? "batches" : "import"
    const file = join(folder, "chain.db")
    const steps = take(work(kind, seed), 10 + random(120))
    await leftBehind(kind, file, join(folder, "work.db"), steps, random(steps.length))
    const what = `${kind}, ${steps.length} steps, ${damage(file, random)}`

    const before = bytesOf(file)
    const found = await Effect.runPromise(Effect.result(open(file)))
    if (Result.isSuccess(found)) {
      const state = await stateOf(kind, seed, found.success, 0, steps.length)
      if ("differs" in state) return fault(`${what}: opens, and ${state.differs}`)
      return { fault: false, text: `${what}: opens and holds ${state.steps}` }
    }
    const error = found.failure
    if (error._tag !== "StoreError" || error.reason !== "Damaged")
      return fault(`${what}: ${String(error)}: ${error.detail}`)
    if (!before.every((bytes, index) => bytes.equals(bytesOf(file)[index]!)))
      return fault(`${what}: refused but changed`)
    const { message } = storeFailure(folder, error)
    if (!message.includes("timenode chain verify --repair")) return fault(`${what}: no advice in ${message}`)
    return { fault: false, text: `${what}: refused, ${error.detail}` }
  })

// --- internal ---

type Contents = Effect.Success<ReturnType<typeof storeContents>>

const fault = (text: string): Outcome => ({ fault: true, text })

const inFolder = async (run: (folder: string) => Promise<Outcome>): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), "timenode-crash-"))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const open = (file: string) =>
  Effect.flatMap(ChainStore, storeContents).pipe(
    Effect.provide(SqliteChainStore.layer({ file, network: testnet }), { local: true })
  )

const take = <A>(items: Iterable<A>, count: number): ReadonlyArray<A> => {
  const taken: Array<A> = []
  for (const item of items) {
    taken.push(item)
    if (taken.length === count) break
  }
  return taken
}

/** A moment after the start or after it was ready, most often while it works. */
const killed = async (file: string, kind: WorkKind, seed: number, random: (below: number) => number) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "Writer.ts"), file, kind, String(seed)], {
    stdio: ["ignore", "pipe", "ignore"]
  })
  const early = random(8) === 0
  const delay = random(early ? 600 : 500)
  let said = ""
  child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()))
  const ended = once(child, "close")
  if (!early) await Promise.race([once(child.stdout, "data"), ended])
  await new Promise((resolve) => setTimeout(resolve, delay))
  child.kill("SIGKILL")
  await ended
  const last = (word: string): number =>
    Number([...said.matchAll(new RegExp(`^${word} (\\d+)\\n`, "gm"))].at(-1)?.[1] ?? 0)
  return { begun: last("begun"), done: last("done") }
}

/** After how many steps a clean store holds the same, from `least` to `most`; steps of an import are its blocks. */
const stateOf = (kind: WorkKind, seed: number, found: Contents, least: number, most: number) =>
  Effect.gen(function* () {
    const store = yield* ChainStore
    let number = 0
    let differs = `its tip ${found.tip} is none that steps ${least} to ${most} leave`
    const isSame = Effect.fnUntraced(function* () {
      const tip = yield* store.tip
      const same = found.tip === (tip && [tip.height, tip.timestamp, toHex(tip.hash)].join(" "))
      if (!same || number < least) return false
      const different = differences(found, yield* storeContents(store))
      if (different.length > 0) differs = `differs from ${number} steps in ${different.join(", ")}`
      return different.length === 0
    })
    // Before its first step, a store has nothing, or its genesis.
    if (least === 0 && found.tip === null && found.count === 0 && found.hashes.length === 0) return { steps: 0 }
    if (yield* isSame()) return { steps: number }
    for (const step of take(work(kind, seed), most)) {
      number++
      yield* step
      if (yield* isSame()) return { steps: number }
    }
    return { differs }
  }).pipe(Effect.provide(workLayer(kind, MemoryChainStore.layer), { local: true }), Effect.runPromise)

/** Files as a process leaves them that is killed after the steps; it closed them once, after some. */
const leftBehind = (kind: WorkKind, file: string, at: string, steps: ReadonlyArray<Step>, closedAfter: number) => {
  const layer = () => workLayer(kind, SqliteChainStore.layer({ file: at, network: testnet }))
  const first = Effect.forEach(steps.slice(0, closedAfter), (step) => step, { discard: true })
  const second = Effect.forEach(steps.slice(closedAfter), (step) => step, { discard: true })
  const copy = Effect.sync(() => {
    copyFileSync(at, file)
    if (existsSync(`${at}-wal`)) copyFileSync(`${at}-wal`, `${file}-wal`)
  })
  return Effect.runPromise(
    Effect.andThen(
      Effect.provide(first, layer(), { local: true }),
      Effect.provide(Effect.andThen(second, copy), layer(), { local: true })
    )
  )
}

const bytesOf = (file: string): ReadonlyArray<Buffer> =>
  [file, `${file}-wal`].map((path) => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0)))

const PAGE = 4_096
const LOG_HEADER = 32
const FRAME = PAGE + 24

/** Cuts or changes the last pages that were written, of the file or of its log. Says what it did. */
const damage = (file: string, random: (below: number) => number): string => {
  const log = `${file}-wal`
  const inLog = random(2) === 0 && existsSync(log) && statSync(log).size > LOG_HEADER
  const path = inLog || statSync(file).size === 0 ? log : file
  const size = statSync(path).size
  const unit = path === log ? FRAME : PAGE
  if (random(3) === 0) {
    const cut = Math.min(size - 1, 1 + random(4 * unit))
    truncateSync(path, size - cut)
    return `${path === log ? "log" : "file"} cut by ${cut}`
  }
  const start = path === log ? Math.max(0, size - 8 * FRAME) : PAGE * (lastPage(file, random) - 1)
  const bytes = readFileSync(path)
  const count = 1 + random(random(2) === 0 ? 3 : 200)
  const at = Math.min(start + random(path === log ? size - start : PAGE), size - 1)
  for (let i = at; i < Math.min(at + count, size); i++) bytes[i] = bytes[i]! ^ (1 + random(255))
  writeFileSync(path, bytes)
  return `${path === log ? "log" : "file"} changed at ${at}, ${count} bytes`
}

/** A page of the file that was among the last: one that the log names too, or one at the end. */
const lastPage = (file: string, random: (below: number) => number): number => {
  const pages = Math.floor(statSync(file).size / PAGE)
  const [, log] = bytesOf(file) as [Buffer, Buffer]
  const named: Array<number> = []
  for (let at = LOG_HEADER; at + FRAME <= log.length; at += FRAME) named.push(log.readUInt32BE(at))
  const recent = named.slice(-20).filter((page) => page >= 1 && page <= pages)
  return recent.length > 0 && random(2) === 0 ? recent[random(recent.length)]! : Math.max(1, pages - random(8))
}
