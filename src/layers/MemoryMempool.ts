/**
 * `Mempool` in memory, bounded in number and bytes.
 *
 * Every input of the pool is promised to one transaction: the first that was seen stays, and when the pool is full it
 * takes no more. Checks and the change that follows them are one step, in which no block and no other transaction comes
 * between.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { coinView } from "../consensus/CoinView.ts"
import { validateTransaction } from "../consensus/TransactionRules.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import { type Transaction, txid as transactionId } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type UtxoState } from "../protocol/Utxo.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { Mempool, type PooledTransaction, TransactionRejected } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type ChainDelta, UtxoStore } from "../services/UtxoStore.ts"

/** An empty pool over the coins that are provided. Only spends that the coins' owners signed enter it. */
export const layer: Layer.Layer<Mempool, never, UtxoStore | NodeConfig> = Layer.effect(
  Mempool,
  Effect.gen(function* () {
    const { network } = yield* NodeConfig
    const utxos = yield* UtxoStore
    const pool = new Pool()
    const turn = yield* Semaphore.make(1)

    const submitAlone = Effect.fnUntraced(function* (transaction: Transaction) {
      const txid = transactionId(transaction)
      if (pool.get(txid) !== undefined) return "known" as const
      const refuse = (reason: TransactionRejected["reason"]) => new TransactionRejected({ txid: toHex(txid), reason })

      // Cheap questions first: checking the signatures of a large transaction takes tens of milliseconds.
      const outpoints = transaction.inputs.map(({ previousOutput }) => previousOutput)
      if (pool.spends(outpoints.map(outPointKey))) return yield* refuse("Conflict")
      const size = Wire.encodeTransaction(transaction).length
      if (!pool.hasRoomFor(size)) return yield* refuse("Full")
      const states = yield* utxos.states(outpoints)
      if (states.some(({ state }) => promisedToOther(state, txid))) return yield* refuse("Conflict")

      const coins = coinView(yield* utxos.getMany(outpoints))
      const valid = validateTransaction(transaction, { network, coins, signed: true })
      if (Result.isFailure(valid)) return yield* refuse(valid.failure._tag)
      pool.add({ txid, transaction, fee: valid.success.fee }, size)
      return "accepted" as const
    })

    const applied = Effect.fnUntraced(function* (delta: ChainDelta) {
      pool.applied(delta)
      for (const transaction of delta.returned ?? []) {
        yield* Effect.ignore(submitAlone(transaction))
        yield* Effect.yieldNow
      }
    })

    return Mempool.of({
      submit: Effect.fn("Mempool.submit")((transaction: Transaction) => turn.withPermit(submitAlone(transaction))),
      get: (txid) => Effect.sync(() => pool.get(txid)),
      pending: Effect.sync(() => pool.pending()),
      applied: (delta) => turn.withPermit(applied(delta))
    })
  })
)

// --- internal ---

/** True if the output is locked for, or spent by, a transaction other than the one named. */
const promisedToOther = (state: UtxoState, txid: Hash256): boolean =>
  state._tag !== "Unspent" && !bytesEqual(state.txid, txid)

interface Entry {
  readonly pooled: PooledTransaction
  readonly size: number
}

class Pool {
  /** By txid in hex, in order of arrival. */
  readonly #entries = new Map<string, Entry>()
  /** Which transaction spends an output. */
  readonly #spenders = new Map<OutPointKey, string>()
  #size = 0

  get(txid: Hash256): PooledTransaction | undefined {
    return this.#entries.get(toHex(txid))?.pooled
  }

  pending(): ReadonlyArray<PooledTransaction> {
    return [...this.#entries.values()].map(({ pooled }) => pooled)
  }

  spends(keys: ReadonlyArray<OutPointKey>): boolean {
    return keys.some((key) => this.#spenders.has(key))
  }

  hasRoomFor(size: number): boolean {
    return this.#entries.size < Limits.MEMPOOL_TRANSACTIONS && this.#size + size <= Limits.MEMPOOL_BYTES
  }

  add(pooled: PooledTransaction, size: number): void {
    const id = toHex(pooled.txid)
    this.#entries.set(id, { pooled, size })
    this.#size += size
    for (const key of inputKeys(pooled)) this.#spenders.set(key, id)
  }

  /** Whatever spends an output that is gone was in the new blocks, or contradicts them, or spends nothing any more. */
  applied({ connected, disconnected }: ChainDelta): void {
    // As while a node syncs.
    if (this.#entries.size === 0) return
    const created = new Set(connected.flatMap((delta) => delta.created.map(({ outpoint }) => outPointKey(outpoint))))
    for (const delta of disconnected) {
      for (const { outpoint } of delta.created) {
        const key = outPointKey(outpoint)
        if (!created.has(key)) this.#dropSpender(key)
      }
    }
    for (const delta of connected) for (const { outpoint } of delta.spent) this.#dropSpender(outPointKey(outpoint))
  }

  #dropSpender(key: OutPointKey): void {
    const id = this.#spenders.get(key)
    if (id === undefined) return
    const { pooled, size } = this.#entries.get(id)!
    this.#entries.delete(id)
    this.#size -= size
    for (const input of inputKeys(pooled)) this.#spenders.delete(input)
  }
}

const inputKeys = ({ transaction }: PooledTransaction): ReadonlyArray<OutPointKey> =>
  transaction.inputs.map(({ previousOutput }) => outPointKey(previousOutput))
