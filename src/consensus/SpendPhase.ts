/**
 * What an output goes through while it is spent: Unspent → Locked → SpentPending → SpentFinalized → Confirmed.
 *
 * The one place that says which step follows which phase. Before a vote is won a spend is given up only for a reason;
 * after it, only a block can say otherwise. A block decides from any phase, because nodes agree about blocks and not
 * about what each of them has heard.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { PublicKey } from "../protocol/Ed25519.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import type { UtxoState } from "../protocol/Utxo.ts"
import { quorum } from "./Quorum.ts"

/** Who may vote on a transaction: the masternodes that were active when it came, as this node knows them. */
export interface Electorate {
  /** A hash over the members in hex: equal for equal sets. */
  readonly id: string
  readonly members: ReadonlyArray<{ readonly address: string; readonly publicKey: PublicKey }>
}

/** Times are in seconds. */
export type SpendPhase =
  | { readonly _tag: "Unspent" }
  /** Promised to a transaction that nobody votes on yet. */
  | { readonly _tag: "Locked"; readonly at: bigint }
  /** The transaction is being voted on: `votes` approvals of `totalNodes`. */
  | { readonly _tag: "SpentPending"; readonly votes: number; readonly totalNodes: number; readonly at: bigint }
  /** A quorum approved. */
  | { readonly _tag: "SpentFinalized"; readonly votes: number; readonly at: bigint }
  /** Spent in a block of the best chain. */
  | { readonly _tag: "Confirmed"; readonly height: bigint; readonly at: bigint }

/** Phases of a transaction that is in no block. */
export type PoolPhase = Extract<SpendPhase, { readonly _tag: "Locked" | "SpentPending" | "SpentFinalized" }>

/** Why a spend that is not final is given up. */
export type ReleaseReason = "Expired" | "Conflict" | "Rejected"

export type SpendStep =
  | { readonly _tag: "Lock"; readonly at: bigint }
  | { readonly _tag: "Poll"; readonly electorate: Electorate; readonly at: bigint }
  /** So many approvals were counted; a lower count than before, as after a restart, changes nothing. */
  | { readonly _tag: "Count"; readonly votes: number }
  | { readonly _tag: "Finalize"; readonly votes: number; readonly at: bigint }
  | { readonly _tag: "Release"; readonly reason: ReleaseReason }
  | { readonly _tag: "Confirm"; readonly height: bigint; readonly at: bigint }
  /** A block spends the same output otherwise, or takes away what is spent. */
  | { readonly _tag: "Overrule" }
  /** The block came off the best chain. */
  | { readonly _tag: "Disconnect" }

/** The step does not follow the phase, or counts more or fewer votes than it may. No retry helps. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  from: Schema.String,
  step: Schema.String
}) {}

/** The phase after a step. */
export const advance = (phase: SpendPhase, step: SpendStep): Result.Result<SpendPhase, IllegalTransition> => {
  const next = follow(phase, step)
  return next === undefined
    ? Result.fail(new IllegalTransition({ from: phase._tag, step: step._tag }))
    : Result.succeed(next)
}

export const UNSPENT: SpendPhase = { _tag: "Unspent" }

/** True for the phase of a transaction that lies in the pool. */
export const isPooled = (phase: SpendPhase): phase is PoolPhase =>
  phase._tag !== "Unspent" && phase._tag !== "Confirmed"

/** The state of an output that a transaction of the pool spends, as others are told it. */
export const spentState = (txid: Hash256, phase: PoolPhase): UtxoState => {
  switch (phase._tag) {
    case "Locked":
      return { _tag: "Locked", txid, lockedAt: phase.at }
    case "SpentPending":
      return { _tag: "SpentPending", txid, votes: phase.votes, totalNodes: phase.totalNodes, spentAt: phase.at }
    case "SpentFinalized":
      return { _tag: "SpentFinalized", txid, finalizedAt: phase.at, votes: phase.votes }
  }
}

// --- internal ---

const follow = (phase: SpendPhase, step: SpendStep): SpendPhase | undefined => {
  switch (step._tag) {
    case "Lock":
      return phase._tag === "Unspent" ? { _tag: "Locked", at: step.at } : undefined
    case "Poll": {
      const totalNodes = step.electorate.members.length
      return phase._tag === "Locked" && totalNodes > 0
        ? { _tag: "SpentPending", votes: 0, totalNodes, at: step.at }
        : undefined
    }
    case "Count":
      return phase._tag === "SpentPending" && step.votes >= 0 && step.votes <= phase.totalNodes
        ? { ...phase, votes: Math.max(phase.votes, step.votes) }
        : undefined
    case "Finalize":
      return phase._tag === "SpentPending" && step.votes >= quorum(phase.totalNodes) && step.votes <= phase.totalNodes
        ? { _tag: "SpentFinalized", votes: step.votes, at: step.at }
        : undefined
    case "Release":
      return phase._tag === "Locked" || phase._tag === "SpentPending" ? UNSPENT : undefined
    case "Confirm":
      return phase._tag === "Confirmed" ? undefined : { _tag: "Confirmed", height: step.height, at: step.at }
    case "Overrule":
      return isPooled(phase) ? UNSPENT : undefined
    case "Disconnect":
      return phase._tag === "Confirmed" ? UNSPENT : undefined
  }
}
