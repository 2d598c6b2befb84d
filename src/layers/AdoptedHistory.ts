/**
 * What becomes of the blocks that were replayed: when a node starts, they take the place of the chain that began with a
 * snapshot, if that was verified.
 *
 * The replayed chain first gets the blocks that it lacks, from the other one, which is locked meanwhile; then its file
 * takes the other's name in one step. A process that ends before leaves both, and the next start goes on.
 */
import { existsSync, renameSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { Height } from "../protocol/Height.ts"
import { BLOCKS_PER_COMMIT } from "../protocol/Limits.ts"
import { Blockchain } from "../services/Blockchain.ts"
import type { SnapshotBase, StoreError } from "../services/ChainStore.ts"
import type { NodeConfigValues } from "../services/NodeConfig.ts"
import { chainFile, historyFile, syncPath } from "./DataDirectory.ts"
import { readBlocks, replayChain } from "./ReplayChain.ts"
import { readBase } from "./SqliteBase.ts"
import { openChainFile, storeError } from "./SqliteChainFile.ts"

/** The height up to which blocks were replayed beside a chain; undefined if none were, or nobody can tell. */
export const replayedHeight = (dataDir: string): bigint | undefined => {
  const height = peek(historyFile(dataDir), "SELECT max(height) AS height FROM block")
  return height === undefined ? undefined : BigInt(height)
}

/** To be run before the chain of the data directory is opened. A failure is logged, and everything stays as it was. */
export const adoptHistory = Effect.fn("AdoptedHistory.adoptHistory")(function* (
  config: NodeConfigValues & { readonly dataDir: string }
): Effect.fn.Return<void> {
  const file = chainFile(config.dataDir)
  const history = historyFile(config.dataDir)
  const replayed = replayedHeight(config.dataDir)
  if (replayed === undefined) return
  const base = peek(file, "SELECT height FROM base WHERE length(refuted) = 0")
  if (base === undefined || replayed <= base) return
  yield* Effect.gen(function* () {
    const db = yield* openChainFile({ file, network: config.network })
    const began = yield* attempt(() => readBase(db))
    if (began === null) return
    const isWhole = yield* complete(db, began).pipe(Effect.provide(replayChain(history, config), { local: true }))
    if (!isWhole) return
    yield* attempt(() => {
      // A log must not be found beside a file that it does not belong to: neither of the two may have one.
      const { journal_mode: mode } = db.prepare("PRAGMA journal_mode = DELETE").get() ?? {}
      if (mode !== "delete" || existsSync(`${history}-wal`)) throw new Error("a log could not be closed")
      syncPath(history)
      renameSync(history, file)
      syncPath(config.dataDir)
      rmSync(`${history}-shm`, { force: true })
    })
    yield* Effect.logInfo(`The blocks up to the snapshot at height ${base} are part of the chain now: it is whole`)
  }).pipe(
    Effect.scoped,
    Effect.catch(({ detail }) => Effect.logWarning(`The replayed blocks cannot be taken over now: ${detail}`))
  )
})

// --- internal ---

const attempt = <A>(run: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({ try: run, catch: (cause) => storeError("adopt", cause) })

/** One number out of a file that may be anything, or not there. */
const peek = (file: string, sql: string): number | undefined => {
  if (!existsSync(file)) return undefined
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, { readOnly: true })
    const found = db.prepare(sql).get()?.["height"]
    return typeof found === "number" ? found : undefined
  } catch {
    return undefined
  } finally {
    db?.close()
  }
}

/** Puts on what the replayed chain lacks; false if the two do not fit together. */
const complete = Effect.fnUntraced(function* (db: DatabaseSync, base: SnapshotBase) {
  const chain = yield* Blockchain
  const tip = db.prepare("SELECT height, hash FROM block ORDER BY height DESC LIMIT 1")
  const bodies = db.prepare("SELECT bytes FROM body WHERE height > ? ORDER BY height LIMIT ?")
  const last = tip.get() as { readonly height: number; readonly hash: Uint8Array }
  const isHere = (at: Height | number, hash: Uint8Array) => {
    const known = chain.hashAt(BigInt(at) as Height)
    return known !== undefined && bytesEqual(known, hash)
  }
  if (!isHere(base.height, base.hash)) return false
  while (chain.tip().height < last.height) {
    const before = chain.tip().height
    const rows = yield* attempt(() => bodies.all(before, BLOCKS_PER_COMMIT))
    const blocks = readBlocks(rows.map((row) => row["bytes"] as Uint8Array))
    yield* chain
      .connect(blocks)
      .pipe(
        Effect.catchTag("BlockRejected", ({ message }) =>
          Effect.logError(`The replayed chain cannot go on: ${message}`)
        )
      )
    if (chain.tip().height === before) return false
  }
  return isHere(last.height, last.hash)
})
