/**
 * Which addresses are dialled when outbound slots are free.
 *
 * Network groups decide first: no group gets a second connection while another has an address to dial, and none gets a
 * third. So whoever owns a few groups takes a few slots, however many addresses it has there. Next come masternodes, up
 * to the slots reserved for them, and then the order of the address book. A masternode needs a link to every other one:
 * for it, those reserved slots come before all else, whatever the groups.
 */
import * as Limits from "../protocol/Limits.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"

export interface Situation {
  /** Outbound slots in all. */
  readonly slots: number
  /** Peers that have one, being dialled included. */
  readonly outbound: ReadonlySet<PeerId>
  /** Peers that need none: whoever is connected. */
  readonly connected: ReadonlySet<PeerId>
  /** Those that announced themselves; hearsay is no reason to prefer anybody. */
  readonly masternodes: ReadonlySet<PeerId>
  /** Whether this node is one. */
  readonly isMasternode: boolean
}

/** The candidates to dial now, never more than there are free slots. */
export const choose = <A extends PeerAddress>(candidates: ReadonlyArray<A>, situation: Situation): ReadonlyArray<A> => {
  const { connected, masternodes, outbound, slots } = situation
  const chosen = new Map<PeerId, A>()
  const taken = [...outbound]
  const ofGroup = new Map<string, number>()
  for (const group of taken.map(networkGroup)) ofGroup.set(group, (ofGroup.get(group) ?? 0) + 1)
  let reserved = reservedSlots(slots) - taken.filter((peer) => masternodes.has(peer)).length
  const idle = candidates
    .filter(({ peer }) => !outbound.has(peer) && !connected.has(peer))
    .map((address) => ({ address, group: networkGroup(address.peer), isMasternode: masternodes.has(address.peer) }))

  if (situation.isMasternode) {
    for (const { address, group, isMasternode } of idle) {
      if (outbound.size + chosen.size >= slots || reserved <= 0) break
      if (!isMasternode || chosen.has(address.peer)) continue
      chosen.set(address.peer, address)
      ofGroup.set(group, (ofGroup.get(group) ?? 0) + 1)
      reserved--
    }
  }
  for (let most = 1; most <= Limits.OUTBOUND_PER_GROUP; most++) {
    for (const onlyMasternodes of [true, false]) {
      for (const { address, group, isMasternode } of idle) {
        if (outbound.size + chosen.size >= slots) return [...chosen.values()]
        const isWanted = !onlyMasternodes || (isMasternode && reserved > 0)
        const count = ofGroup.get(group) ?? 0
        if (!isWanted || count >= most || chosen.has(address.peer)) continue
        chosen.set(address.peer, address)
        ofGroup.set(group, count + 1)
        if (isMasternode) reserved--
      }
    }
  }
  return [...chosen.values()]
}

/** Slots for which masternodes are preferred: two fifths, at least 20, at most 30, as in `timed`; never more than all. */
export const reservedSlots = (slots: number): number =>
  Math.min(slots, Math.max(20, Math.min(30, Math.floor((slots * 2) / 5))))
