/**
 * Votes that came before their transaction: bounded in all and for each voter, and forgotten when they are old.
 */
import * as Limits from "../protocol/Limits.ts"
import { toHex } from "../protocol/Hash.ts"
import type { Vote } from "../protocol/Vote.ts"

export class EarlyVotes {
  /** By transaction and voter, the oldest first. */
  readonly #votes = new Map<string, { readonly vote: Vote; readonly came: number }>()
  readonly #perVoter = new Map<string, number>()

  get size(): number {
    return this.#votes.size
  }

  /** True unless the voter has too many, or has voted already. Times are in milliseconds. */
  add(vote: Vote, now: number): boolean {
    this.#forget(now)
    const name = nameOf(vote)
    const count = this.#perVoter.get(vote.voter) ?? 0
    if (this.#votes.has(name) || count >= Limits.EARLY_VOTES_PER_VOTER) return false
    this.#votes.set(name, { vote, came: now })
    this.#perVoter.set(vote.voter, count + 1)
    if (this.#votes.size > Limits.EARLY_VOTES) this.#remove(this.#votes.keys().next().value!)
    return true
  }

  /** The votes of these voters on a transaction; they are not kept any more. */
  take(txid: Vote["txid"], voters: ReadonlyArray<string>): ReadonlyArray<Vote> {
    if (this.#votes.size === 0) return []
    return voters.flatMap((voter) => {
      const name = nameOf({ txid, voter })
      const found = this.#votes.get(name)
      if (found === undefined) return []
      this.#remove(name)
      return [found.vote]
    })
  }

  #forget(now: number): void {
    for (const [name, { came }] of this.#votes) {
      if (now - came < Limits.EARLY_VOTE_AGE) return
      this.#remove(name)
    }
  }

  #remove(name: string): void {
    const { vote } = this.#votes.get(name)!
    this.#votes.delete(name)
    const left = this.#perVoter.get(vote.voter)! - 1
    if (left === 0) this.#perVoter.delete(vote.voter)
    else this.#perVoter.set(vote.voter, left)
  }
}

// --- internal ---

const nameOf = ({ txid, voter }: Pick<Vote, "txid" | "voter">): string => `${toHex(txid)} ${voter}`
