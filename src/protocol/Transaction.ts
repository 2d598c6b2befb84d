/**
 * Transactions. One without inputs is a coinbase.
 *
 * `scriptPubkey` is the ASCII of an address. `timed` never reads `scriptSig`, `sequence`, `version` and `lockTime`.
 */
import * as Schema from "effect/Schema"
import * as Bincode from "./Bincode.ts"
import { ByteVector } from "./ByteArray.ts"
import { Hash256, sha256 } from "./Hash.ts"
import { U32, UnixSeconds } from "./Integer.ts"
import { Satoshi } from "./Satoshi.ts"

/** Names one output of one transaction. */
export const OutPoint = Schema.Struct({ txid: Hash256, vout: U32 })
export type OutPoint = typeof OutPoint.Type

export const TxInput = Schema.Struct({ previousOutput: OutPoint, scriptSig: ByteVector, sequence: U32 })
export type TxInput = typeof TxInput.Type

export const TxOutput = Schema.Struct({ value: Satoshi, scriptPubkey: ByteVector })
export type TxOutput = typeof TxOutput.Type

export const Transaction = Schema.Struct({
  version: U32,
  inputs: Schema.Array(TxInput),
  outputs: Schema.Array(TxOutput),
  lockTime: U32,
  timestamp: UnixSeconds
})
export type Transaction = typeof Transaction.Type

/** The name of a transaction: the hash of all its bytes, `scriptSig` included, so that a re-signed one has another. */
export const txid = (transaction: Transaction): Hash256 => sha256(transactionBytes(transaction))

/** The transaction as `timed` hashes and stores it. */
export const transactionBytes = Bincode.encoder(Transaction)

export const isCoinbase = (transaction: Transaction): boolean => transaction.inputs.length === 0
