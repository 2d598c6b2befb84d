/**
 * The outputs that the last blocks have spent, and who spent them: as many blocks as a reorganisation can take off.
 */
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import * as Limits from "../protocol/Limits.ts"
import { type OutPointKey, outPointKey, type UtxoState } from "../protocol/Utxo.ts"

export class RecentlySpent {
  readonly #states = new Map<OutPointKey, UtxoState>()
  /** What each block spent, the oldest first. */
  readonly #blocks: Array<ReadonlyArray<OutPointKey>> = []

  get(key: OutPointKey): UtxoState | undefined {
    return this.#states.get(key)
  }

  connected({ height, spenders, spent, timestamp, txids }: BlockDelta): void {
    this.#blocks.push(
      spent.map(({ outpoint }, index) => {
        const key = outPointKey(outpoint)
        const txid = txids[spenders[index]!]!
        this.#states.set(key, { _tag: "Confirmed", txid, blockHeight: height, confirmedAt: timestamp })
        return key
      })
    )
    while (this.#blocks.length > Limits.REORG_DEPTH || this.#states.size > Limits.RECENTLY_SPENT) {
      this.#forget(this.#blocks.shift()!)
    }
  }

  /** The last block came off. */
  disconnected(): void {
    this.#forget(this.#blocks.pop() ?? [])
  }

  #forget(keys: ReadonlyArray<OutPointKey>): void {
    for (const key of keys) this.#states.delete(key)
  }
}
