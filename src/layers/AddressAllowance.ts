/**
 * How many new addresses a peer may name: a burst, and then one every ten seconds.
 *
 * It is kept by peer and not by connection, so that connecting again gains nothing. Who has not been heard of for
 * longest is forgotten when there are too many, and is by then the nearest to a full allowance.
 */
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"

export class AddressAllowance {
  private readonly left = new Map<PeerId, { readonly count: number; readonly at: number }>()

  /** Takes one of the peer's allowance; false when it is used up. `now` is in milliseconds. */
  take(peer: PeerId, now: number): boolean {
    const last = this.left.get(peer) ?? { count: Limits.ADDRESS_BURST, at: now }
    const count = Math.min(Limits.ADDRESS_BURST, last.count + (now - last.at) / Limits.ADDRESS_INTERVAL)
    const isAllowed = count >= 1
    this.left.delete(peer)
    this.left.set(peer, { count: isAllowed ? count - 1 : count, at: now })
    if (this.left.size > Limits.ADDRESS_SOURCES) this.left.delete(this.left.keys().next().value!)
    return isAllowed
  }
}
