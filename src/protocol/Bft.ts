/**
 * The parts of BFT messages. Signatures are byte vectors here, of any length, unlike elsewhere.
 *
 * `timed` signs the hash of a block alone, so that a vote says neither its round nor its kind. Timenodes sign a hash that
 * covers these, see docs/protocol.md, H-27, and send after the signature what opens it: whoever gets such a vote knows
 * what it is about at once, and a `timed`, which ignores votes on hashes it does not know, never counts it.
 */
import * as Schema from "effect/Schema"
import * as Bincode from "./Bincode.ts"
import { ByteVector, bytesEqual, concatBytes } from "./ByteArray.ts"
import { type PublicKey, type SigningKey, verify } from "./Ed25519.ts"
import { type Hash256, sha256 } from "./Hash.ts"
import type { Height } from "./Height.ts"
import { U64 } from "./Integer.ts"
import { tupleStruct } from "./WireType.ts"

/** One approving vote of a commit certificate. */
export const CommitSignature = tupleStruct({ voter: Schema.String, signature: ByteVector })
export type CommitSignature = typeof CommitSignature.Type

/** What the proposer of a block signs, as `timed` does. */
export const proposalBytes = (blockHash: Hash256): Uint8Array => blockHash

/** What a voter on a block signs. The signatures of a commit are those of approving votes. */
export const blockVoteBytes = (blockHash: Hash256, approve: boolean): Uint8Array =>
  concatBytes(blockHash, Uint8Array.of(approve ? 1 : 0))

/** What is signed in a round: that a block is proposed, that it would do, that it is decided. */
export type RoundStatement = "Proposal" | "Prevote" | "Precommit"
export type VoteKind = Exclude<RoundStatement, "Proposal">

/** The hash that stands for a statement; that of no block, 32 zero bytes, means "none in this round". */
export const roundHash = (kind: RoundStatement, height: Height, round: number, blockHash: Hash256): Hash256 =>
  sha256(concatBytes(TAGS[kind], u64(height), u64(BigInt(round)), blockHash))

/** The signature of a proposal, 64 bytes. */
export const signProposal = (height: Height, round: number, blockHash: Hash256, key: SigningKey): Uint8Array =>
  key.sign(roundHash("Proposal", height, round, blockHash))

export const verifyProposal = (
  height: Height,
  round: number,
  blockHash: Hash256,
  signature: Uint8Array,
  key: PublicKey
): boolean => verify(key, roundHash("Proposal", height, round, blockHash), signature)

/** What a vote says, apart from who says it. */
export interface Ballot {
  readonly kind: VoteKind
  readonly height: Height
  readonly round: number
  /** 32 zero bytes for none. */
  readonly blockHash: Hash256
}

/** `block_hash` and `signature` of the BlockVote that casts the ballot. */
export const signBallot = (
  ballot: Ballot,
  key: SigningKey
): { readonly blockHash: Hash256; readonly signature: Uint8Array } => {
  const hash = hashOf(ballot)
  const opening = concatBytes(Uint8Array.of(KINDS.indexOf(ballot.kind)), u64(BigInt(ballot.round)), ballot.blockHash)
  return { blockHash: hash, signature: concatBytes(key.sign(blockVoteBytes(hash, true)), opening) }
}

/** The ballot of a BlockVote; `undefined` if it is none, as the votes of a `timed`. The signature is not checked. */
export const openBallot = (height: Height, blockHash: Hash256, signature: Uint8Array): Ballot | undefined => {
  if (signature.length !== SIGNATURE_BYTES + OPENING_BYTES) return undefined
  const kind = KINDS[signature[SIGNATURE_BYTES]!]
  const round = roundAt(signature, SIGNATURE_BYTES + 1)
  if (kind === undefined || round === undefined) return undefined
  const ballot: Ballot = { kind, height, round, blockHash: signature.slice(-32) as Hash256 }
  return bytesEqual(hashOf(ballot), blockHash) ? ballot : undefined
}

/** True if the holder of `key` cast the ballot; `signature` is that of the BlockVote, or its first 64 bytes. */
export const verifyBallot = (ballot: Ballot, signature: Uint8Array, key: PublicKey): boolean =>
  verify(key, blockVoteBytes(hashOf(ballot), true), signature.subarray(0, SIGNATURE_BYTES))

/** The signature of a precommit as it stands in a BlockCommit, whose other fields say the rest: with its round alone. */
export const certificateSignature = (signature: Uint8Array): Uint8Array =>
  signature.slice(0, SIGNATURE_BYTES + ROUND_BYTES + 1).filter((_, index) => index !== SIGNATURE_BYTES)

/** The round of a signature in a BlockCommit; `undefined` if it is none of ours. */
export const certificateRound = (signature: Uint8Array): number | undefined =>
  signature.length === SIGNATURE_BYTES + ROUND_BYTES ? roundAt(signature, SIGNATURE_BYTES) : undefined

// --- internal ---

const SIGNATURE_BYTES = 64
const ROUND_BYTES = 8
/** Kind, round and block hash. */
const OPENING_BYTES = 1 + ROUND_BYTES + 32
const KINDS: ReadonlyArray<VoteKind> = ["Prevote", "Precommit"]

const utf8 = new TextEncoder()
const u64 = Bincode.encoder(U64)

const TAGS: Readonly<Record<RoundStatement, Uint8Array>> = {
  Proposal: utf8.encode("TIMECOIN_PROPOSAL:"),
  Prevote: utf8.encode("TIMECOIN_PREVOTE:"),
  Precommit: utf8.encode("TIMECOIN_PRECOMMIT:")
}

const hashOf = ({ blockHash, height, kind, round }: Ballot): Hash256 => roundHash(kind, height, round, blockHash)

/** Rounds are small; one that a number cannot hold is none. */
const roundAt = (bytes: Uint8Array, offset: number): number | undefined => {
  const round = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true)
  return round <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(round) : undefined
}
