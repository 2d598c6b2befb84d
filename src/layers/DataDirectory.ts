/**
 * The data directory: how it is made, and what it contains.
 */
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"

/** Makes a directory and those above it; throws when that cannot be. */
export const makeDirectory = (path: string): void => {
  // One by one: Node's own recursive form never returns where a file system refuses to make directories, as /proc does.
  try {
    mkdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "EEXIST") return
    if (code !== "ENOENT" || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    mkdirSync(path)
  }
}

/** The blocks, the unspent outputs and what undoes blocks. */
export const chainFile = (dataDir: string): string => join(dataDir, "chain.db")
