/**
 * Who misbehaves, and who takes too much: scores, bans and budgets by peer.
 *
 * A score rises with each offence and halves every ten minutes; at the limit the peer is banned for a while. All of it
 * belongs to peers and not to connections, so that reconnecting forgets nothing and refills nothing. Configured peers are
 * scored and charged like others but never banned.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { PEER_COST_BURST } from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export type Offence =
  | "malformedLine"
  | "badMagic"
  | "badVersion"
  | "invalidBlock"
  | "unaskedResponse"
  | "invalidHeartbeat"

/** `manual` bans are the operator's. */
export const BanReason = Schema.Literals(["misbehaving", "manual"])
export type BanReason = typeof BanReason.Type

export interface Ban {
  readonly peer: PeerId
  /** Milliseconds since the Unix epoch, as is `until`. */
  readonly since: number
  readonly until: number
  readonly reason: BanReason
}

/** The operator's own configuration names the peer, which would be dialled again and again. No retry helps. */
export class ConfiguredPeer extends Schema.TaggedError<ConfiguredPeer>()("ConfiguredPeer", {
  peer: Schema.String
}) {}

/** What a peer has left of its budget, in microseconds, and how many of its messages were dropped for lack of it. */
export interface Spending {
  readonly available: number
  readonly dropped: number
}

export class PeerGuard extends Context.Service<
  PeerGuard,
  {
    /** Counts an offence. `banned` says that the connection must be closed now. */
    readonly report: (peer: PeerId, offence: Offence) => Effect.Effect<"tolerated" | "banned">
    readonly isBanned: (peer: PeerId) => Effect.Effect<boolean>
    readonly score: (peer: PeerId) => Effect.Effect<number>
    /** The operator's ban, from now on; it replaces any other of the peer. Its connection is the caller's to close. */
    readonly ban: (peer: PeerId, milliseconds: number) => Effect.Effect<void, ConfiguredPeer>
    /** Ends a ban and forgets the score; false when there was no ban. */
    readonly lift: (peer: PeerId) => Effect.Effect<boolean>
    /** Ends all bans, and forgets the scores of those who were banned. */
    readonly clear: Effect.Effect<void>
    readonly bans: Effect.Effect<ReadonlyArray<Ban>>
    /**
     * Charges a peer for what its message costs, in microseconds. `beyond` says that it had not that much left, and
     * charges nothing; what costs more than a full budget takes all of it and leaves a debt. A plain function, because it
     * is called for every message.
     */
    readonly spend: (peer: PeerId, cost: number) => "within" | "beyond"
    /** Counts a message that was dropped because its cost was beyond the peer's budget. */
    readonly recordDropped: (peer: PeerId) => void
    readonly spending: (peer: PeerId) => Effect.Effect<Spending>
  }
>()("timenode/services/PeerGuard") {
  /** Tolerates everybody and everything, except as overridden. */
  static readonly layerTest = (overrides: Partial<PeerGuard["Service"]> = {}): Layer.Layer<PeerGuard> =>
    Layer.succeed(
      PeerGuard,
      PeerGuard.of({
        report: () => Effect.succeed("tolerated"),
        isBanned: () => Effect.succeed(false),
        score: () => Effect.succeed(0),
        ban: () => Effect.void,
        lift: () => Effect.succeed(false),
        clear: Effect.void,
        bans: Effect.succeed([]),
        spend: () => "within",
        recordDropped: () => {},
        spending: () => Effect.succeed({ available: PEER_COST_BURST, dropped: 0 }),
        ...overrides
      })
    )
}
