/**
 * A day of a node whose inbound slots an attacker wants for itself.
 *
 * Honest peers from many networks come first, or last; some of them bring blocks and transactions. The attacker dials at
 * even intervals, answers pings at once, brings nothing and never leaves. Honest peers that lost their connection, to
 * the network or to the attacker, dial again at growing intervals, as nodes do.
 */
import { peerId, type PeerId } from "../../src/protocol/PeerId.ts"
import type { LiveConnection } from "../../src/layers/registry/LiveConnection.ts"
import { ScriptedPool } from "./ScriptedPool.ts"

export interface Siege {
  readonly slots: number
  readonly honest: number
  /** Each an IPv4 /16. */
  readonly honestNetworks: number
  /** The address from which the attacker dials for the nth time. */
  readonly attacker: (attempt: number) => PeerId
  readonly attempts: number
  readonly isAttackerFirst?: boolean
  /** Honest connections that break by themselves, evenly over the day. */
  readonly breaks?: number
  readonly seed: number
}

export interface Outcome {
  /** Honest peers that are connected at the end, and networks that they are in. */
  readonly kept: number
  readonly keptNetworks: number
  /** The fewest that were connected at any time after all had come. */
  readonly fewest: number
  readonly attackers: number
  readonly evictedHonest: number
  readonly evictedAttackers: number
}

/** Attackers with addresses in so many /16, in all of which there are more than they dial from. */
export const fromNetworks =
  (networks: number) =>
  (attempt: number): PeerId => {
    const within = Math.floor(attempt / networks)
    return peerId(`130.${attempt % networks}.${(within >> 8) % 256}.${within % 256}`)!
  }

export const besiege = (siege: Siege): Outcome => {
  const node = new ScriptedPool({
    slots: { inbound: siege.slots, outbound: 0 },
    secret: new Uint8Array(16).fill(siege.seed)
  })
  const random = randomFrom(siege.seed)
  const peers = Array.from({ length: siege.honest }, (_, number) => new HonestPeer(node, number, siege, random))
  const attackers: Array<LiveConnection> = []
  let fewest = Infinity

  const attack = (attempt: number) => {
    const admitted = node.establish(siege.attacker(attempt))
    admitted?.recordPing(1)
    if (admitted !== undefined) attackers.push(admitted)
  }
  const isUp = () => peers.filter(({ isConnected }) => isConnected)

  if (siege.isAttackerFirst === true) for (let n = 0; n < siege.slots * 2; n++) attack(n)
  for (let attempt = 0; attempt < siege.attempts; attempt++) {
    node.now = Math.floor((attempt * DAY) / siege.attempts)
    for (const peer of peers) peer.live()
    if (random() < (siege.breaks ?? 0) / siege.attempts) isUp()[Math.floor(random() * isUp().length)]?.break()
    if (node.now > SETTLED) attack(attempt)
    if (node.now > SETTLED) fewest = Math.min(fewest, isUp().length)
  }
  return {
    kept: isUp().length,
    keptNetworks: new Set(isUp().map(({ network }) => network)).size,
    fewest,
    attackers: attackers.filter(({ reason }) => reason === undefined).length,
    evictedHonest: peers.reduce((sum, { evictions }) => sum + evictions, 0),
    evictedAttackers: attackers.filter(({ reason }) => reason === "evicted").length
  }
}

// --- internal ---

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
/** All honest peers have dialled by then. */
const SETTLED = 10 * MINUTE
const BLOCK_INTERVAL = 10 * MINUTE
const TRANSACTION_INTERVAL = MINUTE / 2

class HonestPeer {
  readonly network: number
  evictions = 0
  private readonly node: ScriptedPool
  private readonly random: () => number
  private readonly peer: PeerId
  private readonly ping: number
  /** How many gossip as much as this one, which bring what is new in turn; none, for one that never does. */
  private readonly gossipers: number
  private connection: LiveConnection | undefined
  private dialAt: number
  private pause = 5_000
  private seenAt = 0

  constructor(node: ScriptedPool, number: number, { honest, honestNetworks }: Siege, random: () => number) {
    this.node = node
    this.random = random
    this.network = number % honestNetworks
    this.peer = peerId(`${11 + this.network}.7.${number >> 8}.${number & 255}`)!
    this.ping = 20 + Math.floor(random() * 280)
    this.gossipers = number % 3 === 0 ? Math.ceil(honest / 3) : 0
    this.dialAt = Math.floor(random() * SETTLED)
  }

  get isConnected(): boolean {
    return this.connection !== undefined && this.connection.reason === undefined
  }

  /** Does what it does until now. */
  live(): void {
    const { now } = this.node
    if (this.connection?.reason !== undefined) {
      if (this.connection.reason === "evicted") this.evictions++
      this.connection = undefined
      this.pause = 5_000
      this.dialAt = now + this.pause
    }
    if (this.connection === undefined && now >= this.dialAt) this.dial()
    if (this.connection !== undefined && this.gossipers > 0) this.gossip(this.connection, now - this.seenAt)
    this.seenAt = now
  }

  break(): void {
    this.connection?.close("remoteClosed")
  }

  private dial(): void {
    this.connection = this.node.establish(this.peer)
    this.connection?.recordPing(this.ping)
    this.pause = Math.min(300_000, this.pause * 2)
    this.dialAt = this.node.now + this.pause
  }

  private gossip(connection: LiveConnection, passed: number): void {
    if (this.random() < passed / BLOCK_INTERVAL / this.gossipers) connection.recordUseful("block")
    if (this.random() < passed / TRANSACTION_INTERVAL / this.gossipers) connection.recordUseful("transaction")
  }
}

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
const randomFrom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
