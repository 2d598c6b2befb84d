/**
 * The SQLite file of a chain: found sound, of this network, and of nobody else, or not opened.
 *
 * A file that exists is first looked at through a read-only connection, so that one that is damaged, foreign or newer
 * is left byte for byte as it was. It is then held by SQLite's exclusive lock until it is closed; the system releases
 * that lock when a process dies, so that none can be left behind.
 */
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { STORE_PAGE_CACHE } from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import { StoreError } from "../services/ChainStore.ts"
import { isExchanging } from "./ChainExchange.ts"
import { makeDirectory } from "./DataDirectory.ts"
import { migrate } from "./SqliteMigration.ts"
import { CHAIN_TABLES, INDEX_TABLES, SCHEMA_VERSION, SNAPSHOT_SCHEMA_VERSION } from "./SqliteSchema.ts"
import { sumMismatch } from "./SqliteSums.ts"

export interface ChainFileOptions {
  /** The path of the file; its folder is made if it is missing. */
  readonly file: string
  readonly network: Network
}

/** Opens the file for this process alone, or makes it, and brings it to this schema; closed with the scope. */
export const openChainFile = (options: ChainFileOptions): Effect.Effect<DatabaseSync, StoreError, Scope.Scope> =>
  Effect.acquireRelease(Effect.try({ try: () => open(options), catch: (cause) => storeError("open", cause) }), (db) =>
    Effect.sync(() => db.close())
  ).pipe(Effect.tap((db) => (schemaOf(db) === 1 ? upgrade(db) : Effect.void)))

/** What went wrong in SQLite, as an error of the store. */
export const storeError = (operation: string, cause: unknown): StoreError => {
  if (cause instanceof StoreError) return cause
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new StoreError({ operation, reason: reasonOf(cause), detail })
}

// --- internal ---

const upgrade = (db: DatabaseSync): Effect.Effect<void, StoreError> =>
  migrate(db).pipe(
    Effect.catchDefect((cause) => Effect.fail(storeError("migrate", cause))),
    // An open transaction is rolled back when the file is closed.
    Effect.uninterruptible
  )

const open = ({ file, network }: ChainFileOptions): DatabaseSync => {
  makeDirectory(dirname(file))
  if (isExchanging(file)) throw damaged("a repair of it was cut short before its last step")
  if (existsSync(file)) {
    const reader = new DatabaseSync(file, { readOnly: true })
    try {
      inspect(reader, network)
    } finally {
      reader.close()
    }
  }
  const db = new DatabaseSync(file)
  try {
    // Before the first read: then the log's index is in our memory and not in a file that others could map.
    db.exec("PRAGMA locking_mode = EXCLUSIVE")
    db.exec("PRAGMA journal_mode = WAL")
    db.exec(`PRAGMA cache_size = ${-STORE_PAGE_CACHE / 1024}`)
    db.exec("BEGIN EXCLUSIVE")
    if (isNew(db)) create(db, network)
    else checkIdentity(db, network)
    db.exec("COMMIT")
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

/** Throws unless the file is new, or sound and a chain of this network. */
const inspect = (db: DatabaseSync, network: Network): void => {
  const found = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]
  if (found !== "ok") throw damaged(String(found).replace("*** in database main ***\n", ""))
  if (isNew(db)) return
  checkIdentity(db, network)
  const schema = schemaOf(db)
  if (schema < SCHEMA_VERSION) return
  const hasBase = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'base'").get() !== undefined
  if (hasBase !== (schema === SNAPSHOT_SCHEMA_VERSION)) throw damaged(`the tables are not those of schema ${schema}`)
  const mismatch = sumMismatch(db, hasBase)
  if (mismatch !== undefined) throw damaged(mismatch)
}

const schemaOf = (db: DatabaseSync): number => Number(db.prepare("SELECT schema FROM meta").get()?.["schema"])

/** A file without a table is what is left when the process ended while it made the file. */
const isNew = (db: DatabaseSync): boolean => db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] === 0

const create = (db: DatabaseSync, network: Network): void => {
  db.exec(CHAIN_TABLES + INDEX_TABLES)
  db.prepare("INSERT INTO meta VALUES (?, ?, ?)").run(SCHEMA_VERSION, network.name, genesis(network).hash)
}

const checkIdentity = (db: DatabaseSync, network: Network): void => {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get()
  const meta = known && db.prepare("SELECT * FROM meta").get()
  if (!meta) throw damaged("the file is a database, but not of a chain")
  const schema = Number(meta["schema"])
  if (schema > SNAPSHOT_SCHEMA_VERSION) {
    throw refused("NewerSchema", `schema ${schema} of the file, this program knows up to ${SNAPSHOT_SCHEMA_VERSION}`)
  }
  if (![1, SCHEMA_VERSION, SNAPSHOT_SCHEMA_VERSION].includes(schema))
    throw damaged(`there is no schema ${String(meta["schema"])}`)
  const hash = meta["genesis"]
  if (meta["network"] !== network.name || !(hash instanceof Uint8Array) || !bytesEqual(hash, genesis(network).hash)) {
    throw refused("WrongNetwork", `the file holds a chain of ${String(meta["network"])}, not of this ${network.name}`)
  }
}

const refused = (reason: StoreError["reason"], detail: string): StoreError =>
  new StoreError({ operation: "open", reason, detail })

const damaged = (detail: string): StoreError => refused("Damaged", detail)

/** Primary result codes of SQLite. */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

const reasonOf = (cause: unknown): StoreError["reason"] => {
  if (typeof cause !== "object" || cause === null || !("errcode" in cause)) return "Failed"
  switch (Number(cause.errcode) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "InUse"
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "Damaged"
    default:
      return "Failed"
  }
}
