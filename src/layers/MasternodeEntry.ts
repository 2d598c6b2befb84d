/**
 * What the registry keeps of one masternode, and how its heartbeats make it active.
 *
 * Activity is read from signed times, never kept as a flag: an entry is active at a time if one of its counted
 * heartbeats was signed within {@link HEARTBEAT_VALIDITY} before it.
 */
import { heartbeatId, type SignedHeartbeat } from "../protocol/Heartbeat.ts"
import { toHex } from "../protocol/Hash.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { MasternodeRecord } from "../protocol/Masternode.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { KnownMasternode, MasternodeStatus } from "../services/MasternodeRegistry.ts"

/** How far a heartbeat's time may be from ours, and for how long it shows its masternode active; in seconds. */
export const HEARTBEAT_VALIDITY = 180n
/** The least time between two of them that both count; in seconds. */
export const HEARTBEAT_SPACING = BigInt(Limits.HEARTBEAT_SPACING / 1_000)
/** Silence after which a masternode is forgotten, in milliseconds. */
export const LONGEST_SILENCE = 60 * 60_000

/** A heartbeat under the announced key. `id` is what attestations call it, in hex. */
export interface Counted {
  readonly peer: PeerId
  readonly id: string
  readonly sequence: bigint
  readonly timestamp: bigint
  readonly witnesses: Array<PeerId>
}

/** What lasts across restarts. */
export interface MasternodeMemory {
  readonly record: MasternodeRecord
  readonly firstSeen: number
  readonly lastSeen: number
  readonly last: SignedHeartbeat | null
  readonly activeSince: bigint
  readonly uptime: bigint
  readonly verified: number
}

export class MasternodeEntry {
  readonly peer: PeerId
  readonly source: "own" | "announced" | "hinted"
  readonly group: string
  /** Who named a hinted one: a network group. */
  readonly namedBy: string | null
  record: MasternodeRecord
  /** What it has announced since and not yet confirmed. */
  pending: MasternodeRecord | null = null
  readonly firstSeen: number
  lastSeen: number
  /** The newest heartbeat that counted under this record's key; null while that key is unproven. */
  last: SignedHeartbeat | null = null
  /** Whether a heartbeat under another key came on its own connection. */
  hasOtherKey = false
  activeSince = 0n
  uptime = 0n
  verified = 0
  /** Oldest first. */
  readonly counted: Array<Counted> = []

  constructor(
    peer: PeerId,
    source: "own" | "announced" | "hinted",
    record: MasternodeRecord,
    now: number,
    namedBy: string | null = null
  ) {
    this.peer = peer
    this.source = source
    this.group = networkGroup(peer)
    this.namedBy = namedBy
    this.record = { ...record, address: peer }
    this.firstSeen = now
    this.lastSeen = now
  }

  /** Newer than all that counted, in number and in time, and not sooner than anybody needs to say it again. */
  isDue({ sequenceNumber, timestamp }: Pick<SignedHeartbeat, "sequenceNumber" | "timestamp">): boolean {
    if (this.last === null) return true
    return sequenceNumber > this.last.sequenceNumber && timestamp >= this.last.timestamp + HEARTBEAT_SPACING
  }

  /** Counts a heartbeat that was checked. Returns it, and those that are no longer kept. */
  count(heartbeat: SignedHeartbeat): { readonly added: Counted; readonly dropped: ReadonlyArray<Counted> } {
    const { sequenceNumber: sequence, timestamp } = heartbeat
    const gap = this.last === null ? null : timestamp - this.last.timestamp
    if (gap !== null && gap >= 0n && gap <= HEARTBEAT_VALIDITY) this.uptime += gap
    else this.activeSince = timestamp
    this.last = heartbeat
    const added: Counted = {
      peer: this.peer,
      id: toHex(heartbeatId(heartbeat)),
      sequence,
      timestamp,
      witnesses: []
    }
    this.counted.push(added)
    return { added, dropped: this.counted.splice(0, this.counted.length - Limits.HEARTBEATS_KEPT) }
  }

  isActiveAt(at: bigint): boolean {
    const newest = this.counted.findLast(({ timestamp }) => timestamp <= at)
    return newest !== undefined && newest.timestamp > at - HEARTBEAT_VALIDITY
  }

  statusAt(now: number): MasternodeStatus {
    if (this.isActiveAt(toUnixSeconds(now))) return "active"
    if (this.last === null && this.hasOtherKey) return "unproven"
    return this.source === "hinted" ? "hinted" : "silent"
  }

  view(now: number): KnownMasternode {
    const status = this.statusAt(now)
    return {
      ...this.record,
      peer: this.peer,
      source: this.source,
      status,
      firstSeen: this.firstSeen,
      lastSeen: this.lastSeen,
      lastHeartbeat:
        this.last === null ? null : { sequenceNumber: this.last.sequenceNumber, timestamp: this.last.timestamp },
      activeSince: status === "active" ? this.activeSince : null,
      uptime: this.uptime,
      verifiedHeartbeats: this.verified
    }
  }
}
