/**
 * What a valid block does to the UTXO set, which is also what undoes it.
 */
import type { Hash256 } from "../protocol/Hash.ts"
import type { Height } from "../protocol/Height.ts"
import type { Utxo } from "../protocol/Utxo.ts"

export interface BlockDelta {
  readonly height: Height
  readonly hash: Hash256
  readonly previousHash: Hash256
  /** Seconds. */
  readonly timestamp: bigint
  readonly txids: ReadonlyArray<Hash256>
  /** Outputs that existed before the block and do not after it. */
  readonly spent: ReadonlyArray<Utxo>
  /** Of each of `spent`, the place in `txids` of the transaction that spends it. */
  readonly spenders: ReadonlyArray<number>
  /** Outputs that exist after the block and did not before it. */
  readonly created: ReadonlyArray<Utxo>
}
