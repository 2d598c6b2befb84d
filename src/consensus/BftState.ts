/**
 * What a member of the set knows of one height that is being decided: the state of {@link ./BftRound.ts} and what it is
 * told and tells.
 */
import type { VoteKind } from "../protocol/Bft.ts"
import type { Height } from "../protocol/Height.ts"

/** A block by the hex of its hash. */
export type Value = string
/** A vote for no block. */
export const NIL: Value = ""

/** A vote whose signature was checked; the signature is kept as evidence. */
export interface RoundVote {
  readonly kind: VoteKind
  readonly round: number
  readonly voter: string
  readonly value: Value
  readonly signature: Uint8Array
}

/** A proposal whose signature was checked, made by the leader of its round. */
export interface RoundProposal {
  readonly round: number
  readonly value: Value
  /** Whether we would have the block on our chain. */
  readonly isValid: boolean
}

/** A block and the round in which it got what it has. */
export interface Choice {
  readonly round: number
  readonly value: Value
}

/** The set that votes from round `first` on, in the order of its addresses. */
export interface Epoch {
  readonly first: number
  readonly members: ReadonlyArray<string>
}

export type Step = "Propose" | "Prevote" | "Precommit"

/** What must survive a crash: without it a member would contradict what it signed before. */
export interface Memory {
  readonly round: number
  readonly step: Step
  readonly locked: Choice | null
  readonly valid: Choice | null
  /** Our own, of that round and of the one before it. */
  readonly votes: ReadonlyArray<RoundVote>
}

/**
 * The votes of one kind in one round, by value and voter. Who votes for two values counts for both: others may have seen
 * a quorum with either of these votes, and two quorums share somebody who votes once.
 */
export interface VoteSet {
  readonly voters: ReadonlySet<string>
  readonly byValue: ReadonlyMap<Value, ReadonlyMap<string, RoundVote>>
}

export interface RoundRecord {
  /** What its leader proposed: the first counts, and one more is evidence and may be what others voted for. */
  readonly proposals: ReadonlyArray<Value>
  readonly Prevote: VoteSet
  readonly Precommit: VoteSet
  /** The timeouts that were asked for. */
  readonly timers: ReadonlySet<VoteKind>
}

export interface BftState {
  readonly height: Height
  /** Null for somebody who watches and never votes. */
  readonly self: string | null
  /** The latest last; a few. */
  readonly epochs: ReadonlyArray<Epoch>
  /** -1 before the start. */
  readonly round: number
  readonly step: Step
  /** What we precommitted last: nothing else gets our vote unless a later round shows a quorum for it. */
  readonly locked: Choice | null
  /** The last valid block that a quorum prevoted: what we propose. */
  readonly valid: Choice | null
  readonly decided: Choice | null
  readonly rounds: ReadonlyMap<number, RoundRecord>
  /** The blocks proposed, and whether they are valid. */
  readonly values: ReadonlyMap<Value, boolean>
  /** The highest round that each member has voted in. */
  readonly heard: ReadonlyMap<string, number>
}

export type BftEvent =
  /** The height is due, or another set takes over: it votes from `epoch.first` on. */
  | { readonly _tag: "Start"; readonly epoch: Epoch }
  | { readonly _tag: "Proposal"; readonly proposal: RoundProposal }
  | { readonly _tag: "Vote"; readonly vote: RoundVote }
  /** A quorum of others precommitted, as their signatures show. */
  | { readonly _tag: "Certificate"; readonly choice: Choice }
  | { readonly _tag: "Timeout"; readonly step: Step; readonly round: number }

export type BftAction =
  /** It is our turn: propose this block, or one of our making. Comes back as a `Proposal`. */
  | { readonly _tag: "Propose"; readonly round: number; readonly value: Value | null }
  /** Sign, keep and send. Comes back as a `Vote`. */
  | { readonly _tag: "Cast"; readonly kind: VoteKind; readonly round: number; readonly value: Value }
  /** Comes back as a `Timeout`, after a time that grows with the round. */
  | { readonly _tag: "Wait"; readonly step: Step; readonly round: number }
  /** Once a height, and the last action of it. */
  | { readonly _tag: "Decide"; readonly round: number; readonly value: Value }
  /** The same member signed two values where it may sign one. */
  | {
      readonly _tag: "Equivocation"
      readonly voter: string
      readonly round: number
      readonly what: "Proposal" | VoteKind
    }
