/**
 * The votes on one transaction, counted.
 *
 * A member of the electorate has one vote. What it says a second time is not counted, and a vote against its own first
 * one is remembered as equivocation. With fewer than a third of liars, no two quorums of one electorate can both be had
 * for transactions of which an honest member approves only one.
 */
import { verifyVote, type Vote } from "../protocol/Vote.ts"
import { quorum } from "./Quorum.ts"
import type { Electorate } from "./SpendPhase.ts"

export type Counted = "counted" | "duplicate" | "equivocation" | "stranger" | "forged"

export class VoteTally {
  readonly electorate: Electorate
  readonly #keys: ReadonlyMap<string, Electorate["members"][number]>
  readonly #votes = new Map<string, Vote>()
  #approvals = 0

  constructor(electorate: Electorate) {
    this.electorate = electorate
    this.#keys = new Map(electorate.members.map((member) => [member.address, member]))
  }

  get approvals(): number {
    return this.#approvals
  }

  get rejections(): number {
    return this.#votes.size - this.#approvals
  }

  /** Counts a vote on this tally's transaction, unless it must not count. */
  add(vote: Vote): Counted {
    const member = this.#keys.get(vote.voter)
    if (member === undefined) return "stranger"
    const earlier = this.#votes.get(vote.voter)
    if (earlier !== undefined && earlier.approve === vote.approve) return "duplicate"
    if (!verifyVote(vote, member.publicKey)) return "forged"
    if (earlier !== undefined) return "equivocation"
    this.#votes.set(vote.voter, vote)
    if (vote.approve) this.#approvals++
    return "counted"
  }

  /** Approved by a quorum, or rejected by so many that no quorum is left among the others. */
  get outcome(): "open" | "approved" | "rejected" {
    const n = this.electorate.members.length
    if (this.#approvals >= quorum(n)) return "approved"
    return this.rejections > n - quorum(n) ? "rejected" : "open"
  }
}
