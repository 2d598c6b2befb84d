/**
 * Unspent outputs as rows of a table.
 *
 * The key is the txid and the decimal digits of the output number. Bytes in that order are outputs in the order of their
 * {@link OutPointKey}s, which is the order that the hash of the set is computed in.
 */
import { scriptText } from "../protocol/Address.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import { satoshi } from "../protocol/Satoshi.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import type { OutPointKey, Utxo } from "../protocol/Utxo.ts"

/** Sorts before every key. */
export const NO_KEY = new Uint8Array(0)

export const rowKey = ({ txid, vout }: OutPoint): Uint8Array => {
  const digits = String(vout)
  const key = new Uint8Array(TXID_BYTES + digits.length)
  key.set(txid)
  for (let i = 0; i < digits.length; i++) key[TXID_BYTES + i] = digits.charCodeAt(i)
  return key
}

export const rowKeyOf = (key: OutPointKey): Uint8Array => {
  const [txid, vout] = key.split(":") as [string, string]
  return rowKey({ txid: new Uint8Array(Buffer.from(txid, "hex")) as Hash256, vout: Number(vout) })
}

export const toOutPoint = (key: Uint8Array): OutPoint => {
  const txid = key.slice(0, TXID_BYTES) as Hash256
  let vout = 0
  for (let i = TXID_BYTES; i < key.length; i++) vout = vout * 10 + key[i]! - ZERO
  return { txid, vout }
}

/** Integers of SQLite are signed, amounts are not: their upper half is stored as negative. */
export const rowValue = (value: bigint): bigint => BigInt.asIntN(64, value)

export const toUtxo = (outpoint: OutPoint, value: bigint, scriptPubkey: Uint8Array): Utxo => ({
  outpoint,
  value: satoshi(BigInt.asUintN(64, value)),
  scriptPubkey,
  address: scriptText(scriptPubkey)
})

// --- internal ---

const TXID_BYTES = 32
/** The digit 0 in ASCII. */
const ZERO = 48
