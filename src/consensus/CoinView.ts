/**
 * The unspent outputs that rules look at, read without waiting.
 *
 * A caller with a store looks up all outputs that a block or transaction spends beforehand, and gives the rules a view
 * of the answer.
 */
import type { OutPoint } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"

export interface CoinView {
  readonly get: (outpoint: OutPoint) => Utxo | undefined
}

/** The view of outputs by key. */
export const coinView = (utxos: ReadonlyMap<OutPointKey, Utxo>): CoinView => ({
  get: (outpoint) => utxos.get(outPointKey(outpoint))
})
