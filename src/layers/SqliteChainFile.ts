/**
 * The SQLite file of a chain: found sound, of this network, and of nobody else, or not opened.
 *
 * A file that exists is first looked at through a read-only connection, so that one that is damaged, foreign or newer
 * is left byte for byte as it was. It is then held by SQLite's exclusive lock until it is closed; the system releases
 * that lock when a process dies, so that none can be left behind.
 */
import { accessSync, constants, existsSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { STORE_LOG_PAGES, STORE_PAGE_CACHE } from "../protocol/Limits.ts"
import { type Network, networks } from "../protocol/Network.ts"
import { StoreError } from "../services/ChainStore.ts"
import { isExchanging } from "./ChainExchange.ts"
import { makeDirectory } from "./DataDirectory.ts"
import { migrate } from "./SqliteMigration.ts"
import { CHAIN_TABLES, INDEX_TABLES, SCHEMA_VERSION, SNAPSHOT_SCHEMA_VERSION, versionOfTables } from "./SqliteSchema.ts"
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
    Effect.catchDefect((cause) => Effect.fail(readError("migrate", cause))),
    // An open transaction is rolled back when the file is closed.
    Effect.uninterruptible
  )

const open = ({ file, network }: ChainFileOptions): DatabaseSync => {
  makeDirectory(dirname(file))
  if (isExchanging(file)) throw damaged("a repair of it was cut short before its last step")
  if (existsSync(file)) {
    // SQLite would not say what the system has against it.
    accessSync(file, constants.R_OK | constants.W_OK)
    const reader = new DatabaseSync(file, { readOnly: true })
    try {
      inspect(reader, network)
    } catch (cause) {
      throw readError("open", cause)
    } finally {
      reader.close()
    }
  }
  const db = new DatabaseSync(file)
  try {
    // Before the first read: then the log's index is in our memory and not in a file that others could map.
    db.exec("PRAGMA locking_mode = EXCLUSIVE")
    db.exec(`PRAGMA wal_autocheckpoint = ${STORE_LOG_PAGES}`)
    db.exec("PRAGMA journal_mode = WAL")
    db.exec(`PRAGMA cache_size = ${-STORE_PAGE_CACHE / 1024}`)
    db.exec("BEGIN EXCLUSIVE")
    if (isNew(db)) {
      create(db, network)
      db.exec("COMMIT")
    } else {
      checkIdentity(db, network)
      // Whether it can be written shows when it is, and not before.
      db.exec("UPDATE meta SET schema = schema")
      db.exec("ROLLBACK")
    }
    return db
  } catch (cause) {
    db.close()
    throw isReadOnly(cause) ? damaged("its header says that it must not be written") : cause
  }
}

/** Throws unless the file is new, or sound and a chain of this network. */
const inspect = (db: DatabaseSync, network: Network): void => {
  const found = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]
  if (found !== "ok") throw damaged(String(found).replace("*** in database main ***\n", ""))
  if (isNew(db)) return
  checkIdentity(db, network)
  const schema = schemaOf(db)
  // Before that nothing was summed.
  if (schema < SCHEMA_VERSION) return
  const mismatch = sumMismatch(db, schema === SNAPSHOT_SCHEMA_VERSION)
  if (mismatch !== undefined) throw damaged(mismatch)
}

const schemaOf = (db: DatabaseSync): number => Number(db.prepare("SELECT schema FROM meta").get()?.["schema"])

/** A file without a table is what is left when the process ended while it made the file. */
const isNew = (db: DatabaseSync): boolean => db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] === 0

const create = (db: DatabaseSync, network: Network): void => {
  db.exec(CHAIN_TABLES + INDEX_TABLES)
  db.prepare("INSERT INTO meta VALUES (?, ?, ?)").run(SCHEMA_VERSION, network.name, genesis(network).hash)
}

/**
 * What the file says of itself has no checksum, so it must agree with itself
 * before it is believed: the schema with the tables, the name of a network with its genesis.
 */
const checkIdentity = (db: DatabaseSync, network: Network): void => {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get()
  const meta = known && db.prepare("SELECT * FROM meta").get()
  if (!meta) throw damaged("the file is a database, but not of a chain")
  const schema = Number(meta["schema"])
  const version = versionOfTables(db)
  if (version === undefined && schema > SNAPSHOT_SCHEMA_VERSION) {
    const detail = `schema ${schema} of the file, this program knows up to ${SNAPSHOT_SCHEMA_VERSION}`
    throw refused("NewerSchema", `${detail}; if there was no newer program, the file is damaged`)
  }
  if (version !== schema) throw damaged(`the tables are not those of schema ${String(meta["schema"])}`)
  const named = Object.values(networks).find(({ name }) => name === meta["network"])
  const hash = meta["genesis"]
  if (named === undefined || !(hash instanceof Uint8Array) || !bytesEqual(hash, genesis(named).hash)) {
    throw damaged(`it names the network ${String(meta["network"])} and a genesis that is of none of that name`)
  }
  if (named.name !== network.name) {
    throw refused("WrongNetwork", `the file holds a chain of ${named.name}, not of this ${network.name}`)
  }
}

const refused = (reason: StoreError["reason"], detail: string): StoreError =>
  new StoreError({ operation: "open", reason, detail })

const damaged = (detail: string): StoreError => refused("Damaged", detail)

/** What went wrong while a file was read that others wrote. What the system has not refused, the file is to blame for. */
const readError = (operation: string, cause: unknown): StoreError => {
  const error = storeError(operation, cause)
  return error.reason !== "Failed" || cause instanceof StoreError || REFUSALS.has(resultCode(cause) ?? SQLITE_ERROR)
    ? error
    : new StoreError({ operation, reason: "Damaged", detail: error.detail })
}

/** Primary result codes of SQLite. */
const SQLITE_ERROR = 1
const SQLITE_PERM = 3
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_NOMEM = 7
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26

/** What the system did not let SQLite do. */
const REFUSALS: ReadonlySet<number> = new Set([
  SQLITE_PERM,
  SQLITE_NOMEM,
  SQLITE_READONLY,
  SQLITE_IOERR,
  SQLITE_FULL,
  SQLITE_CANTOPEN
])

/** SQLite takes a file that the system lets us write for one that may only be read when two bytes of it say so. */
const isReadOnly = (cause: unknown): boolean =>
  typeof cause === "object" && cause !== null && "errcode" in cause && cause.errcode === SQLITE_READONLY

const resultCode = (cause: unknown): number | undefined =>
  typeof cause === "object" && cause !== null && "errcode" in cause ? Number(cause.errcode) & 0xff : undefined

const reasonOf = (cause: unknown): StoreError["reason"] => {
  switch (resultCode(cause)) {
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
