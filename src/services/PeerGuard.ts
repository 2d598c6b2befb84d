/**
 * Who misbehaves: scores and bans by peer.
 *
 * A score rises with each offence and halves every ten minutes; at the limit the peer is banned for a while. Offences
 * are counted by peer, so reconnecting forgets nothing. Configured peers are scored like others but never banned.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PeerId } from "../protocol/PeerId.ts"

export type Offence =
  | "malformedLine"
  | "badMagic"
  | "badVersion"
  | "invalidBlock"
  | "unaskedResponse"
  | "invalidHeartbeat"

export interface Ban {
  readonly peer: PeerId
  /** Milliseconds since the Unix epoch. */
  readonly until: number
}

export class PeerGuard extends Context.Service<
  PeerGuard,
  {
    /** Counts an offence. `banned` says that the connection must be closed now. */
    readonly report: (peer: PeerId, offence: Offence) => Effect.Effect<"tolerated" | "banned">
    readonly isBanned: (peer: PeerId) => Effect.Effect<boolean>
    readonly score: (peer: PeerId) => Effect.Effect<number>
    readonly ban: (peer: PeerId, milliseconds: number) => Effect.Effect<void>
    readonly lift: (peer: PeerId) => Effect.Effect<void>
    readonly bans: Effect.Effect<ReadonlyArray<Ban>>
  }
>()("timenode/services/PeerGuard") {
  /** Tolerates everybody, except as overridden. */
  static readonly layerTest = (overrides: Partial<PeerGuard["Service"]> = {}): Layer.Layer<PeerGuard> =>
    Layer.succeed(
      PeerGuard,
      PeerGuard.of({
        report: () => Effect.succeed("tolerated"),
        isBanned: () => Effect.succeed(false),
        score: () => Effect.succeed(0),
        ban: () => Effect.void,
        lift: () => Effect.void,
        bans: Effect.succeed([]),
        ...overrides
      })
    )
}
