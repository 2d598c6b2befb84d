/**
 * The transactions of a pool in memory, with what they spend and make; bounded in number and bytes.
 *
 * An output has at most one spender here. What final transactions make can be spent by others of the pool, so that
 * taking one away takes its descendants with it.
 */
import { spentState } from "../consensus/SpendPhase.ts"
import { scriptText } from "../protocol/Address.ts"
import { compareBytes } from "../protocol/ByteArray.ts"
import { toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import { spendDigest } from "../protocol/Spend.ts"
import type { OutPoint, Transaction } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo, type UtxoState } from "../protocol/Utxo.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import type { FinalizedTransaction, PooledTransaction } from "../services/Mempool.ts"

export class TransactionPool {
  /** By txid in hex, in order of arrival. */
  readonly #entries = new Map<string, Entry>()
  /** Which transaction spends an output. */
  readonly #spenders = new Map<OutPointKey, string>()
  /** Outputs of final transactions. */
  readonly #made = new Map<OutPointKey, Utxo>()
  /** By what is signed, which stays the same when somebody signs again. */
  readonly #digests = new Set<string>()
  #size = 0

  get count(): number {
    return this.#entries.size
  }

  get(id: string): PooledTransaction | undefined {
    return this.#entries.get(id)?.pooled
  }

  all(): ReadonlyArray<PooledTransaction> {
    return [...this.#entries.values()].map(({ pooled }) => pooled)
  }

  finalized(): ReadonlyArray<FinalizedTransaction> {
    return this.all()
      .filter(({ phase }) => phase._tag === "SpentFinalized")
      .map((pooled) => ({
        ...pooled,
        waitsForParent: pooled.transaction.inputs.some(({ previousOutput }) =>
          this.#entries.has(toHex(previousOutput.txid))
        )
      }))
      .sort((a, b) => compareBytes(a.txid, b.txid))
  }

  /** True if a transaction that differs in its signatures at most is here. */
  hasTwin(transaction: Transaction): boolean {
    return this.#digests.has(toHex(spendDigest(transaction)))
  }

  spenderOf(key: OutPointKey): string | undefined {
    return this.#spenders.get(key)
  }

  /** An output of a final transaction. */
  made(key: OutPointKey): Utxo | undefined {
    return this.#made.get(key)
  }

  /** What the pool says of an output, if anything. */
  stateOf(outpoint: OutPoint): UtxoState | undefined {
    const key = outPointKey(outpoint)
    const spender = this.#spenders.get(key)
    if (spender !== undefined) {
      const { phase, txid } = this.#entries.get(spender)!.pooled
      return spentState(txid, phase)
    }
    return this.#made.has(key) ? { _tag: "Unspent" } : undefined
  }

  hasRoomFor(size: number): boolean {
    return this.#entries.size < Limits.MEMPOOL_TRANSACTIONS && this.#size + size <= Limits.MEMPOOL_BYTES
  }

  add(pooled: PooledTransaction, size = sizeOf(pooled.transaction)): void {
    const id = toHex(pooled.txid)
    this.#entries.set(id, { pooled, size })
    this.#size += size
    this.#digests.add(toHex(spendDigest(pooled.transaction)))
    for (const key of inputKeys(pooled)) this.#spenders.set(key, id)
    this.#makeOutputs(pooled)
  }

  /** The same transaction in another phase. */
  replace(pooled: PooledTransaction): void {
    const entry = this.#entries.get(toHex(pooled.txid))
    if (entry === undefined) return
    entry.pooled = pooled
    this.#makeOutputs(pooled)
  }

  drop(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    const { pooled, size } = entry
    this.#entries.delete(id)
    this.#size -= size
    this.#digests.delete(toHex(spendDigest(pooled.transaction)))
    for (const key of inputKeys(pooled)) this.#spenders.delete(key)
    pooled.transaction.outputs.forEach((_, vout) => this.#made.delete(outPointKey({ txid: pooled.txid, vout })))
  }

  /** A transaction and all that spend what it makes, directly or not. */
  family(id: string): ReadonlyArray<PooledTransaction> {
    const found = new Map<string, PooledTransaction>()
    const visit = (member: string): void => {
      const pooled = this.get(member)
      if (pooled === undefined || found.has(member)) return
      found.set(member, pooled)
      pooled.transaction.outputs.forEach((_, vout) => {
        const child = this.#spenders.get(outPointKey({ txid: pooled.txid, vout }))
        if (child !== undefined) visit(child)
      })
    }
    visit(id)
    return [...found.values()]
  }

  #makeOutputs({ phase, transaction, txid }: PooledTransaction): void {
    if (phase._tag !== "SpentFinalized") return
    transaction.outputs.forEach(({ scriptPubkey, value }, vout) => {
      const outpoint = { txid, vout }
      this.#made.set(outPointKey(outpoint), { outpoint, value, scriptPubkey, address: scriptText(scriptPubkey) })
    })
  }
}

/** What a transaction takes of the pool's bytes. */
export const sizeOf = (transaction: Transaction): number => Wire.encodeTransaction(transaction).length

// --- internal ---

interface Entry {
  pooled: PooledTransaction
  readonly size: number
}

const inputKeys = ({ transaction }: PooledTransaction): ReadonlyArray<OutPointKey> =>
  transaction.inputs.map(({ previousOutput }) => outPointKey(previousOutput))
