/**
 * Which of two branches is followed, and when peers' votes allow a change of branch.
 *
 * The choice depends on nothing but the branches: whoever knows both prefers the same one. The vote keeps a node with
 * its own chain unless most of those that it asked have answered, and most of them are on the other branch.
 */
import { compareBytes } from "../protocol/ByteArray.ts"
import type { Hash256 } from "../protocol/Hash.ts"

/** The last block of a branch. */
export interface BranchEnd {
  readonly height: bigint
  readonly hash: Hash256
}

/** True if the first branch is preferred: it is longer, or as long and ends with the lower hash. */
export const isBetter = (one: BranchEnd, other: BranchEnd): boolean =>
  one.height > other.height || (one.height === other.height && compareBytes(one.hash, other.hash) < 0)

/** A branch, and the height of its last block that masternodes are known to have decided; null if there is none. */
export interface KnownBranch extends BranchEnd {
  readonly certified: bigint | null
}

/**
 * {@link isBetter} where certificates are known: what was decided is final, so that no length outweighs it. Two branches
 * have decided blocks at one height only if they share the block, or a third of the masternodes was faulty.
 */
export const prefers = (one: KnownBranch, other: KnownBranch): boolean => {
  const [ours, theirs] = [one.certified ?? -1n, other.certified ?? -1n]
  return ours === theirs ? isBetter(one, other) : ours > theirs
}

/** How many peers were asked for their block where two branches part, and how many named which. */
export interface ForkVotes {
  readonly asked: number
  readonly ours: number
  readonly theirs: number
  /** Those on neither of the two. */
  readonly other: number
}

/** `Silence`: too few have answered to know anything. `Minority`: enough have, and too few are on the other branch. */
export type VoteOutcome = "Carried" | "Silence" | "Minority"

/** Whether the other branch may be taken. Silence is no vote for anybody, so that without answers it never may. */
export const decideVote = ({ asked, other, ours, theirs }: ForkVotes): VoteOutcome => {
  const answers = ours + theirs + other
  if (answers * 2 <= asked || answers === 0) return "Silence"
  return theirs >= Math.floor((2 * answers) / 3) + 1 ? "Carried" : "Minority"
}
