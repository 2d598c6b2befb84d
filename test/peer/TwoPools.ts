/**
 * Two nodes' connection pools, and a network between them that delivers one line at a time, when it is told to.
 *
 * Pools, claims, connections and codec are those of the node. The session is a short script of `PeerSession`: handshake,
 * claim, Version, pings; one question that is lost on the way waits on every connection. Nothing here is asynchronous,
 * so that tens of thousands of schedules take seconds.
 */
import type { Clock } from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import type { Outcome } from "../../src/layers/registry/AnswerMatcher.ts"
import { ConnectionPool } from "../../src/layers/registry/ConnectionPool.ts"
import { LiveConnection } from "../../src/layers/registry/LiveConnection.ts"
import { Turns } from "../../src/layers/registry/Turns.ts"
import type { Request } from "../../src/protocol/Exchange.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import type { Direction, DisconnectReason } from "../../src/services/PeerRegistry.ts"
import type { PeerTransport, TransportSink } from "../../src/services/PeerTransport.ts"
import { peer } from "./Fixture.ts"
import type { World } from "./Schedules.ts"
import { ack, handshake, version } from "./Session.ts"

export type Name = "A" | "B"

/** What may happen in a schedule, beside deliveries, and how often. */
export interface Budget {
  readonly dials: Readonly<Record<Name, number>>
  /** Lengths of pauses in seconds, in which nothing is delivered. */
  readonly pauses?: ReadonlyArray<number>
  readonly mostPauses?: number
  /** A link breaks: what is under way is lost, and each end is told when that is delivered. */
  readonly breaks?: number
  /** A link goes dead: nothing arrives any more, and nobody is told. */
  readonly deaths?: number
  /** What is under way to one end arrives together, as it mostly does; otherwise line by line. */
  readonly isTogether?: boolean
  /** Nobody dials again at the end: one connection must have been left by itself. */
  readonly isFinal?: boolean
}

/** A has the lower node id. */
export class TwoPools implements World {
  readonly sides: Readonly<Record<Name, Side>>
  private readonly network = new Network()
  private readonly left: { A: number; B: number; pauses: number; breaks: number; deaths: number }
  private readonly budget: Budget

  constructor(budget: Budget) {
    this.budget = budget
    const { dials, mostPauses = 0, breaks = 0, deaths = 0 } = budget
    this.left = { ...dials, pauses: mostPauses, breaks, deaths }
    this.sides = {
      A: new Side("A", "0a".padEnd(32, "0"), this.network),
      B: new Side("B", "0b".padEnd(32, "0"), this.network)
    }
  }

  choices(): ReadonlyArray<string> {
    const choices: Array<string> = []
    for (const name of NAMES) if (this.left[name] > 0) choices.push(`${name} dials`)
    for (const link of this.network.links) {
      for (const end of link.ends) if (end.hasNext) choices.push(`${link.number} to ${end.side.name}`)
    }
    const isBegun = this.network.links.length > 0
    if (isBegun && this.left.pauses > 0) for (const seconds of this.budget.pauses ?? []) choices.push(`${seconds} s`)
    for (const link of this.network.links) {
      if (!link.isUp) continue
      if (this.left.breaks > 0) choices.push(`${link.number} breaks`)
      if (this.left.deaths > 0) choices.push(`${link.number} dies`)
    }
    return choices
  }

  take(step: string): void {
    const [subject, verb, object] = step.split(" ") as [string, string, Name]
    const link = this.network.links[Number(subject) - 1]
    switch (verb) {
      case "dials":
        this.left[subject as Name]--
        this.dial(subject as Name)
        break
      case "to":
        this.deliver(link!.ends.find(({ side }) => side.name === object)!)
        break
      case "s":
        this.left.pauses--
        this.pass(Number(subject) * 1000, false)
        break
      case "breaks":
        this.left.breaks--
        link!.break()
        break
      case "dies":
        this.left.deaths--
        link!.die()
    }
    this.check()
  }

