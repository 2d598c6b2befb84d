/**
 * Making blocks together with the other masternodes.
 *
 * What is decided goes on the chain through `Blockchain`, like any block. A node that is no masternode takes no part, but
 * checks what it passes on, and knows by their certificates which blocks were decided.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Hash256 } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import type { MessageOf } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export type ConsensusMessage = MessageOf<"BlockProposal" | "BlockVote" | "BlockCommit">

/**
 * `Waiting`: the height is not due, or peers have it. `TooFew`: there are not enough masternodes. `Halted`: what we sign
 * cannot be kept, so that nothing is signed until the node is started again.
 */
export type ConsensusStep = "Waiting" | "TooFew" | "Halted" | "Propose" | "Prevote" | "Precommit"

export interface ConsensusStatus {
  /** The height that is being decided, or will be next. */
  readonly height: Height
  /** From 0 on; each time that another set takes over it goes on at the next multiple of 1,009. */
  readonly round: number
  readonly step: ConsensusStep
  /** Whose turn it is; null while nothing is being decided. */
  readonly leader: string | null
  /** Members of the set; 0 while nothing is being decided. */
  readonly members: number
  /** This node is one of them. */
  readonly isMember: boolean
}

export interface CertifiedBlock {
  readonly height: Height
  readonly hash: Hash256
}

export class Consensus extends Context.Service<
  Consensus,
  {
    /** A peer said something about a block to be decided. Never waits; beyond a bound it is dropped, and comes again. */
    readonly receive: (message: ConsensusMessage, from: PeerId) => Effect.Effect<void>
    /** A plain read. */
    readonly status: () => ConsensusStatus
    /** The highest block whose certificate was seen since the start; a plain read. */
    readonly certified: () => CertifiedBlock | null
  }
>()("timenode/services/Consensus") {
  /** Takes no part, except as overridden. */
  static readonly layerTest = (overrides: Partial<Consensus["Service"]> = {}): Layer.Layer<Consensus> =>
    Layer.succeed(
      Consensus,
      Consensus.of({
        receive: () => Effect.void,
        status: () => ({ height: height(1), round: 0, step: "Waiting", leader: null, members: 0, isMember: false }),
        certified: () => null,
        ...overrides
      })
    )
}
