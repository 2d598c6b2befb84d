/**
 * The parts of BFT messages. Signatures are byte vectors here, of any length, unlike elsewhere.
 */
import * as Schema from "effect/Schema"
import { ByteVector, concatBytes } from "./ByteArray.ts"
import type { Hash256 } from "./Hash.ts"
import { tupleStruct } from "./WireType.ts"

/** One approving vote of a commit certificate. */
export const CommitSignature = tupleStruct({ voter: Schema.String, signature: ByteVector })
export type CommitSignature = typeof CommitSignature.Type

/** What the proposer of a block signs. */
export const proposalBytes = (blockHash: Hash256): Uint8Array => blockHash

/** What a voter on a block signs. The signatures of a commit are those of approving votes. */
export const blockVoteBytes = (blockHash: Hash256, approve: boolean): Uint8Array =>
  concatBytes(blockHash, Uint8Array.of(approve ? 1 : 0))
