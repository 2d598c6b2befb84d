/**
 * Who may spend an output: an agreement of timenodes inside `scriptSig`, which `timed` never reads.
 *
 * The input carries the public key whose address the output pays to, and that key's signature over the transaction
 * with all `scriptSig`s emptied. The signed hash begins with a tag of its own, so that no other signature of the same
 * key can be passed off as a spend.
 */
import { addressOf, addressScript } from "./Address.ts"
import { bytesEqual, concatBytes } from "./ByteArray.ts"
import { type PublicKey, type SigningKey, verify } from "./Ed25519.ts"
import { type Hash256, sha256 } from "./Hash.ts"
import type { Network } from "./Network.ts"
import { type Transaction, transactionBytes, type TxInput } from "./Transaction.ts"
import type { Utxo } from "./Utxo.ts"

/** The hash that every signature of a transaction covers. */
export const spendDigest = (transaction: Transaction): Hash256 => {
  const inputs = transaction.inputs.map((input) => ({ ...input, scriptSig: NOTHING }))
  return sha256(concatBytes(TAG, transactionBytes({ ...transaction, inputs })))
}

/** The transaction with all its inputs signed by one key. Its txid is another than before. */
export const signSpends = (transaction: Transaction, key: SigningKey): Transaction => {
  const scriptSig = concatBytes(key.publicKey, key.sign(spendDigest(transaction)))
  return { ...transaction, inputs: transaction.inputs.map((input) => ({ ...input, scriptSig })) }
}

/** True if the input's signature entitles it to spend `coin`; `digest` is the transaction's {@link spendDigest}. */
export const authorises = (input: TxInput, digest: Hash256, coin: Utxo, network: Network): boolean => {
  const { scriptSig } = input
  if (scriptSig.length !== PUBLIC_KEY_BYTES + SIGNATURE_BYTES) return false
  // A key that is no curve point verifies nothing.
  const publicKey = scriptSig.slice(0, PUBLIC_KEY_BYTES) as PublicKey
  return (
    bytesEqual(addressScript(addressOf(publicKey, network)), coin.scriptPubkey) &&
    verify(publicKey, digest, scriptSig.subarray(PUBLIC_KEY_BYTES))
  )
}

// --- internal ---

const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const TAG = new TextEncoder().encode("TIMECOIN_SPEND:")
const NOTHING = new Uint8Array(0)
