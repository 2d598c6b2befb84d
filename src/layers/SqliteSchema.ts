/**
 * The tables of a chain's file.
 *
 * The key of an output is its txid and the decimal digits of its number: bytes in the order that the UTXO-set hash sorts
 * by. Bodies of blocks have a table of their own, so that reading all hashes at start does not page through them. The
 * indexes are tables too, because SQLite's quick check does not look into indexes of its own.
 */

import { DatabaseSync } from "node:sqlite"

/** The version of a chain that has all its blocks. */
export const SCHEMA_VERSION = 2

/** The same with `BASE_TABLES`: a chain that began with a snapshot. Programs that know only version 2 refuse it. */
export const SNAPSHOT_SCHEMA_VERSION = 3

/** What was there from version 1 on. */
export const CHAIN_TABLES = `
  CREATE TABLE meta (schema INTEGER NOT NULL, network TEXT NOT NULL, genesis BLOB NOT NULL);
  CREATE TABLE block (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, timestamp INTEGER NOT NULL);
  CREATE TABLE body (height INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  CREATE TABLE undo (height INTEGER PRIMARY KEY, delta BLOB NOT NULL);
  CREATE TABLE utxo (key BLOB PRIMARY KEY, value INTEGER NOT NULL, script BLOB NOT NULL) WITHOUT ROWID;
`

/**
 * What version 2 adds. A transaction is named by its place (see `SqliteIndexes`) and found by the first bytes of its
 * txid, a script is named by a number; `checksum` has the sums of all rows of each table.
 */
export const INDEX_TABLES = `
  CREATE TABLE txids (height INTEGER PRIMARY KEY, txids BLOB NOT NULL);
  CREATE TABLE tx (prefix INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (prefix, place)) WITHOUT ROWID;
  CREATE TABLE script (bytes BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE coin (script INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (script, key)) WITHOUT ROWID;
  CREATE TABLE history (script INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (script, place)) WITHOUT ROWID;
  CREATE TABLE checksum (name TEXT PRIMARY KEY, sum INTEGER NOT NULL) WITHOUT ROWID;
`

/**
 * The base of a snapshot, one row; `refuted` says why it is false, and is empty as long as it is not. Blocks 1 to its height have no body, no undo data and no entries in the
 * indexes.
 */
export const BASE_TABLES = `
  CREATE TABLE base (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, coins INTEGER NOT NULL, utxo_hash BLOB NOT NULL,
    coins_hash BLOB NOT NULL, refuted BLOB NOT NULL);
`

/** The version whose tables a database has, each made in the same words; `undefined` if it has those of none. */
export const versionOfTables = (db: DatabaseSync): number | undefined => {
  const found = words(db)
  return [...TABLES].find(([, tables]) => found === wordsOf(tables))?.[0]
}

// --- internal ---

const TABLES: ReadonlyMap<number, string> = new Map([
  [1, CHAIN_TABLES],
  [SCHEMA_VERSION, CHAIN_TABLES + INDEX_TABLES],
  [SNAPSHOT_SCHEMA_VERSION, CHAIN_TABLES + INDEX_TABLES + BASE_TABLES]
])

/** Spaces aside, so that a version of this program that breaks lines elsewhere reads the same. */
const words = (db: DatabaseSync): string =>
  db
    .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")
    .all()
    .map(({ name, sql, type }) => `${type} ${name} ${String(sql).replace(/\s+/g, " ")}`)
    .join("\n")

const wordsOf = (tables: string): string => {
  const db = new DatabaseSync(":memory:")
  db.exec(tables)
  const found = words(db)
  db.close()
  return found
}
