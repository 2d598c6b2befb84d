/**
 * The indexes of the chain's file: where a transaction is, what a script has and what touched it.
 *
 * Keys are narrow. A transaction is its place, one integer of its height and its index in the block; it is found by the
 * first six bytes of its txid, and a find counts only if the whole txid stands at that place, so that whoever makes txids
 * collide there costs us a read and gains nothing. A script is a number, given when it first appears.
 */
import type { DatabaseSync } from "node:sqlite"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import { height as toHeight } from "../protocol/Height.ts"
import type { OutPointKey, Utxo } from "../protocol/Utxo.ts"
import { type HistoryEntry, StoreError, type TransactionPlace } from "../services/ChainStore.ts"
import { blockTouches, scriptKey } from "./BlockTouches.ts"
import type { SqliteSums } from "./SqliteSums.ts"
import { NO_KEY, rowKey, rowKeyOf, toOutPoint, toUtxo } from "./UtxoRow.ts"

export class SqliteIndexes {
  readonly #statements: ReturnType<typeof prepare>
  readonly #sums: SqliteSums
  #lastScript: number

  constructor(db: DatabaseSync, sums: SqliteSums) {
    this.#statements = prepare(db)
    this.#sums = sums
    this.#lastScript = Number(db.prepare("SELECT coalesce(max(id), 0) AS id FROM script").get()!["id"])
  }

  /** The entries of blocks that are put on. Belongs into the transaction that does that. */
  connect(deltas: ReadonlyArray<BlockDelta>): void {
    const idOf = this.#listing()
    for (const delta of deltas) {
      const spent = delta.spent.map(idOf)
      const created = delta.created.map(idOf)
      delta.spent.forEach((utxo, at) => this.#removeCoin(spent[at]!, utxo))
      delta.created.forEach((utxo, at) => this.#addCoin(created[at]!, utxo))
      this.#addEntries(delta, spent, created)
    }
  }

  /** The entries of the genesis block below a snapshot, apart from its outputs: the snapshot has what is unspent. */
  addGenesis(delta: BlockDelta): void {
    this.#addEntries(delta, [], delta.created.map(this.#listing()))
  }

  /** An output that was unspent when a snapshot was taken. */
  addCoin(utxo: Utxo): void {
    this.#addCoin(this.#scriptId(utxo.scriptPubkey) ?? this.#addScript(utxo.scriptPubkey), utxo)
  }

  /** Takes the entries of the last block off, and scripts that appear nowhere else. */
  disconnect(delta: BlockDelta): void {
    const height = Number(delta.height)
    const spent = delta.spent.map(({ scriptPubkey }) => this.#knownScript(scriptPubkey))
    const created = delta.created.map(({ scriptPubkey }) => this.#knownScript(scriptPubkey))
    for (const { index, script } of blockTouches(delta, spent, created)) {
      const at = place(height, index)
      this.#statements.deleteHistory.run(script, at)
      this.#sums.subtract("history", script, at)
    }
    delta.created.forEach((utxo, at) => this.#removeCoin(created[at]!, utxo))
    delta.spent.forEach((utxo, at) => this.#addCoin(spent[at]!, utxo))
    delta.txids.forEach((txid, index) => {
      this.#statements.deleteTx.run(prefix(txid), place(height, index))
      this.#sums.subtract("tx", prefix(txid), place(height, index))
    })
    this.#statements.deleteTxids.run(height)
    this.#sums.subtract("txids", height, joined(delta.txids))
    const touched = new Map<number, Uint8Array>()
    delta.spent.forEach(({ scriptPubkey }, at) => touched.set(spent[at]!, scriptPubkey))
    delta.created.forEach(({ scriptPubkey }, at) => touched.set(created[at]!, scriptPubkey))
    for (const [id, bytes] of touched) {
      // An output of a snapshot is there without its transaction.
      if (this.#statements.used.get(id, id) !== undefined) continue
      this.#statements.deleteScript.run(bytes)
      this.#sums.subtract("script", bytes, id)
    }
  }

  transaction(txid: Hash256): TransactionPlace | undefined {
    for (const row of this.#statements.tx.all(prefix(txid))) {
      const found = this.#entry(row["place"] as number)
      if (bytesEqual(found.txid, txid)) return { height: found.height, index: found.index }
    }
    return undefined
  }

  unspentOf(script: Uint8Array, after: OutPointKey | null, limit: number): ReadonlyArray<Utxo> {
    const id = this.#scriptId(script)
    if (id === undefined) return []
    const rows = this.#statements.coins.all(id, after === null ? NO_KEY : rowKeyOf(after), limit)
    return rows.map((row) => toUtxo(toOutPoint(row["key"] as Uint8Array), row["value"] as bigint, script))
  }

  history(script: Uint8Array, before: TransactionPlace | null, limit: number): ReadonlyArray<HistoryEntry> {
    const id = this.#scriptId(script)
    if (id === undefined) return []
    const end =
      before === null ? Number.MAX_SAFE_INTEGER : Math.min(place(Number(before.height), before.index), MAX_PLACE)
    return this.#statements.history.all(id, end, limit).map((row) => this.#entry(row["place"] as number))
  }

  #entry(at: number): HistoryEntry {
    const height = Math.floor(at / TRANSACTIONS)
    const index = at % TRANSACTIONS
    const row = this.#statements.txids.get(height)
    const bytes = row?.["txids"] as Uint8Array | undefined
    if (bytes === undefined || bytes.length < (index + 1) * TXID_BYTES) {
      throw new StoreError({
        operation: "indexes",
        reason: "Damaged",
        detail: `the txids of block ${height} are missing`
      })
    }
    return { height: toHeight(height), index, txid: txidAt(bytes, index) }
  }

  #scriptId(script: Uint8Array): number | undefined {
    return this.#statements.script.get(script)?.["id"] as number | undefined
  }

  #knownScript(script: Uint8Array): number {
    const id = this.#scriptId(script)
    if (id !== undefined) return id
    throw new StoreError({
      operation: "indexes",
      reason: "Damaged",
      detail: "a script of a stored block is not listed"
    })
  }

  #addScript(script: Uint8Array): number {
    const id = ++this.#lastScript
    this.#statements.insertScript.run(script, id)
    this.#sums.add("script", script, id)
    return id
  }

  /** Numbers of scripts, which are listed when they are new. The same few are asked for again and again. */
  #listing(): (utxo: Utxo) => number {
    const ids = new Map<string, number>()
    return ({ scriptPubkey }) => {
      const key = scriptKey(scriptPubkey)
      const id = ids.get(key) ?? this.#scriptId(scriptPubkey) ?? this.#addScript(scriptPubkey)
      ids.set(key, id)
      return id
    }
  }

  /** What is known of a block's transactions and of the scripts that they touch. */
  #addEntries(delta: BlockDelta, spent: ReadonlyArray<number>, created: ReadonlyArray<number>): void {
    const height = Number(delta.height)
    this.#addTransactions(height, delta.txids)
    for (const { index, script } of blockTouches(delta, spent, created)) this.#addHistory(script, place(height, index))
  }

  #addTransactions(height: number, txids: ReadonlyArray<Hash256>): void {
    if (txids.length > TRANSACTIONS) throw new RangeError(`a block of ${txids.length} transactions`)
    const all = joined(txids)
    this.#statements.insertTxids.run(height, all)
    this.#sums.add("txids", height, all)
    txids.forEach((txid, index) => {
      this.#statements.insertTx.run(prefix(txid), place(height, index))
      this.#sums.add("tx", prefix(txid), place(height, index))
    })
  }

