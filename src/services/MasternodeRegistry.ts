/**
 * The masternodes this node knows of, how it knows, and which of them are active.
 *
 * A masternode is known by its IP. `announced` ones said so themselves on their own connection; `hinted` ones were named
 * by others and prove nothing. Active is who announced itself and signs heartbeats with the key it announced, by the
 * times that it signed: nodes that hold the same heartbeats see the same masternodes active. Collateral is claimed,
 * never proven, see docs/protocol.md, M-9.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PublicKey } from "../protocol/Ed25519.ts"
import type { SignedHeartbeat, WitnessAttestation } from "../protocol/Heartbeat.ts"
import type { MasternodeRecord, MasternodeTier } from "../protocol/Masternode.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/**
 * `silent`: no heartbeat counted of late. `unproven`: the heartbeats that it brings have another key than the one
 * announced, as do those of every `timed`. `hinted`: only others speak of it.
 */
export type MasternodeStatus = "active" | "silent" | "unproven" | "hinted"

export interface KnownMasternode extends MasternodeRecord {
  readonly peer: PeerId
  readonly source: "own" | "announced" | "hinted"
  /** Now. */
  readonly status: MasternodeStatus
  /** Milliseconds since the Unix epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** The newest heartbeat under the announced key; null before the first. */
  readonly lastHeartbeat: Pick<SignedHeartbeat, "sequenceNumber" | "timestamp"> | null
  /** Since when heartbeats have come without a gap, in seconds since the Unix epoch; null when it is not active. */
  readonly activeSince: bigint | null
  /** Seconds of activity that heartbeats cover, gaps left out. */
  readonly uptime: bigint
  /** Heartbeats that enough others attested. */
  readonly verifiedHeartbeats: number
}

/** A masternode that takes part in consensus. Its tier is a claim and gives it no weight. */
export interface ActiveMasternode {
  readonly peer: PeerId
  readonly publicKey: PublicKey
  readonly rewardAddress: string
  readonly tier: MasternodeTier
}

/** A heartbeat that counted, and the other masternodes that attested it. */
export interface CountedHeartbeat {
  readonly peer: PeerId
  readonly sequence: bigint
  /** As it was signed, in seconds since the Unix epoch. */
  readonly timestamp: bigint
  readonly witnesses: ReadonlyArray<PeerId>
}

/** Witnesses that make a heartbeat a verified one, as `timed` counts. It is statistics, and decides nothing. */
export const VERIFYING_WITNESSES = 3
export const isVerified = ({ witnesses }: Pick<CountedHeartbeat, "witnesses">): boolean =>
  witnesses.length >= VERIFYING_WITNESSES

/**
 * `new` is counted, and worth passing on. `known` is old, or counted before. `foreign` concerns no announced masternode
 * under its announced key: it may be true and is nobody's fault, but does not count. `invalid` is forged.
 */
export type HeartbeatVerdict = "new" | "known" | "foreign" | "invalid"

export class MasternodeRegistry extends Context.Service<
  MasternodeRegistry,
  {
    /**
     * A masternode spoke for itself on its own connection. `new` says that it was not known as announced, `pending` that
     * it said something else than before, which waits for a heartbeat under the key it has proven; `full` that there is
     * no room for it, `refused` that its reward address is longer than is kept.
     */
    readonly announce: (
      peer: PeerId,
      record: MasternodeRecord
    ) => Effect.Effect<"new" | "refreshed" | "pending" | "full" | "refused">
    /** `from` named masternodes; how many were new. */
    readonly hint: (records: ReadonlyArray<MasternodeRecord>, from: PeerId) => Effect.Effect<number>
    /** A heartbeat that came on the connection of `from`. */
    readonly heartbeat: (heartbeat: SignedHeartbeat, from: PeerId) => Effect.Effect<HeartbeatVerdict>
    readonly attestation: (attestation: WitnessAttestation) => Effect.Effect<HeartbeatVerdict>
    /**
     * Those active at a time, in seconds since the Unix epoch, in the order of the bytes of their addresses; this node
     * included if it is one of them. True of the last quarter of an hour, and of the next three minutes as far as
     * heartbeats have come.
     */
    readonly activeAt: (at: bigint) => ReadonlyArray<ActiveMasternode>
    /** This node's next heartbeat, counted and stored; null when it is no masternode, or cannot store it. */
    readonly beat: Effect.Effect<SignedHeartbeat | null>
    /** This node's last heartbeat, for peers that have come since; null before the first. */
    readonly lastBeat: Effect.Effect<SignedHeartbeat | null>
    /** This node's word for another's heartbeat that counted, counted itself; null when it is not called for. */
    readonly witness: (heartbeat: SignedHeartbeat) => Effect.Effect<WitnessAttestation | null>
    /** Every known masternode, in order of first sight. */
    readonly list: Effect.Effect<ReadonlyArray<KnownMasternode>>
    /** The heartbeats that counted of late, by masternode, newest first. */
    readonly heartbeats: Effect.Effect<ReadonlyArray<CountedHeartbeat>>
    /** This node's own record, when it is a masternode. */
    readonly own: Effect.Effect<MasternodeRecord | null>
  }
>()("timenode/services/MasternodeRegistry") {
  /** Knows nobody, except as overridden. */
  static readonly layerTest = (
    overrides: Partial<MasternodeRegistry["Service"]> = {}
  ): Layer.Layer<MasternodeRegistry> =>
    Layer.succeed(
      MasternodeRegistry,
      MasternodeRegistry.of({
        announce: () => Effect.succeed("new"),
        hint: () => Effect.succeed(0),
        heartbeat: () => Effect.succeed("new"),
        attestation: () => Effect.succeed("new"),
        activeAt: () => [],
        beat: Effect.succeed(null),
        lastBeat: Effect.succeed(null),
        witness: () => Effect.succeed(null),
        list: Effect.succeed([]),
        heartbeats: Effect.succeed([]),
        own: Effect.succeed(null),
        ...overrides
      })
    )
}
