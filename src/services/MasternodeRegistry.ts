/**
 * The masternodes this node knows of, and how it knows.
 *
 * A masternode is known by its IP. `announced` ones said so themselves on their own connection; `hinted` ones were named
 * by others and prove nothing. Collateral is claimed, never proven, see docs/protocol.md, M-9.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SignedHeartbeat, WitnessAttestation } from "../protocol/Heartbeat.ts"
import type { MasternodeRecord } from "../protocol/Masternode.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export interface KnownMasternode extends MasternodeRecord {
  readonly peer: PeerId
  readonly source: "own" | "announced" | "hinted"
  /** Milliseconds since the Unix epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
}

export class MasternodeRegistry extends Context.Service<
  MasternodeRegistry,
  {
    /**
     * A masternode spoke for itself on its own connection. `new` says that it was not known as announced, `refused` that
     * its reward address is longer than is kept.
     */
    readonly announce: (
      peer: PeerId,
      record: MasternodeRecord
    ) => Effect.Effect<"new" | "refreshed" | "full" | "refused">
    /** Somebody named masternodes; how many were new. */
    readonly hint: (records: ReadonlyArray<MasternodeRecord>) => Effect.Effect<number>
    /** A heartbeat; `new` when it is valid, fresh and was not seen before. */
    readonly heartbeat: (heartbeat: SignedHeartbeat) => Effect.Effect<"new" | "known" | "invalid">
    readonly attestation: (attestation: WitnessAttestation) => Effect.Effect<"new" | "known" | "invalid">
    /** Every known masternode, in order of first sight. */
    readonly list: Effect.Effect<ReadonlyArray<KnownMasternode>>
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
        list: Effect.succeed([]),
        own: Effect.succeed(null),
        ...overrides
      })
    )
}