  #addHistory(id: number, at: number): void {
    this.#statements.insertHistory.run(id, at)
    this.#sums.add("history", id, at)
  }

  #addCoin(id: number, { outpoint }: Utxo): void {
    const key = rowKey(outpoint)
    this.#statements.insertCoin.run(id, key)
    this.#sums.add("coin", id, key)
  }

  #removeCoin(id: number, { outpoint }: Utxo): void {
    const key = rowKey(outpoint)
    this.#statements.deleteCoin.run(id, key)
    this.#sums.subtract("coin", id, key)
  }
}

// --- internal ---

const TXID_BYTES = 32
/** More transactions than a line of the wire has room for, so that a place is a height and an index. */
const TRANSACTIONS = 2 ** 20
const MAX_PLACE = Number.MAX_SAFE_INTEGER

const place = (height: number, index: number): number => height * TRANSACTIONS + index

const prefix = (txid: Hash256): number => Buffer.from(txid.buffer, txid.byteOffset, TXID_BYTES).readUIntBE(0, 6)

const joined = (txids: ReadonlyArray<Hash256>): Uint8Array => new Uint8Array(Buffer.concat(txids))

const txidAt = (bytes: Uint8Array, index: number): Hash256 =>
  bytes.slice(index * TXID_BYTES, (index + 1) * TXID_BYTES) as Hash256

const prepare = (db: DatabaseSync) => {
  const coins = db.prepare(
    // In this order, whatever the planner thinks: the index first, then each output by its key.
    `SELECT utxo.key, utxo.value FROM coin CROSS JOIN utxo ON utxo.key = coin.key
     WHERE coin.script = ? AND coin.key > ? ORDER BY coin.key LIMIT ?`
  )
  coins.setReadBigInts(true)
  return {
    coins,
    txids: db.prepare("SELECT txids FROM txids WHERE height = ?"),
    tx: db.prepare("SELECT place FROM tx WHERE prefix = ? ORDER BY place DESC"),
    script: db.prepare("SELECT id FROM script WHERE bytes = ?"),
    history: db.prepare("SELECT place FROM history WHERE script = ? AND place < ? ORDER BY place DESC LIMIT ?"),
    used: db.prepare("SELECT 1 FROM history WHERE script = ? UNION ALL SELECT 1 FROM coin WHERE script = ? LIMIT 1"),
    insertTxids: db.prepare("INSERT INTO txids VALUES (?, ?)"),
    insertTx: db.prepare("INSERT INTO tx VALUES (?, ?)"),
    insertScript: db.prepare("INSERT INTO script VALUES (?, ?)"),
    insertCoin: db.prepare("INSERT INTO coin VALUES (?, ?)"),
    insertHistory: db.prepare("INSERT INTO history VALUES (?, ?)"),
    deleteTxids: db.prepare("DELETE FROM txids WHERE height = ?"),
    deleteTx: db.prepare("DELETE FROM tx WHERE prefix = ? AND place = ?"),
    deleteScript: db.prepare("DELETE FROM script WHERE bytes = ?"),
    deleteCoin: db.prepare("DELETE FROM coin WHERE script = ? AND key = ?"),
    deleteHistory: db.prepare("DELETE FROM history WHERE script = ? AND place = ?")
  }
}
