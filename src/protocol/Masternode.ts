/**
 * What a masternode says about itself. None of it is proof: collateral is only claimed, see docs/protocol.md, M-9.
 */
import * as Schema from "effect/Schema"
import { PublicKey } from "./Ed25519.ts"

export const MasternodeTier = Schema.Literals(["Free", "Bronze", "Silver", "Gold"])
export type MasternodeTier = typeof MasternodeTier.Type

/** `address` is an IP, sometimes with a port; `rewardAddress` is where blocks pay to. */
export const MasternodeRecord = Schema.Struct({
  address: Schema.String,
  rewardAddress: Schema.String,
  tier: MasternodeTier,
  publicKey: PublicKey
})
export type MasternodeRecord = typeof MasternodeRecord.Type
