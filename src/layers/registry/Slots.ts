/**
 * How many connections there may be, by direction, and how many may be waiting for their handshake.
 */
import * as Limits from "../../protocol/Limits.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Direction } from "../../services/PeerRegistry.ts"

interface Occupant {
  readonly peer: PeerId
  readonly direction: Direction
  readonly isEstablished: boolean
}

export class Slots {
  private readonly limits: Readonly<Record<Direction, number>>
  private readonly occupied: Record<Direction, number> = { inbound: 0, outbound: 0 }
  private readonly pendingOf = new Map<PeerId, number>()
  private pendingInbound = 0

  constructor(outbound: number) {
    this.limits = { inbound: Limits.INBOUND_SLOTS, outbound }
  }

  /** The limit that a newcomer would break, if any. */
  limitBrokenBy({ peer, direction }: Omit<Occupant, "isEstablished">): number | undefined {
    if (this.occupied[direction] >= this.limits[direction]) return this.limits[direction]
    if (direction === "outbound") return undefined
    if (this.pendingInbound >= Limits.PENDING_HANDSHAKES) return Limits.PENDING_HANDSHAKES
    const ofPeer = this.pendingOf.get(peer) ?? 0
    return ofPeer >= Limits.PENDING_HANDSHAKES_PER_PEER ? Limits.PENDING_HANDSHAKES_PER_PEER : undefined
  }

  /** A connection comes, not established yet. */
  occupy({ peer, direction }: Omit<Occupant, "isEstablished">): void {
    this.occupied[direction]++
    if (direction === "outbound") return
    this.pendingInbound++
    this.pendingOf.set(peer, (this.pendingOf.get(peer) ?? 0) + 1)
  }

  /** Its handshake is done. */
  establish({ peer, direction }: Omit<Occupant, "isEstablished">): void {
    if (direction === "inbound") this.leavePending(peer)
  }

  free({ peer, direction, isEstablished }: Occupant): void {
    this.occupied[direction]--
    if (direction === "inbound" && !isEstablished) this.leavePending(peer)
  }

  private leavePending(peer: PeerId): void {
    this.pendingInbound--
    const others = (this.pendingOf.get(peer) ?? 1) - 1
    if (others === 0) this.pendingOf.delete(peer)
    else this.pendingOf.set(peer, others)
  }
}
