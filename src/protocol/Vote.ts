/**
 * A masternode's vote on a transaction.
 */
import * as Schema from "effect/Schema"
import * as Bincode from "./Bincode.ts"
import { concatBytes } from "./ByteArray.ts"
import { type PublicKey, Signature, type SigningKey, verify } from "./Ed25519.ts"
import { Hash256 } from "./Hash.ts"
import { I64, UnixSeconds } from "./Integer.ts"

export const Vote = Schema.Struct({
  txid: Hash256,
  voter: Schema.String,
  approve: Schema.Boolean,
  timestamp: UnixSeconds,
  signature: Signature
})
export type Vote = typeof Vote.Type

/** What the voter signs: the parts without their lengths. */
export const voteBytes = ({ approve, timestamp, txid, voter }: Omit<Vote, "signature">): Uint8Array =>
  concatBytes(txid, utf8.encode(voter), Uint8Array.of(approve ? 1 : 0), i64(timestamp))

export const signVote = (vote: Omit<Vote, "signature">, key: SigningKey): Vote => ({
  ...vote,
  signature: key.sign(voteBytes(vote))
})

/** True if the holder of `publicKey` cast this vote. Whether that is the voter is for the registry to say. */
export const verifyVote = (vote: Vote, publicKey: PublicKey): boolean =>
  verify(publicKey, voteBytes(vote), vote.signature)

// --- internal ---

const utf8 = new TextEncoder()
const i64 = Bincode.encoder(I64)