  /** From here on the network delivers at once; both dial again and again, never at the same time. */
  finish(): void {
    this.deliverAll()
    if (this.budget.isFinal === true) return this.expectOne()
    this.pass(REDIAL, true)
    if (this.left.deaths < (this.budget.deaths ?? 0)) this.pass(Limits.IDLE_TIMEOUT, true)
    for (const name of NAMES) {
      this.dial(name)
      this.deliverAll()
      this.pass(REDIAL, true)
    }
    this.expectOne()
    this.expectAnswers()
  }

  private dial(name: Name): void {
    this.sides[name].dial(this.sides[other(name)])
    this.settle()
  }

  private deliver(end: End): void {
    const lines = this.budget.isTogether === true ? end.coming.length : 1
    for (let line = 0; line < lines && end.hasNext; line++) end.deliver()
    this.settle()
  }

  private deliverAll(): void {
    for (let end = this.nextEnd(); end !== undefined; end = this.nextEnd()) {
      this.deliver(end)
      this.check()
    }
  }

  private nextEnd(): End | undefined {
    for (const { ends } of this.network.links) for (const end of ends) if (end.hasNext) return end
    return undefined
  }

  private pass(millis: number, isDelivering: boolean): void {
    for (let passed = 0; passed < millis; passed += BEAT) {
      this.network.now += BEAT
      for (const name of NAMES) this.sides[name].beat()
      this.settle()
      if (isDelivering) this.deliverAll()
      this.check()
    }
  }

  private settle(): void {
    for (const name of NAMES) this.sides[name].turn()
  }

  private check(): void {
    for (const name of NAMES) this.sides[name].check()
  }

  private expectOne(): void {
    const [a, b] = NAMES.map((name) => this.sides[name].established)
    if (a!.length !== 1 || b!.length !== 1 || a![0] !== b![0]) {
      throw new Error(`A has the links [${String(a)}], B the links [${String(b)}]`)
    }
  }

  private expectAnswers(): void {
    for (const name of NAMES) this.sides[name].pool.closeAll("shutdown")
    for (const name of NAMES) {
      if (this.sides[name].waiting.size > 0) throw new Error(`${name} waits for a closed connection`)
    }
  }
}

// --- internal ---

const NAMES = ["A", "B"] as const
const ADDRESSES = { A: peer(1), B: peer(2) }
const other = (name: Name): Name => (name === "A" ? "B" : "A")
/** Between two dials at the end: longer than a probe and the coexistence of two connections take. */
const REDIAL = 16_000
/** Of the sweep: longer than a node's, which makes time cheaper. All other times here are multiples of it. */
const BEAT = 1_000

class Network {
  now = 0
  readonly links: Array<Link> = []
}

/** One end of a link: the transport of the node that has it, and what is under way to it. */
class End implements PeerTransport {
  readonly side: Side
  readonly direction: Direction
  readonly remote
  readonly outboundBytes = () => 0
  readonly unfinishedBytes = () => 0
  readonly pause = () => {}
  readonly resume = () => {}
  readonly link: Link
  coming: Array<Wire.Encoded<Message> | "connection" | "end"> = []
  isOpen = true
  private sink: TransportSink | undefined

  constructor(link: Link, side: Side, other: Side, direction: Direction) {
    this.link = link
    this.side = side
    this.direction = direction
    this.remote = { peer: other.address, port: link.number }
  }

  get isKnown(): boolean {
    return this.sink !== undefined
  }

  get hasNext(): boolean {
    return this.isOpen && this.coming.length > 0
  }

  readonly open = (sink: TransportSink): void => {
    this.sink = sink
  }

  readonly write = (line: Wire.Encoded<Message>): void => {
    if (this.isOpen && line.tag !== LOST) this.link.carry(this, line)
  }

  readonly close = (reason: DisconnectReason): void => {
    if (!this.isOpen) return
    this.isOpen = false
    this.coming = []
    this.link.carry(this, "end")
    this.sink?.closed(reason)
  }

