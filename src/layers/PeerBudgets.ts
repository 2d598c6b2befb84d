/**
 * What each peer may still cost: one token bucket a peer, in microseconds of this node's time.
 *
 * A budget refills at `PEER_COST_RATE` up to `PEER_COST_BURST`. Peers that were never charged have a full one, so that a
 * full one is forgotten without loss.
 */
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"

interface Bucket {
  available: number
  /** Monotonic milliseconds. */
  filledAt: number
  dropped: number
}

export class PeerBudgets {
  private readonly buckets = new Map<PeerId, Bucket>()

  /**
   * Takes the cost from the peer's budget; false, and nothing is taken, when there is not that much. What costs more than
   * any budget holds takes a full one, and more: the peer owes the rest.
   */
  spend(peer: PeerId, cost: number, now: number): boolean {
    const bucket = this.buckets.get(peer) ?? this.open(peer, now)
    fill(bucket, now)
    if (bucket.available < Math.min(cost, Limits.PEER_COST_BURST)) return false
    bucket.available -= cost
    return true
  }

  recordDropped(peer: PeerId, now: number): void {
    const bucket = this.buckets.get(peer) ?? this.open(peer, now)
    bucket.dropped++
  }

  of(peer: PeerId, now: number): { readonly available: number; readonly dropped: number } {
    const bucket = this.buckets.get(peer)
    if (bucket === undefined) return { available: Limits.PEER_COST_BURST, dropped: 0 }
    fill(bucket, now)
    return { available: bucket.available, dropped: bucket.dropped }
  }

  private open(peer: PeerId, now: number): Bucket {
    if (this.buckets.size >= Limits.BUDGETED_PEERS) this.makeRoom(now)
    const bucket = { available: Limits.PEER_COST_BURST, filledAt: now, dropped: 0 }
    this.buckets.set(peer, bucket)
    return bucket
  }

  /** Forgets the fuller ones: all that have at least the mean. Many go at once, so that this is rare. */
  private makeRoom(now: number): void {
    let sum = 0
    for (const bucket of this.buckets.values()) {
      fill(bucket, now)
      sum += bucket.available
    }
    const mean = sum / this.buckets.size
    // A microsecond less, because a mean of equal numbers may be rounded up.
    for (const [peer, { available }] of this.buckets) if (available >= mean - 1) this.buckets.delete(peer)
  }
}

// --- internal ---

const fill = (bucket: Bucket, now: number): void => {
  const refill = ((now - bucket.filledAt) * Limits.PEER_COST_RATE) / 1_000
  bucket.available = Math.min(Limits.PEER_COST_BURST, bucket.available + refill)
  bucket.filledAt = now
}
