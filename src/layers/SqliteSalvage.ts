/**
 * The blocks of a chain's file that may be damaged anywhere: whatever can still be read, one block at a time.
 *
 * The file is opened for reading alone and is not changed. What it gives was written by nobody in particular, and has to
 * be checked like a block from a peer.
 */
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Salvage {
  /** The height of the last block that the file names, if that can be read. */
  readonly last: bigint | undefined
  /** The height of the snapshot that the chain began with: blocks below it may never have been here. */
  readonly base: bigint | undefined
  /** The bytes that are there for a block, or why there are none. */
  readonly body: (height: bigint) => Uint8Array | string
}

/** Opens what is left; closed with the scope. A file that is no database any more has nothing left, and says why. */
export const salvage = (file: string): Effect.Effect<Salvage, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => attempt(() => new DatabaseSync(file, { readOnly: true }))),
    (db) => Effect.sync(() => (typeof db === "string" ? undefined : db.close()))
  ).pipe(
    Effect.map((db) => {
      if (typeof db === "string") return { last: undefined, base: undefined, body: () => db }
      const last = attempt(() => {
        // Keeps others from writing for as long as this is read.
        db.exec("BEGIN")
        return db.prepare("SELECT max(height) AS last FROM block").get()?.["last"]
      })
      const body = attempt(() => db.prepare("SELECT bytes FROM body WHERE height = ?"))
      const base = attempt(() => db.prepare("SELECT height FROM base").get()?.["height"])
      return {
        base: typeof base === "number" ? BigInt(base) : undefined,
        last: typeof last === "number" ? BigInt(last) : undefined,
        body: (height) => {
          if (typeof body === "string") return body
          const bytes = attempt(() => body.get(height)?.["bytes"])
          return typeof bytes === "string" || bytes instanceof Uint8Array ? bytes : "it is missing"
        }
      }
    })
  )

// --- internal ---

const attempt = <A>(read: () => A): A | string => {
  try {
    return read()
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
}