  deliver(): void {
    const next = this.coming.shift()!
    if (next === "connection") return this.side.admit(this)
    if (next === "end") return this.close("remoteClosed")
    const bytes = Buffer.concat(next.chunks)
    const message = Wire.decode(bytes, 0, bytes.length - 1)
    if (message._tag === "WireError") throw new Error(message.message)
    this.sink!.message(message, bytes.length)
  }
}

class Link {
  readonly number: number
  readonly ends: readonly [End, End]
  private isDead = false

  constructor(number: number, from: Side, to: Side) {
    this.number = number
    this.ends = [new End(this, from, to, "outbound"), new End(this, to, from, "inbound")]
    this.ends[1].coming.push("connection")
  }

  get isUp(): boolean {
    return !this.isDead && this.ends.some(({ isOpen }) => isOpen)
  }

  carry(from: End, what: Wire.Encoded<Message> | "end"): void {
    const to = this.ends[from === this.ends[0] ? 1 : 0]
    if (to.isOpen && !this.isDead) to.coming.push(what)
  }

  break(): void {
    this.die()
    for (const end of this.ends) if (end.isOpen && end.isKnown) end.coming = ["end"]
  }

  die(): void {
    this.isDead = true
    for (const end of this.ends) end.coming = []
  }
}

/** A connection and the script that is its session. */
interface Session {
  readonly live: LiveConnection
  readonly link: Link
  pingedAt: number
}

class Side {
  readonly name: Name
  readonly address
  readonly pool: ConnectionPool
  /** Questions that have no outcome yet, with their deadlines. */
  readonly waiting = new Map<object, number>()
  readonly nodeId: string
  private readonly network: Network
  private readonly tasks: Array<() => void> = []
  private readonly scheduler = new Scheduler.MixedScheduler("sync", (task) => {
    this.tasks.push(task)
    return () => {}
  })
  private sessions: Array<Session> = []
  private twoSince: number | undefined

  constructor(name: Name, nodeId: string, network: Network) {
    this.name = name
    this.nodeId = nodeId
    this.network = network
    this.address = ADDRESSES[name]
    this.pool = new ConnectionPool({
      turns: new Turns(clockOf(network), this.scheduler.makeDispatcher()),
      inline: () => undefined,
      nodeId,
      configured: new Set(),
      secret: new Uint8Array(16),
      slots: { inbound: Limits.INBOUND_SLOTS, outbound: Limits.OUTBOUND_SLOTS },
      log: () => {}
    })
  }

  /** The links that are established here, the peer's own one first. */
  get established(): ReadonlyArray<number> {
    return this.sessions
      .filter(({ live }) => live.isEstablished && live.reason === undefined)
      .map(({ link }) => link.number)
  }

  dial(other: Side): void {
    const link = new Link(this.network.links.length + 1, this, other)
    this.network.links.push(link)
    this.admit(link.ends[0])
  }

  admit(end: End): void {
    const live = this.pool.admit(end)
    if (!(live instanceof LiveConnection)) return end.close(live.reason)
    const session = { live, link: end.link, pingedAt: 0 }
    this.sessions.push(session)
    if (end.direction === "inbound") return this.serve(session)
    this.ask(session, handshake as Request, Limits.HANDSHAKE_TIMEOUT, (outcome) => {
      if (typeof outcome !== "string") this.establish(session, () => this.open(session))
      else live.close("handshakeTimeout")
    })
  }

  /** What is due by now. */
  beat(): void {
    this.pool.sweep()
    const { now } = this.network
    for (const session of this.sessions) {
      const { live } = session
      if (live.reason !== undefined) continue
      if (!live.isEstablished && now - live.registeredAt >= Limits.HANDSHAKE_TIMEOUT) live.close("handshakeTimeout")
      if (live.isEstablished && now - session.pingedAt >= PING_INTERVAL) this.ping(session)
    }
    this.sessions = this.sessions.filter(({ live }) => live.reason === undefined)
  }

