/**
 * How transactions become final before they are in a block: masternodes vote, and a quorum decides.
 *
 * What others claim about finality is nothing; only signed votes of masternodes that were active when the transaction
 * came are counted. This node's own vote is on disk before anybody hears of it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Hash256 } from "../protocol/Hash.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Vote } from "../protocol/Vote.ts"
import type { StoreError } from "./ChainStore.ts"

/**
 * What became of a vote: `early` waits for its transaction; `ignored` is late, said before, or nobody's whose vote
 * counts; `forged` is not signed by whom it names.
 */
export type VoteFate = "counted" | "early" | "ignored" | "forged"

export class Finality extends Context.Service<
  Finality,
  {
    /** A vote that a peer sent. What counts, or may count, is passed on. */
    readonly vote: (vote: Vote, from: PeerId) => Effect.Effect<VoteFate, StoreError>
    /** This node's vote on a transaction, if it has cast one. */
    readonly ownVote: (txid: Hash256) => Effect.Effect<Vote | undefined, StoreError>
    /** Says no to a transaction that is valid, but spends what another of the pool spends. */
    readonly contest: (txid: Hash256) => Effect.Effect<void, StoreError>
  }
>()("timenode/services/Finality") {
  /** Counts nothing and votes on nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<Finality["Service"]> = {}): Layer.Layer<Finality> =>
    Layer.succeed(
      Finality,
      Finality.of({
        vote: () => Effect.succeed("ignored"),
        ownVote: () => Effect.succeed(undefined),
        contest: () => Effect.void,
        ...overrides
      })
    )
}
