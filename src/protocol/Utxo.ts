/**
 * Unspent outputs and the states an output goes through.
 */
import * as Schema from "effect/Schema"
import { ByteVector, compareBytes } from "./ByteArray.ts"
import { Hash256, toHex } from "./Hash.ts"
import { Height } from "./Height.ts"
import { U32, UnixSeconds } from "./Integer.ts"
import { Satoshi } from "./Satoshi.ts"
import { OutPoint } from "./Transaction.ts"
import { structCase, unitCase } from "./WireType.ts"

/** An unspent output. `address` is the text of `scriptPubkey`, invalid UTF-8 replaced. */
export const Utxo = Schema.Struct({
  outpoint: OutPoint,
  value: Satoshi,
  scriptPubkey: ByteVector,
  address: Schema.String
})
export type Utxo = typeof Utxo.Type

/** Unspent → Locked → SpentPending → SpentFinalized → Confirmed. */
export const UtxoState = Schema.Union([
  unitCase("Unspent"),
  structCase("Locked", { txid: Hash256, lockedAt: UnixSeconds }),
  structCase("SpentPending", { txid: Hash256, votes: U32, totalNodes: U32, spentAt: UnixSeconds }),
  structCase("SpentFinalized", { txid: Hash256, finalizedAt: UnixSeconds, votes: U32 }),
  structCase("Confirmed", { txid: Hash256, blockHeight: Height, confirmedAt: UnixSeconds })
])
export type UtxoState = typeof UtxoState.Type

export const UtxoStateChange = Schema.Struct({ outpoint: OutPoint, newState: UtxoState, timestamp: UnixSeconds })
export type UtxoStateChange = typeof UtxoStateChange.Type

/** A key for maps: equal for equal outpoints, and in the order that the UTXO-set hash sorts by. */
export type OutPointKey = string & { readonly OutPointKey: unique symbol }

/** Hex of the txid, a colon, the output number in decimal: so `:10` sorts before `:2`, as it does in `timed`. */
export const outPointKey = (outpoint: OutPoint): OutPointKey =>
  `${toHex(outpoint.txid)}:${outpoint.vout}` as OutPointKey

/** Orders outpoints as their keys sort, without making the keys. */
export const compareOutPoints = (a: OutPoint, b: OutPoint): number => {
  const byTxid = compareBytes(a.txid, b.txid)
  if (byTxid !== 0 || a.vout === b.vout) return byTxid
  return String(a.vout) < String(b.vout) ? -1 : 1
}