  /** Lets all fibers go on, and a new turn begin. */
  turn(): void {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
  }

  check(): void {
    const { established } = this
    const { now } = this.network
    if (established.length > 2) throw new Error(`${this.name} has established ${String(established)}`)
    this.twoSince = established.length === 2 ? (this.twoSince ?? now) : undefined
    if (now - (this.twoSince ?? now) > Limits.COEXISTENCE_WINDOW + BEAT) {
      throw new Error(`${this.name} keeps both ${String(established)}`)
    }
    const { claims } = this.pool
    const current = claims.current(ADDRESSES[other(this.name)])
    if (claims.size !== Math.min(1, established.length) || (claims.size === 1 && current?.reason !== undefined)) {
      throw new Error(`${this.name} claims ${claims.size} connections with ${String(established)} established`)
    }
    for (const deadline of this.waiting.values()) {
      if (now > deadline + BEAT) throw new Error(`${this.name} waits after its deadline`)
    }
  }

  private establish(session: Session, then: () => void): void {
    if (session.live.reason !== undefined) return
    const standing = this.pool.claim(session.live)
    if (standing === "taken") return session.live.close("alreadyConnected")
    if (standing !== "doubtful") return then()
    const again = Effect.sync(() => this.establish(session, then))
    Effect.runFork(Effect.andThen(this.pool.probe(session.live.peer), again), { scheduler: this.scheduler })
  }

  private open(session: Session): void {
    this.say(session, version(this.nodeId))
    this.ask(session, { _tag: LOST }, LOST_TIMEOUT, () => {})
    session.pingedAt = this.network.now
    if (session.live.direction === "outbound") this.serve(session)
  }

  private serve(session: Session): void {
    session.live.take((batch) => {
      for (const message of batch ?? []) this.handle(session, message)
      if (batch !== undefined) this.serve(session)
    })
  }

  private handle(session: Session, message: Message | Wire.WireError): void {
    const { live } = session
    if (message._tag === "Handshake") {
      this.establish(session, () => {
        this.say(session, ack)
        this.open(session)
      })
    } else if (message._tag === "Version") {
      live.identify(message)
      this.pool.settle(live.peer)
    } else if (message._tag === "Ping") {
      this.say(session, { _tag: "Pong", nonce: message.nonce, timestamp: 0n })
    }
  }

  private say({ live }: Session, message: Message): void {
    live.postUnheeded(message, Wire.encode(message))
  }

  private ping(session: Session): void {
    session.pingedAt = this.network.now
    const nonce = BigInt(this.network.now)
    this.ask(session, { _tag: "Ping", nonce, timestamp: 0n }, PING_TIMEOUT, () => {})
  }

  private ask({ live }: Session, request: Request, timeout: number, then: (outcome: Outcome) => void): void {
    if (live.reason !== undefined) return
    const question = {}
    this.waiting.set(question, this.network.now + timeout)
    live.ask(request, timeout, (outcome) => {
      if (!this.waiting.delete(question)) throw new Error(`${request._tag} is settled twice`)
      then(outcome)
    })
  }
}

const clockOf = (network: Network): Clock => ({
  currentTimeMillisUnsafe: () => network.now,
  currentTimeNanosUnsafe: () => BigInt(network.now) * NANOS_PER_MILLI,
  monotonicTimeNanosUnsafe: () => BigInt(network.now) * NANOS_PER_MILLI,
  currentTimeMillis: Effect.sync(() => network.now),
  currentTimeNanos: Effect.sync(() => BigInt(network.now) * NANOS_PER_MILLI),
  monotonicTimeNanos: Effect.sync(() => BigInt(network.now) * NANOS_PER_MILLI),
  sleep: () => Effect.never
})

const NANOS_PER_MILLI = 1_000_000n
const LOST = "GetBlockHeight"
const LOST_TIMEOUT = 5_000
const PING_INTERVAL = 30_000
const PING_TIMEOUT = 20_000
