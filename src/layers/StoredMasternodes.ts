/**
 * The masternodes as they lie in the data directory.
 *
 * Nothing in the file says that a masternode is active: that is read from the time of its newest heartbeat, whose
 * signature is checked again when the file is read. What others only named is not stored.
 */
import * as Schema from "effect/Schema"
import { PublicKey, Signature } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import type { SignedHeartbeat } from "../protocol/Heartbeat.ts"
import { MasternodeTier } from "../protocol/Masternode.ts"
import * as Limits from "../protocol/Limits.ts"
import { peerId, type PeerId } from "../protocol/PeerId.ts"
import type { MasternodeEntry, MasternodeMemory } from "./MasternodeEntry.ts"

const Milliseconds = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** Beyond 2^53 a JSON number would be another one. */
const Whole = Schema.String.check(Schema.isPattern(/^[0-9]{1,20}$/))
const hex = (bytes: number) => Schema.String.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)))

export const StoredMasternodes = Schema.Struct({
  version: Schema.Literal(1),
  masternodes: Schema.Array(
    Schema.Struct({
      address: Schema.String.check(Schema.makeFilter((text) => peerId(text) === text)),
      rewardAddress: Schema.String.check(Schema.isMaxLength(Limits.PEER_TEXT)),
      tier: MasternodeTier,
      publicKey: hex(32),
      firstSeen: Milliseconds,
      lastSeen: Milliseconds,
      lastHeartbeat: Schema.NullOr(
        Schema.Struct({
          name: Schema.String.check(Schema.isMaxLength(Limits.PEER_TEXT)),
          sequence: Whole,
          timestamp: Whole,
          signature: hex(64)
        })
      ),
      activeSince: Whole,
      uptime: Whole,
      verified: Milliseconds
    })
  )
})
export type StoredMasternodes = typeof StoredMasternodes.Type

type StoredMasternode = StoredMasternodes["masternodes"][number]

export const store = (entries: ReadonlyArray<MasternodeEntry>): StoredMasternodes => ({
  version: 1,
  masternodes: entries
    .filter(({ source }) => source !== "hinted")
    .map(({ activeSince, firstSeen, last, lastSeen, peer, record, uptime, verified }) => ({
      address: peer,
      rewardAddress: record.rewardAddress,
      tier: record.tier,
      publicKey: toHex(record.publicKey),
      firstSeen,
      lastSeen,
      lastHeartbeat:
        last === null
          ? null
          : {
              name: last.masternodeAddress,
              sequence: String(last.sequenceNumber),
              timestamp: String(last.timestamp),
              signature: toHex(last.signature)
            },
      activeSince: String(activeSince),
      uptime: String(uptime),
      verified
    }))
})

export const remembered = (stored: StoredMasternodes): ReadonlyArray<readonly [PeerId, MasternodeMemory]> =>
  stored.masternodes.map((entry) => [
    entry.address as PeerId,
    {
      record: { address: entry.address, rewardAddress: entry.rewardAddress, tier: entry.tier, publicKey: keyOf(entry) },
      firstSeen: entry.firstSeen,
      lastSeen: entry.lastSeen,
      last: heartbeatOf(entry),
      activeSince: BigInt(entry.activeSince),
      uptime: BigInt(entry.uptime),
      verified: entry.verified
    }
  ])

// --- internal ---

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const keyOf = ({ publicKey }: StoredMasternode) => bytes(publicKey) as PublicKey

const heartbeatOf = (entry: StoredMasternode): SignedHeartbeat | null =>
  entry.lastHeartbeat === null
    ? null
    : {
        masternodeAddress: entry.lastHeartbeat.name,
        sequenceNumber: BigInt(entry.lastHeartbeat.sequence),
        timestamp: BigInt(entry.lastHeartbeat.timestamp),
        masternodePubkey: keyOf(entry),
        signature: bytes(entry.lastHeartbeat.signature) as Signature
      }
