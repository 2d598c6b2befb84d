/**
 * Checksums over the contents of the tables, kept with them in one transaction.
 *
 * SQLite checks the structure of its pages, and a flipped bit in a value is none of that. The sum of a table is that of
 * the CRC-32s of its rows, so that it follows every row that comes or goes and does not depend on their order. It is
 * for accidents: whoever can write the file can write the sums as well.
 */
import { crc32 } from "node:zlib"
import type { DatabaseSync } from "node:sqlite"

/** The tables whose contents are summed, and what they hold, for people. */
export const SUMMED = {
  block: "the list of blocks",
  body: "the bodies of blocks",
  undo: "the undo data",
  utxo: "the unspent outputs",
  txids: "the txids of blocks",
  tx: "the index of transactions",
  script: "the list of scripts",
  coin: "the index of unspent outputs",
  history: "the index of histories"
} as const

/** The same of the table that only a chain has which began with a snapshot. */
export const SUMMED_WITH_BASE = {
  base: "what is known of the snapshot"
} as const

export type SummedTable = keyof typeof SUMMED | keyof typeof SUMMED_WITH_BASE

/** A value of a row, in the order of the columns. */
export type RowValue = number | bigint | Uint8Array

export class SqliteSums {
  readonly #sums: Map<string, number>
  readonly #write: (name: string, sum: number) => unknown
  #saved: ReadonlyMap<string, number>

  /** Takes the sums as they are stored. */
  constructor(db: DatabaseSync) {
    this.#sums = storedSums(db)
    this.#saved = new Map(this.#sums)
    const statement = db.prepare("INSERT OR REPLACE INTO checksum VALUES (?, ?)")
    this.#write = (name, sum) => statement.run(name, sum)
  }

  /** A row has come. */
  add(table: SummedTable, ...row: ReadonlyArray<RowValue>): void {
    this.#sums.set(table, ((this.#sums.get(table) ?? 0) + rowSum(row)) >>> 0)
  }

  /** A row has gone. */
  subtract(table: SummedTable, ...row: ReadonlyArray<RowValue>): void {
    this.#sums.set(table, ((this.#sums.get(table) ?? 0) - rowSum(row)) >>> 0)
  }

  /** Writes what has changed; the last step of a transaction. */
  write(): void {
    for (const [name, sum] of this.#sums) if (this.#saved.get(name) !== sum) this.#write(name, sum)
  }

  /** The transaction is over: what was written stays, or nothing has happened. */
  settle(committed: boolean): void {
    if (committed) this.#saved = new Map(this.#sums)
    else for (const name of this.#sums.keys()) this.#sums.set(name, this.#saved.get(name) ?? 0)
  }
}

/** What the first table holds whose rows do not sum up to what is stored, or `undefined`. Reads all rows. */
export const sumMismatch = (db: DatabaseSync, hasBase: boolean): string | undefined => {
  const stored = storedSums(db)
  for (const [table, holds] of Object.entries(hasBase ? { ...SUMMED, ...SUMMED_WITH_BASE } : SUMMED)) {
    const rows = db.prepare(`SELECT * FROM ${table}`)
    rows.setReadBigInts(true)
    rows.setReturnArrays(true)
    const mismatch = `${holds} (table ${table}) are not what was written`
    let sum = 0
    for (const row of rows.iterate()) {
      const values = row as unknown as Array<RowValue>
      if (!values.every(isRowValue)) return mismatch
      sum = (sum + rowSum(values)) >>> 0
    }
    if (sum !== (stored.get(table) ?? 0)) return mismatch
  }
  return undefined
}

// --- internal ---

/** SQLite keeps values of any kind in any column. */
const isRowValue = (value: unknown): boolean => typeof value === "bigint" || value instanceof Uint8Array

const storedSums = (db: DatabaseSync): Map<string, number> =>
  new Map(
    db
      .prepare("SELECT name, sum FROM checksum")
      .all()
      .map((row) => [row["name"] as string, row["sum"] as number])
  )

/** A short row is put together here first: calling into zlib takes longer than summing up. */
const scratch = new Uint8Array(512)
const view = new DataView(scratch.buffer)

const rowSum = (row: ReadonlyArray<RowValue>): number => {
  let sum = 0
  let at = 0
  for (const value of row) {
    if (typeof value !== "object") {
      view.setBigInt64(at, BigInt(value), true)
      at += 8
    } else if (value.length <= MAX_COPIED) {
      scratch.set(value, at)
      at += value.length
    } else {
      sum = crc32(value, crc32(scratch.subarray(0, at), sum))
      at = 0
    }
  }
  return crc32(scratch.subarray(0, at), sum)
}

/** Two of these and the integers of a row fit into the scratch. */
const MAX_COPIED = 200
