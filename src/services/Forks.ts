/**
 * Branches of peers that have parted from our chain: whether one of them should be the best chain is found out here,
 * apart from whoever came upon it, so that syncing and handling go on meanwhile.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PeerId } from "../protocol/PeerId.ts"

export class Forks extends Context.Service<
  Forks,
  {
    /**
     * Look into the branch that the peer is on, when there is a place. Never waits. What comes of it shows in
     * `Blockchain.changes`; nothing does if the peer is being looked into, was so of late, or too many wait.
     */
    readonly consider: (peer: PeerId) => Effect.Effect<void>
  }
>()("timenode/services/Forks") {
  /** Looks into nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<Forks["Service"]> = {}): Layer.Layer<Forks> =>
    Layer.succeed(Forks, Forks.of({ consider: () => Effect.void, ...overrides }))
}
