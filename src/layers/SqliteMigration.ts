/**
 * From schema 1 to 2: the indexes and checksums of a chain that was stored without them.
 *
 * One transaction, so that a process that ends in its middle leaves schema 1. Outputs that were spent before undo data
 * begins are found in the blocks that created them, by the index as it grows.
 */
import type { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { createdOutputs } from "../consensus/BlockRules.ts"
import { scriptText } from "../protocol/Address.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { height as toHeight } from "../protocol/Height.ts"
import { type OutPoint, txid } from "../protocol/Transaction.ts"
import type { Utxo } from "../protocol/Utxo.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { StoreError } from "../services/ChainStore.ts"
import { SqliteIndexes } from "./SqliteIndexes.ts"
import { INDEX_TABLES, SCHEMA_VERSION } from "./SqliteSchema.ts"
import { SqliteSums } from "./SqliteSums.ts"

/** Brings a file of schema 1 up to this one and says in the log how far it is. Throws what SQLite throws. */
export const migrate = Effect.fnUntraced(function* (db: DatabaseSync) {
  const last = Number(db.prepare("SELECT coalesce(max(height), -1) AS last FROM block").get()!["last"])
  yield* Effect.logInfo(`The chain is brought to schema ${SCHEMA_VERSION}: its ${last + 1} blocks get indexes`)
  db.exec("BEGIN IMMEDIATE")
  db.exec(INDEX_TABLES)
  const sums = new SqliteSums(db)
  const migration = new Migration(db, sums)
  for (let height = 0; height <= last; height++) {
    migration.index(height)
    if (height % BLOCKS_PER_TURN === 0) yield* Effect.yieldNow
    if (height > 0 && height % BLOCKS_PER_LINE === 0) {
      yield* Effect.logInfo(`The chain is brought to schema ${SCHEMA_VERSION}: block ${height} of ${last} is indexed`)
    }
  }
  migration.finish()
  sums.write()
  db.exec(`UPDATE meta SET schema = ${SCHEMA_VERSION}`)
  db.exec("COMMIT")
  yield* Effect.logInfo(`The chain is at schema ${SCHEMA_VERSION}`)
})

// --- internal ---

const BLOCKS_PER_TURN = 20
const BLOCKS_PER_LINE = 10_000

class Migration {
  readonly #db: DatabaseSync
  readonly #sums: SqliteSums
  readonly #indexes: SqliteIndexes
  readonly #statements

  constructor(db: DatabaseSync, sums: SqliteSums) {
    this.#db = db
    this.#sums = sums
    this.#indexes = new SqliteIndexes(db, sums)
    this.#statements = {
      body: db.prepare("SELECT bytes FROM body WHERE height = ?"),
      undo: db.prepare("SELECT delta FROM undo WHERE height = ?"),
      updateUndo: db.prepare("UPDATE undo SET delta = ? WHERE height = ?")
    }
  }

  index(height: number): void {
    const block = this.#block(height)
    const txids = block.transactions.map(txid)
    const spenders = block.transactions.flatMap(({ inputs }, index) => inputs.map(() => index))
    const spent = block.transactions.flatMap(({ inputs }) => inputs.map((input) => this.#output(input.previousOutput)))
    const { previousHash, timestamp } = block.header
    const created = createdOutputs(block, txids)
    const hash = blockHash(block.header)
    this.#indexes.connect([
      { height: toHeight(height), hash, previousHash, timestamp, txids, spent, spenders, created }
    ])

    const undo = this.#statements.undo.get(height)
    if (undo !== undefined) this.#statements.updateUndo.run(withSpenders(undo["delta"] as Uint8Array, spenders), height)
  }

  /** Sums up what was there before, and compares the two lists of coins. */
  finish(): void {
    const count = (table: string) => this.#db.prepare(`SELECT count(*) AS n FROM ${table}`).get()!["n"]
    if (count("coin") !== count("utxo"))
      throw damaged(`${count("utxo")} outputs are kept, the blocks leave ${count("coin")}`)
    for (const table of ["block", "body", "undo", "utxo"] as const) {
      const rows = this.#db.prepare(`SELECT * FROM ${table}`)
      rows.setReadBigInts(true)
      for (const row of rows.iterate()) this.#sums.add(table, ...(Object.values(row) as Array<bigint | Uint8Array>))
    }
  }

  #block(height: number): Block {
    const bytes = this.#statements.body.get(height)?.["bytes"]
    if (bytes === undefined) throw damaged(`block ${height} is missing`)
    const block = Wire.decodeBlock(bytes as Uint8Array)
    if ("_tag" in block) throw damaged(`block ${height} does not decode: ${block.reason}`)
    return block
  }

  #output(outpoint: OutPoint): Utxo {
    const place = this.#indexes.transaction(outpoint.txid)
    const output = place && this.#block(Number(place.height)).transactions[place.index]?.outputs[outpoint.vout]
    if (output === undefined) throw damaged("a block spends an output that no block before it has")
    return { outpoint, ...output, address: scriptText(output.scriptPubkey) }
  }
}

/** What undo records did not have in schema 1 comes at their end. */
const withSpenders = (record: Uint8Array, spenders: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(record.length + spenders.length * 4)
  bytes.set(record)
  const view = new DataView(bytes.buffer)
  spenders.forEach((index, at) => view.setUint32(record.length + at * 4, index, true))
  return bytes
}

const damaged = (detail: string): StoreError => new StoreError({ operation: "migrate", reason: "Damaged", detail })
