/**
 * Which connection is a peer's: at most one, in the end, whatever the order in which connections come and go.
 *
 * The older connection stays unless it is dead. Only two of opposite directions that were begun at about the same time
 * stand side by side. Which of them goes is for both sides the same: the one that the higher id dialled, as soon as a
 * Version has come over the other. That names the peer, and shows that it established the one that stays. So a side may
 * wait, but never closes the one that the other side keeps; age decides only where one of the two looks dead, or where
 * the peer is a `timed`, which decides nothing. Until then, the older one is the peer's.
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
    // Whatever a stall did to either handshake: a dial that the peer has acknowledged is among these. To refuse it could
    // cost both, for the peer may refuse the other one for it.
    const areOfOneTime = Math.abs(newcomer.registeredAt - current.registeredAt) < Limits.COEXISTENCE_WINDOW
    return rival === undefined && current.direction !== newcomer.direction && areOfOneTime ? "shared" : "taken"
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

  /**
   * The connections that must go because nothing was settled for too long. Both sides decide alike only if they see the
   * same one dead; ids would keep a dead one as well.
   */
  overstayed(now: number): Array<C> {
    const overstayed: Array<C> = []
    for (const { current, rival } of this.contested) {
      const age = rival === undefined ? 0 : now - rival.since
      if (rival === undefined || age < Limits.COEXISTENCE_WINDOW) continue
      const hasSpoken = (one: C) => one.nodeId !== undefined || one.silence(now) < age
      overstayed.push(hasSpoken(current) || !hasSpoken(rival.connection) ? rival.connection : current)
    }
    return overstayed
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
