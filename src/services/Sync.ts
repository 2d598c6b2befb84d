/**
 * Catching up with the peers' chains.
 *
 * Sessions say what heights their peers report; the rest is done here, apart from every peer's own handler, so that no
 * peer waits for blocks to be checked.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { height, type Height } from "../protocol/Height.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export interface SyncStatus {
  /** The highest height a connected peer has reported, believed or not. */
  readonly best: Height
  /** The height of our chain. */
  readonly height: Height
  /** How high it can get with what peers have that are not passed over; at least `height`. */
  readonly target: Height
  /** How fast it grew over the last seconds; 0 at rest. */
  readonly blocksPerSecond: number
  /** At that speed; null when it is 0. */
  readonly secondsLeft: number | null
  /** The peers that blocks are being fetched from. */
  readonly peers: ReadonlyArray<PeerId>
}

export class Sync extends Context.Service<
  Sync,
  {
    /** The peer says its chain is this high. Never waits. */
    readonly report: (peer: PeerId, height: Height) => Effect.Effect<void>
    /** Ask the peer for its height when there is time. Never waits. */
    readonly consider: (peer: PeerId) => Effect.Effect<void>
    readonly status: Effect.Effect<SyncStatus>
  }
>()("timenode/services/Sync") {
  /** Fetches nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<Sync["Service"]> = {}): Layer.Layer<Sync> =>
    Layer.succeed(
      Sync,
      Sync.of({
        report: () => Effect.void,
        consider: () => Effect.void,
        status: Effect.succeed({
          best: height(0),
          height: height(0),
          target: height(0),
          blocksPerSecond: 0,
          secondsLeft: null,
          peers: []
        }),
        ...overrides
      })
    )
}
