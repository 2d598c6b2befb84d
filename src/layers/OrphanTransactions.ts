/**
 * Transactions that spend outputs nobody here knows yet: kept for when the parents come, the oldest forgotten first.
 *
 * Nothing of them is checked but their shape, and nothing is promised to them.
 */
import { toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import { type Transaction, txid } from "../protocol/Transaction.ts"
import { sizeOf } from "./TransactionPool.ts"

export class OrphanTransactions {
  readonly #orphans = new Map<string, { readonly transaction: Transaction; readonly size: number }>()
  readonly #byParent = new Map<string, Set<string>>()
  #size = 0

  get count(): number {
    return this.#orphans.size
  }

  add(transaction: Transaction): void {
    const id = toHex(txid(transaction))
    if (this.#orphans.has(id)) return
    const size = sizeOf(transaction)
    this.#orphans.set(id, { transaction, size })
    this.#size += size
    for (const parent of parentsOf(transaction)) {
      const children = this.#byParent.get(parent)
      if (children === undefined) this.#byParent.set(parent, new Set([id]))
      else children.add(id)
    }
    while (this.#orphans.size > Limits.ORPHAN_TRANSACTIONS || this.#size > Limits.ORPHAN_BYTES) {
      this.#remove(this.#orphans.keys().next().value!)
    }
  }

  /** Those that spend an output of the transaction with this id in hex; they are not kept any more. */
  take(parent: string): ReadonlyArray<Transaction> {
    const children = [...(this.#byParent.get(parent) ?? [])]
    return children.map((id) => this.#remove(id))
  }

  #remove(id: string): Transaction {
    const { size, transaction } = this.#orphans.get(id)!
    this.#orphans.delete(id)
    this.#size -= size
    for (const parent of parentsOf(transaction)) {
      const children = this.#byParent.get(parent)
      if (children?.delete(id) === true && children.size === 0) this.#byParent.delete(parent)
    }
    return transaction
  }
}

// --- internal ---

const parentsOf = ({ inputs }: Transaction): ReadonlySet<string> =>
  new Set(inputs.map(({ previousOutput }) => toHex(previousOutput.txid)))
