/**
 * The indexes of a chain store in memory: where a transaction is, what a script has and what touched it.
 */
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import { compareOutPoints, type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import type { HistoryEntry, TransactionPlace } from "../services/ChainStore.ts"
import { blockTouches, scriptKey, type Touch } from "./BlockTouches.ts"

export class MemoryIndexes {
  readonly #places = new Map<string, TransactionPlace>()
  readonly #scripts = new Map<string, ScriptEntry>()

  connect(delta: BlockDelta): void {
    const { height, txids } = delta
    txids.forEach((txid, index) => this.#places.set(toHex(txid), { height, index }))
    for (const { index, script } of touchesOf(delta)) {
      this.#script(script).history.push({ height, index, txid: txids[index]! })
    }
    this.#move(delta.spent, delta.created)
  }

  /** Takes the entries of the last block off. */
  disconnect(delta: BlockDelta): void {
    this.#move(delta.created, delta.spent)
    for (const txid of delta.txids) this.#places.delete(toHex(txid))
    for (const { script } of touchesOf(delta)) {
      const { history } = this.#script(script)
      history.pop()
      if (history.length === 0) this.#scripts.delete(script)
    }
  }

  transaction(txid: Hash256): TransactionPlace | undefined {
    return this.#places.get(toHex(txid))
  }

  unspentOf(script: Uint8Array, after: OutPointKey | null, limit: number): ReadonlyArray<OutPoint> {
    const unspent = this.#scripts.get(scriptKey(script))?.unspent ?? new Map<OutPointKey, OutPoint>()
    return [...unspent]
      .filter(([key]) => after === null || key > after)
      .map(([, outpoint]) => outpoint)
      .sort(compareOutPoints)
      .slice(0, limit)
  }

  history(script: Uint8Array, before: TransactionPlace | null, limit: number): ReadonlyArray<HistoryEntry> {
    const history = this.#scripts.get(scriptKey(script))?.history ?? []
    return history
      .filter((entry) => before === null || compare(entry, before) < 0)
      .sort((a, b) => compare(b, a))
      .slice(0, limit)
  }

  #move(gone: ReadonlyArray<Utxo>, come: ReadonlyArray<Utxo>): void {
    for (const { outpoint, scriptPubkey } of gone)
      this.#script(scriptKey(scriptPubkey)).unspent.delete(outPointKey(outpoint))
    for (const { outpoint, scriptPubkey } of come)
      this.#script(scriptKey(scriptPubkey)).unspent.set(outPointKey(outpoint), outpoint)
  }

  #script(key: string): ScriptEntry {
    const found = this.#scripts.get(key) ?? { history: [], unspent: new Map() }
    this.#scripts.set(key, found)
    return found
  }
}

// --- internal ---

interface ScriptEntry {
  /** In order of height. */
  readonly history: Array<HistoryEntry>
  readonly unspent: Map<OutPointKey, OutPoint>
}

const keysOf = (utxos: ReadonlyArray<Utxo>): ReadonlyArray<string> =>
  utxos.map(({ scriptPubkey }) => scriptKey(scriptPubkey))

const touchesOf = (delta: BlockDelta): ReadonlyArray<Touch<string>> =>
  blockTouches(delta, keysOf(delta.spent), keysOf(delta.created))

const compare = (a: TransactionPlace, b: TransactionPlace): number =>
  a.height === b.height ? a.index - b.index : a.height < b.height ? -1 : 1
