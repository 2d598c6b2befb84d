/**
 * Which connection is a peer's: at most one, in the end, whatever the order in which connections come and go.
 *
 * The older connection stays unless it is dead. Only two young connections of opposite directions, which both sides
 * dialled at the same time, stand side by side until the peer's `Version` has come: both sides know both node ids then,
 * and keep the one that the lower id dialled. Until then, the older one is the peer's.
 */
import * as Limits from "../../protocol/Limits.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Direction } from "../../services/PeerRegistry.ts"

/** What is asked of a connection here. */
export interface Claimant {
  readonly peer: PeerId
  readonly direction: Direction
  /** Monotonic milliseconds. */
  readonly registeredAt: number
  /** Known once the peer's Version has come over this connection. */
  readonly nodeId: string | undefined
  readonly silence: (now: number) => number
}

/** What a newcomer meets: nothing, a claim it may share for now, one that may be dead, or one that stays. */
export type Standing = "free" | "shared" | "doubtful" | "taken"

interface Claim<C> {
  current: C
  /** Of the opposite direction, until it is settled which stays. */
  rival: { readonly connection: C; readonly since: number } | undefined
}

export class Claims<C extends Claimant> {
  private readonly claims = new Map<PeerId, Claim<C>>()
  private readonly contested = new Set<Claim<C>>()

  get size(): number {
    return this.claims.size
  }

  /** The peer's connection. */
  current(peer: PeerId): C | undefined {
    return this.claims.get(peer)?.current
  }

  /** The connections of all peers, one each, oldest peer first. */
  all(): Array<C> {
    return Array.from(this.claims.values(), (claim) => claim.current)
  }

  /** What a connection would meet that made its claim now. */
  standing(newcomer: Pick<Claimant, "peer" | "direction" | "registeredAt">, now: number): Standing {
    const claim = this.claims.get(newcomer.peer)
    if (claim === undefined) return "free"
    const { current, rival } = claim
    if (current.silence(now) > Limits.LIVENESS_WINDOW) return "doubtful"
    const isYoung = (at: number) => now - at < Limits.COEXISTENCE_WINDOW
    return rival === undefined &&
      current.direction !== newcomer.direction &&
      isYoung(current.registeredAt) &&
      isYoung(newcomer.registeredAt)
      ? "shared"
      : "taken"
  }

  /** Makes the claim, where the standing is `free` or `shared`. */
  claim(newcomer: C, now: number): void {
    const claim = this.claims.get(newcomer.peer)
    if (claim === undefined) {
      this.claims.set(newcomer.peer, { current: newcomer, rival: undefined })
    } else {
      claim.rival = { connection: newcomer, since: now }
      this.contested.add(claim)
    }
  }

  /**
   * The one of two connections that must go, once that is known; `undefined` while it is not. The one that stays must
   * have brought a Version: then the peer has established it, too, and will not close it as the newcomer.
   */
  loser(peer: PeerId, ownId: string): C | undefined {
    const claim = this.claims.get(peer)
    if (claim?.rival === undefined) return undefined
    const pair = [claim.current, claim.rival.connection]
    const theirId = pair.find(({ nodeId }) => nodeId !== undefined)?.nodeId
    if (theirId === undefined) return undefined
    const stays: Direction = ownId < theirId ? "outbound" : "inbound"
    const isProven = pair.some(({ direction, nodeId }) => direction === stays && nodeId !== undefined)
    return isProven ? pair.find(({ direction }) => direction !== stays) : undefined
  }

  /** The connections that have stood beside their peer's current one for too long. */
  overstayed(now: number): Array<C> {
    return Array.from(this.contested)
      .map(({ rival }) => rival)
      .filter((rival) => rival !== undefined)
      .filter(({ since }) => now - since >= Limits.COEXISTENCE_WINDOW)
      .map(({ connection }) => connection)
  }

  /** Takes a connection's claim back. `lost` says that its peer has no connection any more. */
  release(connection: C): "lost" | "kept" | "none" {
    const claim = this.claims.get(connection.peer)
    if (claim === undefined) return "none"
    const { current, rival } = claim
    if (current !== connection && rival?.connection !== connection) return "none"
    this.contested.delete(claim)
    claim.rival = undefined
    if (current !== connection) return "kept"
    if (rival === undefined) {
      this.claims.delete(connection.peer)
      return "lost"
    }
    claim.current = rival.connection
    return "kept"
  }
}
