/**
 * A chain's file and its log, replaced by a file that was made beside them.
 *
 * SQLite takes a log for that of whatever file has its name, and two files cannot be moved in one step. So the new file
 * first gets a name of its own beside the old one. That one step decides: before it nothing has changed, after it nobody
 * opens the chain until the rest is done, and that can be done again from wherever it was cut short.
 */
import { existsSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { syncPath } from "./DataDirectory.ts"

/** Whether an exchange was decided and is not finished. */
export const isExchanging = (file: string): boolean => existsSync(decided(file))

/** Puts a complete, closed file in the place of another. Gives the name that the other has from then on. */
export const exchange = (file: string, rebuilt: string): string => {
  syncPath(rebuilt)
  renameSync(rebuilt, decided(file))
  syncPath(dirname(file))
  return finishExchange(file)
}

/** Does what is left of an exchange, for one process at a time. Gives the name of the file that was replaced. */
export const finishExchange = (file: string): string => {
  const aside = nameAside(file)
  const log = `${file}-wal`
  // Reading leaves an empty log and its index behind.
  if (existsSync(log) && statSync(log).size > 0) renameSync(log, `${aside}-wal`)
  rmSync(log, { force: true })
  rmSync(`${file}-shm`, { force: true })
  if (existsSync(file)) renameSync(file, aside)
  renameSync(decided(file), file)
  syncPath(dirname(file))
  return aside
}

// --- internal ---

const decided = (file: string): string => `${file}.rebuilt`

/** The first free name; if the file was moved already, the one that it got. */
const nameAside = (file: string): string => {
  let number = 1
  while (existsSync(`${file}.damaged-${number}`)) number++
  return `${file}.damaged-${existsSync(file) ? number : Math.max(1, number - 1)}`
}
