/**
 * Whom blocks can be had from: how high the peers' chains are, and who is left alone for a while.
 *
 * A peer that was passed over comes back when its time is over and the chain has grown since, or when a sync begins:
 * never between two peers of one that gets nowhere, where the first would be due again when the last was tried.
 */
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Source } from "./RangePlan.ts"

export class SyncSources {
  /** What connected peers last reported. */
  readonly #heights = new Map<PeerId, Height>()
  /** Until when peers are left alone, in milliseconds. */
  readonly #passedOver = new Map<PeerId, number>()
  /** How long the peers took to answer, in milliseconds, the newest answers counting most. */
  readonly #paces = new Map<PeerId, number>()
  #pace = 0

  /** The highest height that was reported. */
  get best(): Height {
    let best = 0n
    for (const height of this.#heights.values()) if (height > best) best = height
    return height(best)
  }

  /** How long an answer takes of late, in milliseconds. */
  get pace(): number {
    return this.#pace
  }

  /** The latest word of a peer. Those that are gone are forgotten later, so that there may be more than connections. */
  reported(peer: PeerId, height: Height): void {
    this.#heights.delete(peer)
    this.#heights.set(peer, height)
    if (this.#heights.size <= Limits.INBOUND_SLOTS + Limits.OUTBOUND_SLOTS) return
    const oldest = this.#heights.keys().next().value!
    this.#heights.delete(oldest)
    this.#paces.delete(oldest)
  }

  answered(peer: PeerId, took: number): void {
    const known = this.#paces.get(peer)
    this.#paces.set(peer, known === undefined ? took : known + (took - known) * NEWEST)
    this.#pace = this.#pace === 0 ? took : this.#pace + (took - this.#pace) * NEWEST
  }

  passOver(peer: PeerId, until: number): void {
    this.#passedOver.set(peer, until)
  }

  /** Lets everybody back. */
  forgiveAll(): void {
    this.#passedOver.clear()
  }

  /** Lets those back whose time is over. */
  readmit(now: number): void {
    for (const [peer, until] of this.#passedOver) if (until <= now) this.#passedOver.delete(peer)
  }

  /** Forgets what peers said that are not connected. */
  retain(connected: ReadonlySet<PeerId>): void {
    for (const peer of this.#heights.keys()) if (!connected.has(peer)) this.#heights.delete(peer)
    for (const peer of this.#paces.keys()) if (!connected.has(peer)) this.#paces.delete(peer)
  }

  /** Peers with blocks above `tip`, the fastest first; no height counts beyond what a chain can honestly have. */
  above(tip: bigint, possible: bigint): ReadonlyArray<Source> {
    const sources: Array<Source> = []
    for (const [peer, reported] of this.#heights) {
      const height = reported < possible ? reported : possible
      if (height > tip && !this.#passedOver.has(peer)) sources.push({ peer, height })
    }
    return sources.sort((one, other) => this.#paceOf(one) - this.#paceOf(other))
  }

  /** A peer without an answer yet counts as neither fast nor slow. */
  #paceOf({ peer }: Source): number {
    return this.#paces.get(peer) ?? this.#pace
  }
}

// --- internal ---

/** The share of the newest answer in what is known of a peer's pace. */
const NEWEST = 0.25
