/**
 * What happens to files: parts of them are lost, changed, or of another moment.
 */
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { chainFile } from "../../../src/layers/DataDirectory.ts"

type Random = (below: number) => number

/** Takes the body of one block out of a chain that is closed then. */
export const loseBlock = (folder: string, random: Random): string => {
  const db = new DatabaseSync(chainFile(folder))
  const last = Number(db.prepare("SELECT max(height) AS last FROM body").get()!["last"])
  const height = 1 + random(last)
  db.prepare("DELETE FROM body WHERE height = ?").run(height)
  db.close()
  return `block ${height} lost`
}

/** Damages the file of a folder or its log, most often among the last pages written. Says what it did. */
export const damage = (folder: string, earlierLog: Buffer, random: Random): string => {
  const file = chainFile(folder)
  const log = `${file}-wal`
  const hasLog = existsSync(log) && statSync(log).size > LOG_HEADER
  const inLog = hasLog && (statSync(file).size === 0 || random(2) === 0)
  const path = inLog ? log : file
  const name = inLog ? "log" : "file"
  const bytes = readFileSync(path)
  const unit = inLog ? FRAME : PAGE
  const first = inLog ? LOG_HEADER : 0
  const units = Math.floor((bytes.length - first) / unit)
  const recent = (): number => Math.max(0, units - 1 - random(Math.min(units, 12)))
  const anyUnit = (): number => first + unit * (random(2) === 0 ? recent() : random(units))
  const done = (what: string): string => {
    writeFileSync(path, bytes)
    return `${name} ${what}`
  }
  switch (random(8)) {
    case 0: {
      const cut = Math.min(bytes.length - 1, 1 + random(4 * unit))
      truncateSync(path, bytes.length - cut)
      return `${name} cut by ${cut}`
    }
    case 1: {
      const at = anyUnit() + random(unit)
      bytes[at]! ^= 1 << random(8)
      return done(`with a flipped bit at ${at}`)
    }
    case 2: {
      const at = anyUnit()
      bytes.fill(0, at, at + unit)
      return done(`zeroed at ${at}`)
    }
    case 3: {
      const [one, other] = [anyUnit(), anyUnit()]
      const kept = Buffer.from(bytes.subarray(one, one + unit))
      bytes.copy(bytes, one, other, other + unit)
      kept.copy(bytes, other)
      return done(`with ${one} and ${other} swapped`)
    }
    case 4:
      rmSync(log, { force: true })
      return "log lost"
    case 5:
      if (earlierLog.length === 0) rmSync(log, { force: true })
      else writeFileSync(log, earlierLog)
      return "log of another moment"
    case 6: {
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

const PAGE = 4_096
const LOG_HEADER = 32
const FRAME = PAGE + 24
