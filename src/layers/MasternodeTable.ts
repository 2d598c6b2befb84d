/**
 * The rules of the masternode registry, over plain maps.
 *
 * Nothing but an announcement on a masternode's own connection makes an entry that can be active, and nothing but
 * heartbeats under the announced key makes it active. Whatever else comes, forged, foreign or repeated, takes no place
 * of theirs: it is dropped before it is checked.
 */
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { SigningKey } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import {
  heartbeatId,
  signAttestation,
  type SignedHeartbeat,
  signHeartbeat,
  verifyAttestation,
  verifyHeartbeat,
  type WitnessAttestation
} from "../protocol/Heartbeat.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { MasternodeRecord } from "../protocol/Masternode.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import { peerAddress, type PeerId } from "../protocol/PeerId.ts"
import { type ActiveMasternode, type HeartbeatVerdict, VERIFYING_WITNESSES } from "../services/MasternodeRegistry.ts"
import {
  type Counted,
  HEARTBEAT_SPACING,
  HEARTBEAT_VALIDITY,
  LONGEST_SILENCE,
  MasternodeEntry,
  type MasternodeMemory
} from "./MasternodeEntry.ts"
import { givesWay } from "./MasternodeRoom.ts"

/** This node, when it is a masternode. */
export interface OwnMasternode {
  readonly peer: PeerId
  readonly record: MasternodeRecord
  readonly key: SigningKey
}

/** Times are milliseconds since the Unix epoch, but those that are signed, which are seconds. */
export class MasternodeTable {
  /** Grows with every change that is worth storing. */
  revision = 0
  readonly #own: OwnMasternode | null
  readonly #entries = new Map<PeerId, MasternodeEntry>()
  readonly #byId = new Map<string, Counted>()
  readonly #hintsOf = new Map<string, number>()
  #expiredAt = -Infinity
  /** The last answer of {@link activeAt}, until something changes: many votes are judged by the masternodes of one time. */
  #active: { readonly at: bigint; readonly masternodes: ReadonlyArray<ActiveMasternode> } | null = null

  constructor(own: OwnMasternode | null, now: number) {
    this.#own = own
    if (own !== null) this.#entries.set(own.peer, new MasternodeEntry(own.peer, "own", own.record, now))
  }

