/**
 * All connections of a node, from registration to end, and the sweep that ends what waits too long.
 *
 * Synchronous throughout: every change of a claim, a slot or a budget is one step that nothing can come between.
 */
import { toUnixSeconds } from "../../protocol/Integer.ts"
import * as Effect from "effect/Effect"
import * as Limits from "../../protocol/Limits.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import type { InlineAnswer } from "../../services/InlineAnswers.ts"
import type { Direction, DisconnectReason, PeerInfo } from "../../services/PeerRegistry.ts"
import type { PeerTransport } from "../../services/PeerTransport.ts"
import { ByteBudget } from "./ByteBudget.ts"
import { Claims, type Standing } from "./Claims.ts"
import { EvictionPlan } from "./EvictionPlan.ts"
import { type ConnectionHost, LiveConnection } from "./LiveConnection.ts"
import { type OriginOf, origins } from "./Origin.ts"
import { PeerEvents } from "./PeerEvents.ts"
import { type Shortage, Slots } from "./Slots.ts"
import type { Turns } from "./Turns.ts"

export interface PoolOptions {
  readonly turns: Turns
  readonly inline: InlineAnswer
  /** Our own node id. */
  readonly nodeId: string
  readonly slots: Readonly<Record<Direction, number>>
  /** Peers that are never closed for another. */
  readonly configured: ReadonlySet<PeerId>
  /** Random, and told to nobody: decides which networks are preferred when a connection must go. */
  readonly secret: Uint8Array
  /** Tells the operator. */
  readonly log: (text: string) => void
}

/** A transport that may not become a connection, and why. */
export type Refusal =
  | { readonly reason: "alreadyConnected" }
  | { readonly reason: "tooManyPeers"; readonly limit: number }

export class ConnectionPool implements ConnectionHost {
  readonly turns: Turns
  readonly inline: InlineAnswer
  readonly originOf: OriginOf
  readonly outbound = new ByteBudget(Limits.OUTBOUND_TOTAL)
  readonly inbound = new ByteBudget(Limits.UNFINISHED_LINES_TOTAL)
  readonly claims = new Claims<LiveConnection>()
  readonly events = new PeerEvents()
  readonly slots: Slots
  /** Of all inbound connections, and of those in their handshake. */
  readonly evictions = {
    inbound: new EvictionPlan<LiveConnection>(),
    pending: new EvictionPlan<LiveConnection>()
  }

  private readonly options: PoolOptions
  private readonly live = new Map<number, LiveConnection>()
  private readonly watched = new Set<LiveConnection>()
  private readonly probes = new Map<LiveConnection, Probe>()
  private generations = 0
  private listenedAt = 0

  constructor(options: PoolOptions) {
    this.options = options
    this.turns = options.turns
    this.inline = options.inline
    this.originOf = origins(options.secret, options.configured)
    this.slots = new Slots(options.slots)
  }

  get(generation: number): LiveConnection | undefined {
    return this.live.get(generation)
  }

  /** Every connection of a peer, established or not. */
  of(peer: PeerId): Array<LiveConnection> {
    return Array.from(this.live.values()).filter((connection) => connection.peer === peer)
  }

  /** True when the peer's connection stands in the way of a newcomer and looks alive. */
  mustRefuse({ remote, direction }: PeerTransport): boolean {
    const { now } = this.turns
    return this.claims.standing({ peer: remote.peer, direction, registeredAt: now }, now) === "taken"
  }

  /** Takes a transport over, or says why not. Where all slots are taken, another connection may be closed for it. */
  admit(transport: PeerTransport): LiveConnection | Refusal {
    if (this.mustRefuse(transport)) return { reason: "alreadyConnected" }
    const newcomer = { peer: transport.remote.peer, direction: transport.direction }
    const shortage = this.slots.limitBrokenBy(newcomer)
    if (shortage !== undefined && !this.relieve(shortage, newcomer.peer)) {
      return { reason: "tooManyPeers", limit: shortage.limit }
    }
    this.slots.occupy(newcomer)
    const connection = new LiveConnection(this, transport, ++this.generations)
    this.live.set(connection.generation, connection)
    if (connection.direction === "inbound") {
      this.evictions.inbound.came(connection)
      this.evictions.pending.came(connection)
    }
    connection.open()
    return connection
  }

  /** Makes the claim on the peer, where nothing stands in its way. */
  claim(connection: LiveConnection): Standing {
    const standing = this.claims.standing(connection, this.turns.now)
    if (standing === "doubtful" || standing === "taken") return standing
    this.slots.establish(connection)
    this.evictions.pending.left(connection)
    connection.isEstablished = true
    this.claims.claim(connection, this.turns.now)
    if (standing === "free") {
      this.options.log(`Registered ${connection.peer} in PeerRegistry`)
      this.events.publish({ _tag: "Connected", peer: this.info(connection) })
    }
    return standing
  }

