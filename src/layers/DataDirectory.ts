/**
 * The data directory: how it is made, and what it contains.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync } from "node:fs"
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

/** Returns when a file, or the names in a folder, are on disk. */
export const syncPath = (path: string): void => {
  const descriptor = openSync(path, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
/** What was signed for the block that is being decided. */
export const consensusFile = (dataDir: string): string => join(dataDir, "consensus.db")

/** The blocks, the unspent outputs and what undoes blocks. */
export const chainFile = (dataDir: string): string => join(dataDir, "chain.db")

/** The blocks up to the base of a snapshot, as far as they were replayed: a chain of its own. */
export const historyFile = (dataDir: string): string => join(dataDir, "history.db")

/** Removes them, which belong to one snapshot and no other. */
export const removeHistory = (dataDir: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${historyFile(dataDir)}${suffix}`, { force: true })
}
/** The transactions that are in no block, and this node's votes. */
export const poolFile = (dataDir: string): string => join(dataDir, "pool.sqlite")
/** The operator's key, sealed; see {@link ./SealedWallet.ts}. */
export const walletFile = (dataDir: string): string => join(dataDir, "wallet.json")