  /** Takes over what an earlier process knew. Its newest heartbeat is checked anew, as if it had just come. */
  restore(peer: PeerId, memory: MasternodeMemory, now: number): void {
    const { activeSince, firstSeen, last, lastSeen, record, uptime, verified } = memory
    const existing = this.#entries.get(peer)
    const isOwn = existing?.source === "own"
    if (isOwn && !bytesEqual(existing.record.publicKey, record.publicKey)) return
    if (!isOwn && (existing !== undefined || this.#entries.size >= Limits.KNOWN_MASTERNODES)) return
    const entry = existing ?? new MasternodeEntry(peer, "announced", record, firstSeen)
    this.#entries.set(peer, entry)
    if (!isOwn) entry.lastSeen = Math.min(lastSeen, now)
    if (last === null || !bytesEqual(last.masternodePubkey, record.publicKey) || !verifyHeartbeat(last)) return
    this.#count(entry, last)
    entry.activeSince = activeSince
    entry.uptime = uptime
    entry.verified = verified
  }

  announce(peer: PeerId, record: MasternodeRecord, now: number): "new" | "refreshed" | "pending" | "full" | "refused" {
    this.#expire(now)
    const before = this.#entries.get(peer)
    if (before?.source === "own") return "refreshed"
    if (record.rewardAddress.length > Limits.PEER_TEXT) return "refused"
    if (before?.source !== "announced") {
      if (before === undefined && !this.#makeRoom(peer, now)) return "full"
      this.#remove(before)
      this.#entries.set(peer, new MasternodeEntry(peer, "announced", record, now))
      this.revision++
      return "new"
    }
    before.lastSeen = now
    this.revision++
    if (saysTheSame(before.record, record)) {
      before.pending = null
      return "refreshed"
    }
    if (before.last !== null && now - Number(before.last.timestamp) * 1_000 <= LONGEST_SILENCE) {
      before.pending = { ...record, address: peer }
      return "pending"
    }
    // The key was never proven, or is as good as gone.
    this.#rename(before, record)
    return "refreshed"
  }

  hint(records: ReadonlyArray<MasternodeRecord>, from: PeerId, defaultPort: number, now: number): number {
    this.#expire(now)
    const namedBy = networkGroup(from)
    let added = 0
    for (const record of records) {
      const peer = peerAddress(record.address, defaultPort)?.peer
      if (peer === undefined || record.rewardAddress.length > Limits.PEER_TEXT) continue
      const known = this.#entries.get(peer)
      if (known !== undefined) {
        if (known.source === "hinted") known.lastSeen = now
        continue
      }
      const named = this.#hintsOf.get(namedBy) ?? 0
      if (named >= Limits.HINTS_PER_GROUP || this.#entries.size >= Limits.KNOWN_MASTERNODES) break
      this.#entries.set(peer, new MasternodeEntry(peer, "hinted", record, now, namedBy))
      this.#hintsOf.set(namedBy, named + 1)
      added++
    }
    return added
  }

  heartbeat(heartbeat: SignedHeartbeat, from: PeerId, now: number): HeartbeatVerdict {
    // A peer whose clock is off is not lying, so that a stale heartbeat is only ignored.
    if (!isFresh(heartbeat.timestamp, now)) return "known"
    // No name is that long.
    if (heartbeat.masternodeAddress.length > Limits.PEER_TEXT) return "invalid"
    const entry = this.#named(heartbeat.masternodeAddress)
    if (entry === undefined) return "foreign"
    const isItself = from === entry.peer
    const isItsKey = bytesEqual(heartbeat.masternodePubkey, entry.record.publicKey)
    if (isItself && !isItsKey) {
      entry.hasOtherKey = true
      entry.lastSeen = now
    }
    if (!isItsKey || entry.source === "hinted") return "foreign"
    // What this node says of itself, others only repeat.
    if (entry.source === "own") return "known"
    if (!entry.isDue(heartbeat)) {
      // Somebody else may have been faster to pass it on than the masternode itself.
      if (isItself && entry.last !== null && isSame(entry.last, heartbeat)) this.#confirm(entry)
      return "known"
    }
    if (!verifyHeartbeat(heartbeat)) return "invalid"
    this.#count(entry, heartbeat)
    entry.lastSeen = now
    if (isItself) this.#confirm(entry)
    return "new"
  }

  attestation(attestation: WitnessAttestation, now: number): HeartbeatVerdict {
    if (!isFresh(attestation.witnessTimestamp, now)) return "known"
    if (attestation.witnessAddress.length > Limits.PEER_TEXT) return "invalid"
    const counted = this.#byId.get(toHex(attestation.heartbeatHash))
    const witness = this.#named(attestation.witnessAddress)
    if (
      counted === undefined ||
      witness === undefined ||
      witness.peer === counted.peer ||
      !witness.isActiveAt(toUnixSeconds(now)) ||
      !bytesEqual(witness.record.publicKey, attestation.witnessPubkey)
    ) {
      return "foreign"
    }
    if (!needsWitness(counted, witness.peer)) return "known"
    if (!verifyAttestation(attestation)) return "invalid"
    this.#addWitness(counted, witness.peer)
    return "new"
  }

  /** This node's next heartbeat: later than its last in number and time, though its clock went back or it restarted. */
  beat(now: number): SignedHeartbeat | null {
    if (this.#own === null) return null
    const entry = this.#entries.get(this.#own.peer)!
    const time = toUnixSeconds(now)
    const last = entry.last ?? { sequenceNumber: 0n, timestamp: 0n }
    const next = last.timestamp + HEARTBEAT_SPACING
    // A last time that is hours ahead was signed by a clock that was wrong: nobody took it, and nobody holds it.
    const timestamp = next > time && next - time <= HEARTBEAT_VALIDITY ? next : time
    const sequenceNumber = last.sequenceNumber >= time ? last.sequenceNumber + 1n : time
    const heartbeat = signHeartbeat({ masternodeAddress: this.#own.peer, sequenceNumber, timestamp }, this.#own.key)
    this.#count(entry, heartbeat)
    entry.lastSeen = now
    return heartbeat
  }

  /** This node's last heartbeat. */
  lastBeat(): SignedHeartbeat | null {
    return this.#own === null ? null : this.#entries.get(this.#own.peer)!.last
  }

  /** This node's word for a heartbeat that counted, as long as more are wanted and this node is active itself. */
  witness(heartbeat: SignedHeartbeat, now: number): WitnessAttestation | null {
    const own = this.#own
    const counted = this.#byId.get(toHex(heartbeatId(heartbeat)))
    if (own === null || counted === undefined || counted.peer === own.peer) return null
    if (!this.#entries.get(own.peer)!.isActiveAt(toUnixSeconds(now)) || !needsWitness(counted, own.peer)) return null
    this.#addWitness(counted, own.peer)
    return signAttestation(
      { heartbeatHash: heartbeatId(heartbeat), witnessAddress: own.peer, witnessTimestamp: toUnixSeconds(now) },
      own.key
    )
  }

  activeAt(at: bigint): ReadonlyArray<ActiveMasternode> {
    if (this.#active?.at === at) return this.#active.masternodes
    const masternodes = Array.from(this.#entries.values())
      .filter((entry) => entry.isActiveAt(at))
      .sort((a, b) => (a.peer < b.peer ? -1 : 1))
      .map(({ peer, record: { publicKey, rewardAddress, tier } }) => ({ peer, publicKey, rewardAddress, tier }))
    this.#active = { at, masternodes }
    return masternodes
  }

  /** In order of first sight. */
  entries(now: number): ReadonlyArray<MasternodeEntry> {
    this.#expire(now)
    return [...this.#entries.values()]
  }

  // --- internal ---

  #named(address: string): MasternodeEntry | undefined {
    const peer = peerAddress(address, ANY_PORT)?.peer
    return peer === undefined ? undefined : this.#entries.get(peer)
  }

  #count(entry: MasternodeEntry, heartbeat: SignedHeartbeat): void {
    const { added, dropped } = entry.count(heartbeat)
    for (const { id } of dropped) this.#byId.delete(id)
    this.#byId.set(added.id, added)
    this.#active = null
    this.revision++
  }

  #addWitness(counted: Counted, witness: PeerId): void {
    counted.witnesses.push(witness)
    const subject = this.#entries.get(counted.peer)
    if (subject !== undefined && counted.witnesses.length === VERIFYING_WITNESSES) subject.verified++
  }

  /** What it announced last holds, now that the proven key has spoken on its own connection. */
  #confirm(entry: MasternodeEntry): void {
    if (entry.pending !== null) this.#rename(entry, entry.pending)
  }

  #rename(entry: MasternodeEntry, record: MasternodeRecord): void {
    const isNewKey = !bytesEqual(entry.record.publicKey, record.publicKey)
    entry.record = { ...record, address: entry.peer }
    entry.pending = null
    this.#active = null
    this.revision++
    if (!isNewKey) return
    entry.last = null
    entry.hasOtherKey = false
    for (const { id } of entry.counted.splice(0)) this.#byId.delete(id)
  }

  #makeRoom(newcomer: PeerId, now: number): boolean {
    if (this.#entries.size < Limits.KNOWN_MASTERNODES) return true
    const victim = givesWay([...this.#entries.values()], newcomer, now)
    this.#remove(victim)
    return victim !== undefined
  }

  #remove(entry: MasternodeEntry | undefined): void {
    if (entry === undefined) return
    this.#entries.delete(entry.peer)
    this.#active = null
    for (const { id } of entry.counted) this.#byId.delete(id)
    if (entry.namedBy === null) return
    const named = this.#hintsOf.get(entry.namedBy)! - 1
    if (named === 0) this.#hintsOf.delete(entry.namedBy)
    else this.#hintsOf.set(entry.namedBy, named)
  }

  #expire(now: number): void {
    if (Math.abs(now - this.#expiredAt) < EXPIRY_INTERVAL) return
    this.#expiredAt = now
    for (const entry of this.#entries.values()) {
      if (entry.source === "own" || now - entry.lastSeen <= LONGEST_SILENCE) continue
      this.#remove(entry)
      this.revision++
    }
  }
}

// --- internal ---

/** A heartbeat names an IP; a port beside it says nothing. */
const ANY_PORT = 1

/** How often it is looked for entries whose time is over: whoever announces much must not make it the work of all. */
const EXPIRY_INTERVAL = 10_000

const isFresh = (timestamp: bigint, now: number): boolean => {
  const age = toUnixSeconds(now) - timestamp
  return age <= HEARTBEAT_VALIDITY && age >= -HEARTBEAT_VALIDITY
}

const isSame = (a: SignedHeartbeat, b: SignedHeartbeat): boolean =>
  a.sequenceNumber === b.sequenceNumber && a.timestamp === b.timestamp && bytesEqual(a.signature, b.signature)

const saysTheSame = (a: MasternodeRecord, b: MasternodeRecord): boolean =>
  a.rewardAddress === b.rewardAddress && a.tier === b.tier && bytesEqual(a.publicKey, b.publicKey)

const needsWitness = ({ witnesses }: Counted, peer: PeerId): boolean =>
  witnesses.length < Limits.WITNESSES_PER_HEARTBEAT && !witnesses.includes(peer)