  /** Waits until the peer's connection has sent a byte or, at the latest after a while, is closed for being dead. */
  readonly probe = (peer: PeerId): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const suspect = this.claims.current(peer)
      if (suspect === undefined) return resume(Effect.void)
      const probe = this.probes.get(suspect) ?? this.beginProbe(suspect)
      const settle = () => resume(Effect.void)
      probe.waiting.add(settle)
      return Effect.sync(() => void probe.waiting.delete(settle))
    })

  /** True when the other end of the connection is this node. */
  isOwn(connection: LiveConnection): boolean {
    return connection.nodeId === this.options.nodeId
  }

  /** Closes the one of a peer's two connections that must go, if that is known by now. */
  settle(peer: PeerId): LiveConnection | undefined {
    const loser = this.claims.loser(peer, this.options.nodeId)
    loser?.close("superseded")
    return loser
  }

  watch(connection: LiveConnection): void {
    connection.isWatched = true
    this.watched.add(connection)
  }

  ended(connection: LiveConnection, reason: DisconnectReason): void {
    this.live.delete(connection.generation)
    this.watched.delete(connection)
    this.evictions.inbound.left(connection)
    this.evictions.pending.left(connection)
    this.slots.free(connection)
    if (this.claims.release(connection) === "lost") {
      this.options.log(`Released ${connection.peer} from PeerRegistry: ${reason}`)
      this.events.publish({ _tag: "Disconnected", peer: connection.peer, reason })
    }
    this.endProbe(connection)
  }

  /** Visits the connections that wait for something. Those to be reported for unasked responses are returned. */
  sweep(): ReadonlyArray<LiveConnection> {
    const now = this.turns.refresh()
    const suspicious: Array<LiveConnection> = []
    for (const connection of this.watched) {
      if (connection.unasked > 0) suspicious.push(connection)
      if (connection.sweep(now)) continue
      connection.isWatched = false
      this.watched.delete(connection)
    }
    for (const [suspect, probe] of this.probes) this.judge(suspect, probe, now)
    for (const connection of this.claims.overstayed(now)) connection.close("superseded")
    if (now - this.listenedAt >= Limits.SILENCE_INTERVAL) {
      this.listenedAt = now
      for (const connection of this.live.values()) {
        if (connection.silence(now) >= Limits.IDLE_TIMEOUT) connection.close("idle")
      }
    }
    return suspicious
  }

  closeAll(reason: DisconnectReason): void {
    for (const connection of Array.from(this.live.values())) connection.close(reason)
    this.events.end()
  }

  info(connection: LiveConnection): PeerInfo {
    return {
      peer: connection.peer,
      port: connection.port,
      direction: connection.direction,
      generation: connection.generation,
      agent: connection.agent,
      capabilities: connection.capabilities,
      connectedAt: connection.connectedAt,
      lastReceivedAt: connection.lastReceivedAt,
      ping: connection.ping,
      lastBlockAt: this.wallTimeOf(connection.blockAt),
      lastTransactionAt: this.wallTimeOf(connection.transactionAt),
      bytesReceived: connection.bytesReceived,
      bytesSent: connection.bytesSent,
      outboundBytes: connection.outboundBytes,
      inboundMessages: connection.inbox.size,
      pendingRequests: connection.matcher.pending
    }
  }

  /** Makes room for a newcomer, if there is a connection that is worth less. */
  private relieve({ relief }: Shortage, newcomer: PeerId): boolean {
    if (relief === "none") return false
    const victim = this.evictions[relief].victim(this.originOf(newcomer), this.turns.now)
    victim?.close("evicted")
    return victim !== undefined
  }

  private wallTimeOf(monotonic: number | null): number | null {
    return monotonic === null ? null : this.turns.wallTime(monotonic)
  }

  /** Anything the peer answers proves its connection alive; a Ping is what every kind of peer answers. */
  private beginProbe(suspect: LiveConnection): Probe {
    const now = this.turns.now
    const ping = {
      _tag: "Ping",
      nonce: BigInt(suspect.generation),
      timestamp: toUnixSeconds(this.turns.wallTime(now))
    } as const
    const probe: Probe = { heardAt: suspect.heardAt, until: now + Limits.PROBE_TIMEOUT, waiting: new Set() }
    this.probes.set(suspect, probe)
    suspect.postUnheeded(ping, Wire.encode(ping))
    return probe
  }

  private judge(suspect: LiveConnection, probe: Probe, now: number): void {
    if (now - suspect.silence(now) > probe.heardAt) this.endProbe(suspect)
    else if (now >= probe.until) suspect.close("superseded")
  }

  private endProbe(suspect: LiveConnection): void {
    const probe = this.probes.get(suspect)
    this.probes.delete(suspect)
    for (const settle of probe?.waiting ?? []) settle()
  }
}

// --- internal ---

/** A connection that may be dead, and who waits to take its place. Both times in monotonic milliseconds. */
interface Probe {
  /** When its last byte had come before it was probed. */
  readonly heardAt: number
  readonly until: number
  readonly waiting: Set<() => void>
}
