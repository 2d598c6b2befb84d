/**
 * Loaded into a process that is to be killed: says on descriptor 3 where it is in its writing, and makes it slower in the
 * narrow places, so that kills find them.
 *
 * It goes between the program and `node:sqlite`; what SQLite is told stays the same, but for when it brings its log into
 * the file: in every other process this is at a commit of its own choice, and in the others by a statement of its own.
 */
import fs, { writeSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { basename } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Worker } from "node:worker_threads"
import { makeRandom } from "../../fixtures/Random.ts"

/** Where a process was last when it was killed. */
export const PHASES = [
  "start",
  "open",
  "close",
  "between",
  "connect",
  "reorganise",
  "commit",
  "checkpoint",
  "commit after checkpoint",
  "migrate",
  "exchange",
  "clean"
] as const

export type Phase = (typeof PHASES)[number]

/** At once and whole, so that what was said before a kill was said. */
export const say = (text: string): void => void writeSync(3, `${text}\n`)

const random = makeRandom(Number(process.env["CRASH_SEED"]))
const nothing = new Int32Array(new SharedArrayBuffer(4))

/** Where to be killed: in which phase, at which time of it, and how many microseconds later. */
export type Killing = readonly [phase: Phase, time: number, micros: number]

const killing = JSON.parse(process.env["CRASH_AT"] ?? "null") as Killing | null

/**
 * A thread that kills the process when it is told to: from outside, the kill would come far too late on a busy machine,
 * and from the thread that writes never in the middle of what SQLite does.
 */
const killer = `
  const { workerData: [cell, micros] } = require("node:worker_threads")
  Atomics.wait(cell, 0, 0)
  const until = performance.now() + micros / 1000
  Atomics.store(cell, 0, 2)
  Atomics.notify(cell, 0)
  if (micros > 5000) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, micros / 1000)
  while (performance.now() < until);
  process.kill(process.pid, "SIGKILL")
`
const cell = new Int32Array(new SharedArrayBuffer(4))
if (killing !== null) new Worker(killer, { eval: true, execArgv: [], workerData: [cell, killing[2]] }).unref()
let times = 0

const aim = (phase: Phase): void => {
  if (killing === null || phase !== killing[0] || ++times !== killing[1]) return
  Atomics.store(cell, 0, 1)
  Atomics.notify(cell, 0)
  // Until it is awake.
  Atomics.wait(cell, 0, 1)
}

/** Where the process is now, for some fractions of a millisecond longer at times. */
const at = (phase: Phase): void => {
  say(`at ${phase}`)
  aim(phase)
  if (random(3) === 0) Atomics.wait(nothing, 0, 0, random(4))
}

const { close, exec, prepare } = DatabaseSync.prototype
const checkpointEvery = !killing?.[0].includes("checkpoint") && random(2) === 0 ? undefined : 1 + random(12)
let commits = 0
let isOver = false

DatabaseSync.prototype.exec = function (sql) {
  if (sql.startsWith("PRAGMA locking_mode")) at("open")
  if (sql === "BEGIN IMMEDIATE") at("connect")
  if (sql.includes("CREATE TABLE txids") && !sql.includes("CREATE TABLE meta")) at("migrate")
  if (sql !== "COMMIT") {
    exec.call(this, sql)
    if (sql.startsWith("PRAGMA journal_mode") && checkpointEvery !== undefined) {
      exec.call(this, "PRAGMA wal_autocheckpoint = 0")
    }
    return
  }
  at(isOver ? "commit after checkpoint" : "commit")
  exec.call(this, sql)
  isOver = false
  commits++
  if (checkpointEvery !== undefined && commits % checkpointEvery === 0) {
    at("checkpoint")
    exec.call(this, "PRAGMA wal_checkpoint(PASSIVE)")
    isOver = true
  }
  at("between")
}

DatabaseSync.prototype.prepare = function (sql, ...options) {
  const statement = prepare.call(this, sql, ...options)
  if (sql.startsWith("DELETE FROM block ")) {
    const { run } = statement
    let last = 0
    statement.run = function (...values) {
      // Once a batch.
      if (last !== commits) at("reorganise")
      last = commits
      return run.apply(statement, values as Parameters<typeof run>)
    }
  }
  return statement
}

DatabaseSync.prototype.close = function () {
  at("close")
  close.call(this)
  at("between")
}

const { renameSync, rmSync } = fs
for (const [name, original] of Object.entries({ renameSync, rmSync })) {
  Object.assign(fs, {
    [name]: (...args: ReadonlyArray<never>) => {
      const phase = basename(String(args[0])).startsWith("chain.db") ? "exchange" : "clean"
      at(phase)
      const result = (original as (...args: ReadonlyArray<never>) => unknown)(...args)
      at(phase)
      return result
    }
  })
}
syncBuiltinESMExports()
at("start")
