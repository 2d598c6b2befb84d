/**
 * How many connections there may be: by direction, from one subnet, and in their handshake.
 *
 * Each occupant is counted from `occupy` to `free`, and as pending until `establish`, whatever ends it.
 */
import * as Limits from "../../protocol/Limits.ts"
import { addressScope, isIpv6, type PeerId } from "../../protocol/PeerId.ts"
import { subnet } from "../../protocol/NetworkGroup.ts"
import type { Direction } from "../../services/PeerRegistry.ts"
import { Tally } from "./Tally.ts"

interface Newcomer {
  readonly peer: PeerId
  readonly direction: Direction
}

interface Occupant extends Newcomer {
  readonly isEstablished: boolean
}

/** What stands in a newcomer's way. */
export interface Shortage {
  readonly limit: number
  /** Whose end would make room: that of any inbound connection, of one in its handshake, or of nobody who may be ended. */
  readonly relief: "inbound" | "pending" | "none"
}

export class Slots {
  /** Inbound connections by subnet, without those that no cap is for. */
  readonly inboundOf = new Tally<string>()
  /** Inbound connections in their handshake, by peer. */
  readonly pendingOf = new Tally<PeerId>()
  private readonly limits: Readonly<Record<Direction, number>>
  private readonly occupied: Record<Direction, number> = { inbound: 0, outbound: 0 }

  constructor(limits: Readonly<Record<Direction, number>>) {
    this.limits = limits
  }

  count(direction: Direction): number {
    return this.occupied[direction]
  }

  /** The limit that a newcomer would break, if any: of several, the one that is hardest to relieve. */
  limitBrokenBy({ peer, direction }: Newcomer): Shortage | undefined {
    const limit = this.limits[direction]
    const isFull = this.occupied[direction] >= limit
    if (direction === "outbound") return isFull ? { limit, relief: "none" } : undefined
    if (this.pendingOf.of(peer) >= Limits.PENDING_HANDSHAKES_PER_PEER) {
      return { limit: Limits.PENDING_HANDSHAKES_PER_PEER, relief: "none" }
    }
    const cap = isIpv6(peer) ? Limits.INBOUND_PER_IPV6_GROUP : Limits.INBOUND_PER_IPV4_GROUP
    const group = cappedSubnet(peer)
    if (group !== undefined && this.inboundOf.of(group) >= cap) return { limit: cap, relief: "none" }
    if (this.pendingOf.total >= Limits.PENDING_HANDSHAKES) {
      return { limit: Limits.PENDING_HANDSHAKES, relief: "pending" }
    }
    return isFull ? { limit, relief: "inbound" } : undefined
  }

  /** A connection comes, not established yet. */
  occupy({ peer, direction }: Newcomer): void {
    this.occupied[direction]++
    if (direction === "outbound") return
    this.pendingOf.add(peer)
    const group = cappedSubnet(peer)
    if (group !== undefined) this.inboundOf.add(group)
  }

  /** Its handshake is done. */
  establish({ peer, direction }: Newcomer): void {
    if (direction === "inbound") this.pendingOf.remove(peer)
  }

  free({ peer, direction, isEstablished }: Occupant): void {
    this.occupied[direction]--
    if (direction === "outbound") return
    if (!isEstablished) this.pendingOf.remove(peer)
    const group = cappedSubnet(peer)
    if (group !== undefined) this.inboundOf.remove(group)
  }
}

// --- internal ---

/** The subnet whose connections are counted. Whoever dials over loopback has the machine already. */
const cappedSubnet = (peer: PeerId): string | undefined =>
  addressScope(peer) === "loopback" ? undefined : subnet(peer)
