/**
 * What happens to files: parts of them are lost, changed, or of another moment.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import { copyChain } from "./Prepared.ts"

type Random = (below: number) => number

/** Takes the body of one block out of a chain, which is closed then, or has this and more in its log. */
export const loseBlock = (folder: string, random: Random): string => {
  const aside = join(folder, "aside")
  const keepsLog = random(2) === 0
  const db = new DatabaseSync(chainFile(folder))
  const last = Number(db.prepare("SELECT max(height) AS last FROM body").get()!["last"])
  const height = 1 + random(last)
  db.exec("PRAGMA wal_autocheckpoint = 0")
  db.prepare("DELETE FROM body WHERE height = ?").run(height)
  mkdirSync(aside)
  copyChain(folder, aside)
  db.close()
  if (keepsLog) copyChain(aside, folder)
  rmSync(aside, { recursive: true })
  return `block ${height} lost${keepsLog ? ", in the log" : ""}`
}

/** Damages the file of a folder or its log, most often among the last pages written. Says what it did. */
export const damage = (folder: string, earlierLog: Buffer, random: Random): string => {
  const file = chainFile(folder)
  const log = `${file}-wal`
  const hasLog = existsSync(log) && statSync(log).size > LOG_HEADER
  const inLog = hasLog && (statSync(file).size === 0 || random(3) === 0)
  const path = inLog ? log : file
  const name = inLog ? "log" : "file"
  const bytes = readFileSync(path)
  const unit = inLog ? FRAME : PAGE
  const first = inLog ? LOG_HEADER : 0
  const units = Math.floor((bytes.length - first) / unit)
  const recent = (): number => Math.max(0, units - 1 - random(Math.min(units, 12)))
  /** Most of a page may be free, where nothing is lost. */
  const used = (): number => {
    for (let tries = 0; ; tries++) {
      const at = anyUnit() + random(unit)
      if (bytes[at] !== 0 || tries === 20) return at
    }
  }
  const anyUnit = (): number => first + unit * (random(2) === 0 ? recent() : random(units))
  const done = (what: string): string => {
    writeFileSync(path, bytes)
    return `${name} ${what}`
  }
  switch (KINDS[random(KINDS.length)]) {
    case "cut": {
      const cut = Math.min(bytes.length - 1, 1 + random(4 * unit))
      truncateSync(path, bytes.length - cut)
      return `${name} cut by ${cut}`
    }
    case "flip": {
      const at = used()
      bytes[at]! ^= 1 << random(8)
      return done(`with a flipped bit at ${at}`)
    }
    case "zero": {
      const at = anyUnit()
      bytes.fill(0, at, at + unit)
      return done(`zeroed at ${at}`)
    }
    case "swap": {
      const [one, other] = [anyUnit(), anyUnit()]
      const kept = Buffer.from(bytes.subarray(one, one + unit))
      bytes.copy(bytes, one, other, other + unit)
      kept.copy(bytes, other)
      return done(`with ${one} and ${other} swapped`)
    }
    case "log lost":
      rmSync(log, { force: true })
      return "log lost"
    case "other log":
      if (earlierLog.length === 0) rmSync(log, { force: true })
      else writeFileSync(log, earlierLog)
      return "log of another moment"
    case "torn": {
      const at = first + unit * recent()
      const from = random(unit / 512) * 512
      bytes.fill(0, at + from, at + unit)
      return done(`torn at ${at + from}`)
    }
    default:
      bytes.fill(0, random(2) === 0 ? 16 : 0, 32 + random(68))
      return done("with half a header")
  }
}

// --- internal ---

/** More often what only the checksums find. */
const KINDS = [
  "cut",
  "flip",
  "flip",
  "flip",
  "zero",
  "zero",
  "swap",
  "torn",
  "torn",
  "log lost",
  "other log",
  "other log",
  "header"
] as const

const PAGE = 4_096
const LOG_HEADER = 32
const FRAME = PAGE + 24
