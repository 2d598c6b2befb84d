/**
 * The SQLite file of a pool: found sound, of this network, and of nobody else, or not opened.
 *
 * A file that is damaged is not thrown away by the node: it holds votes, and a node that forgot them could approve two
 * spends of one output.
 */
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Network } from "../protocol/Network.ts"
import { StoreError } from "../services/ChainStore.ts"
import { makeDirectory } from "./DataDirectory.ts"
import { storeError } from "./SqliteChainFile.ts"

export interface PoolFileOptions {
  /** The path of the file; its folder is made if it is missing. */
  readonly file: string
  readonly network: Network
}

/** Opens the file for this process alone, or makes it; closed with the scope. */
export const openPoolFile = (options: PoolFileOptions): Effect.Effect<DatabaseSync, StoreError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => open(options), catch: (cause) => storeError("open the pool", cause) }),
    (db) => Effect.sync(() => db.close())
  )

// --- internal ---

const SCHEMA_VERSION = 1

/** `mined` is the height of the block that contains a transaction, `spent` of the one that spends an output. */
const TABLES = `
  CREATE TABLE meta (schema INTEGER NOT NULL, network TEXT NOT NULL);
  CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, txid BLOB NOT NULL UNIQUE, body BLOB NOT NULL, fee INTEGER NOT NULL,
    arrived INTEGER NOT NULL, phase TEXT NOT NULL, votes INTEGER NOT NULL, voters INTEGER NOT NULL,
    since INTEGER NOT NULL, electorate TEXT, mined INTEGER
  );
  CREATE INDEX entry_mined ON entry (mined) WHERE mined IS NOT NULL;
  CREATE TABLE electorate (id TEXT PRIMARY KEY, members TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE pledge (key BLOB PRIMARY KEY, txid BLOB NOT NULL, vote BLOB NOT NULL, spent INTEGER) WITHOUT ROWID;
  CREATE INDEX pledge_txid ON pledge (txid);
  CREATE INDEX pledge_spent ON pledge (spent) WHERE spent IS NOT NULL;
`

const open = ({ file, network }: PoolFileOptions): DatabaseSync => {
  makeDirectory(dirname(file))
  const db = new DatabaseSync(file)
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE")
    db.exec("PRAGMA journal_mode = WAL")
    const found = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]
    if (found !== "ok") throw refused("Damaged", String(found))
    db.exec("BEGIN EXCLUSIVE")
    if (db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] === 0) {
      db.exec(TABLES)
      db.prepare("INSERT INTO meta VALUES (?, ?)").run(SCHEMA_VERSION, network.name)
    } else checkIdentity(db, network)
    db.exec("COMMIT")
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

const checkIdentity = (db: DatabaseSync, network: Network): void => {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get()
  const meta = known && db.prepare("SELECT * FROM meta").get()
  if (!meta) throw refused("Damaged", "the file is a database, but not of a pool")
  if (Number(meta["schema"]) > SCHEMA_VERSION) {
    throw refused("NewerSchema", `schema ${String(meta["schema"])} of the file, this program knows ${SCHEMA_VERSION}`)
  }
  if (meta["network"] !== network.name) {
    throw refused("WrongNetwork", `the file holds a pool of ${String(meta["network"])}, not of this ${network.name}`)
  }
}

const refused = (reason: StoreError["reason"], detail: string): StoreError =>
  new StoreError({ operation: "open the pool", reason, detail })
