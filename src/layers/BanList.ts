/**
 * Bans by peer, bounded. A ban by the operator is never displaced by one for misbehaving.
 */
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Ban } from "../services/PeerGuard.ts"

export class BanList {
  private readonly bans = new Map<PeerId, Ban>()

  constructor(bans: ReadonlyArray<Ban>, now: number) {
    for (const ban of bans) if (ban.until > now) this.put(ban, now)
  }

  has(peer: PeerId, now: number): boolean {
    const ban = this.bans.get(peer)
    return ban !== undefined && ban.until > now
  }

  /** Takes a ban. One for misbehaving does not replace a ban that ends later; false when nothing changed. */
  put(ban: Ban, now: number): boolean {
    const present = this.bans.get(ban.peer)
    if (ban.reason === "misbehaving" && present !== undefined && present.until >= ban.until) return false
    this.bans.set(ban.peer, ban)
    if (this.bans.size > Limits.BANNED_PEERS) this.makeRoom(now)
    return true
  }

  /** False when there was no ban. */
  delete(peer: PeerId, now: number): boolean {
    const had = this.has(peer, now)
    this.bans.delete(peer)
    return had
  }

  clear(): void {
    this.bans.clear()
  }

  all(now: number): ReadonlyArray<Ban> {
    return Array.from(this.bans.values()).filter(({ until }) => until > now)
  }

  /** Drops all that are over; where none is, the one that goes first. */
  private makeRoom(now: number): void {
    let next: Ban | undefined
    for (const ban of this.bans.values()) {
      if (ban.until <= now) this.bans.delete(ban.peer)
      else if (next === undefined || goesBefore(ban, next)) next = ban
    }
    if (this.bans.size > Limits.BANNED_PEERS) this.bans.delete(next!.peer)
  }
}

// --- internal ---

const goesBefore = (one: Ban, other: Ban): boolean =>
  one.reason === other.reason ? one.until < other.until : one.reason === "misbehaving"
