/**
 * The masternode registry in memory.
 *
 * An announced masternode is known by the IP it connected from, and what was announced there first stays. Hints from
 * others are kept apart and prove nothing. A heartbeat must be signed by the key it carries, be fresh, and be newer than
 * the last one of that address and key.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { addressOf } from "../protocol/Address.ts"
import { toHex } from "../protocol/Hash.ts"
import { type SignedHeartbeat, verifyAttestation, verifyHeartbeat } from "../protocol/Heartbeat.ts"
import * as Limits from "../protocol/Limits.ts"
import type { MasternodeRecord } from "../protocol/Masternode.ts"
import { peerAddress, type PeerId } from "../protocol/PeerId.ts"
import { type KnownMasternode, MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"

export const layer = Layer.effect(
  MasternodeRegistry,
  Effect.gen(function* () {
    const { masternode, network } = yield* NodeConfig
    const { externalAddress, key } = yield* NodeIdentity
    const started = yield* Clock.currentTimeMillis
    const known = new Map<PeerId, KnownMasternode>()
    const heartbeats = new Map<string, bigint>()

    const own: MasternodeRecord | null =
      masternode.enabled && externalAddress !== null && key !== null
        ? {
            address: externalAddress,
            rewardAddress:
              masternode.rewardAddress === "" ? addressOf(key.publicKey, network) : masternode.rewardAddress,
            tier: masternode.tier,
            publicKey: key.publicKey
          }
        : null
    if (own !== null && externalAddress !== null) {
      known.set(externalAddress, {
        ...own,
        peer: externalAddress,
        source: "own",
        firstSeen: started,
        lastSeen: started
      })
    }

    const isFresh = (timestamp: bigint) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const age = BigInt(Math.floor(now / 1000)) - timestamp
        return age <= HEARTBEAT_VALIDITY && age >= -HEARTBEAT_VALIDITY
      })

    /** Remembers the newest heartbeat of an address and key; false when this one is not newer. */
    const advance = ({ masternodeAddress, masternodePubkey, timestamp }: SignedHeartbeat): boolean => {
      const subject = `${masternodeAddress} ${toHex(masternodePubkey)}`
      const last = heartbeats.get(subject)
      if (last !== undefined && timestamp <= last) return false
      heartbeats.delete(subject)
      heartbeats.set(subject, timestamp)
      if (heartbeats.size > Limits.KNOWN_MASTERNODES) heartbeats.delete(heartbeats.keys().next().value!)
      return true
    }

    return MasternodeRegistry.of({
      announce: (peer, record) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const before = known.get(peer)
          if (before?.source === "own") return "refreshed"
          if (before?.source === "announced") {
            known.set(peer, { ...before, lastSeen: now })
            return "refreshed"
          }
          if (record.rewardAddress.length > Limits.PEER_TEXT) return "refused"
          if (before === undefined && !makeRoom(known)) return "full"
          known.delete(peer)
          known.set(peer, { ...record, address: peer, peer, source: "announced", firstSeen: now, lastSeen: now })
          return "new"
        }),
      hint: (records) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          let added = 0
          for (const record of records) {
            const peer = peerAddress(record.address, network.p2pPort)?.peer
            if (peer === undefined || known.has(peer) || record.rewardAddress.length > Limits.PEER_TEXT) continue
            if (known.size >= Limits.KNOWN_MASTERNODES) break
            known.set(peer, { ...record, address: peer, peer, source: "hinted", firstSeen: now, lastSeen: now })
            added++
          }
          return added
        }),
      heartbeat: (heartbeat) =>
        Effect.map(isFresh(heartbeat.timestamp), (fresh) => {
          // A peer whose clock is off is not lying, so that a stale heartbeat is only ignored.
          if (!fresh) return "known"
          // No name is that long; it would be kept and passed on to everybody.
          if (heartbeat.masternodeAddress.length > Limits.PEER_TEXT) return "invalid"
          if (!verifyHeartbeat(heartbeat)) return "invalid"
          return advance(heartbeat) ? "new" : "known"
        }),
      attestation: (attestation) =>
        Effect.map(isFresh(attestation.witnessTimestamp), (fresh) => {
          if (!fresh) return "known"
          if (attestation.witnessAddress.length > Limits.PEER_TEXT) return "invalid"
          return verifyAttestation(attestation) ? "new" : "invalid"
        }),
      list: Effect.sync(() => [...known.values()]),
      own: Effect.succeed(own)
    })
  })
)

// --- internal ---

/** How far a heartbeat's time may be from ours, in seconds. */
const HEARTBEAT_VALIDITY = 180n

/** A masternode that speaks for itself displaces hearsay. */
const makeRoom = (known: Map<PeerId, KnownMasternode>): boolean => {
  if (known.size < Limits.KNOWN_MASTERNODES) return true
  for (const [peer, { source }] of known) if (source === "hinted") return known.delete(peer)
  return false
}
