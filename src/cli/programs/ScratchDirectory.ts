/**
 * A directory beside a chain, for a copy of it, on the disk that has room for the chain.
 *
 * Its name is fixed, so that what a killed process left in it is found and removed by the next one. It is held by a lock
 * that the system releases with its process, so that nothing is removed under a process that lives.
 */
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { makeDirectory } from "../../layers/DataDirectory.ts"
import { storeError } from "../../layers/SqliteChainFile.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"

/** Empty, and gone with the scope. Fails while another process has it. */
export const scratchDirectory = (dataDir: string): Effect.Effect<string, CommandFailure, Scope.Scope> => {
  const folder = join(dataDir, "verify.scratch")
  return Effect.acquireRelease(
    Effect.try({ try: () => lock(folder), catch: (cause) => refusal(folder, cause) }),
    (held) =>
      Effect.sync(() => {
        rmSync(folder, { recursive: true, force: true })
        held.close()
      })
  ).pipe(
    Effect.tap(() => Effect.try({ try: () => empty(folder), catch: (cause) => refusal(folder, cause) })),
    Effect.as(folder)
  )
}

// --- internal ---

const LOCK = "lock"

const lock = (folder: string): DatabaseSync => {
  makeDirectory(folder)
  const db = new DatabaseSync(join(folder, LOCK))
  try {
    db.exec("PRAGMA user_version = 1")
    db.exec("BEGIN EXCLUSIVE")
    // SQLite refuses to write a file that has lost its name, as this one if its last holder removed it just now.
    db.exec("PRAGMA user_version = 2")
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

const empty = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(LOCK)) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

const refusal = (folder: string, cause: unknown): CommandFailure => {
  const { detail, reason } = storeError("lock", cause)
  return reason === "InUse"
    ? failure("dataDirectory", `another timenode chain verify is at work in ${folder}; let it come to its end`)
    : failure("failed", `there must be room for a copy of the chain in ${folder}: ${detail}`)
}
