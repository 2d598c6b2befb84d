/**
 * One connection, from its first byte to its last: where each message goes, and what waits for the peer.
 *
 * Everything here is synchronous and runs in the transport's callback. A message is the answer to a request, or is
 * answered in place, or waits for the session, in that order. Once closed, a connection stays closed, for the first
 * reason given.
 */
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import { Exchange, isRequest, type Request, requestAnsweredBy, unaskedLimit } from "../../protocol/Exchange.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Message, MessageOf, MessageTag } from "../../protocol/Message.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import type { InlineAnswer } from "../../services/InlineAnswers.ts"
import type { Agent, Connection, Direction, DisconnectReason, Usefulness } from "../../services/PeerRegistry.ts"
import type { PeerTransport, TransportSink } from "../../services/PeerTransport.ts"
import { AnswerMatcher, type Asked, type Outcome } from "./AnswerMatcher.ts"
import type { Account, ByteBudget } from "./ByteBudget.ts"
import { Inbox, type Taker } from "./Inbox.ts"
import type { Origin, OriginOf } from "./Origin.ts"
import { Allowance, type Turns } from "./Turns.ts"

/** What connections share. */
export interface ConnectionHost {
  readonly turns: Turns
  readonly inline: InlineAnswer
  readonly originOf: OriginOf
  readonly outbound: ByteBudget
  readonly inbound: ByteBudget
  /** The connection waits for something: the sweep must visit it. */
  readonly watch: (connection: LiveConnection) => void
  /** The connection is closed. Called before anything that waited for it is told. */
  readonly ended: (connection: LiveConnection, reason: DisconnectReason) => void
}

export class LiveConnection implements Connection, TransportSink {
  readonly peer: PeerId
  readonly port: number
  readonly direction: Direction
  readonly generation: number
  readonly origin: Origin
  readonly matcher = new AnswerMatcher()
  readonly inbox: Inbox
  readonly end = Deferred.makeUnsafe<DisconnectReason>()
  /** Monotonic milliseconds. */
  readonly registeredAt: number
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number
  isEstablished = false
  isWatched = false
  agent: Agent = "timed"
  capabilities: ReadonlyArray<string> = []
  /** From the peer's Version, which proves that the peer has established this connection, too. */
  nodeId: string | undefined
  isIdentified = false
  /** Round trips in milliseconds: the last one, and the shortest, which a busy moment does not spoil. */
  ping: number | null = null
  lowestPing: number | null = null
  /** When the peer last brought a new block and a new transaction, monotonic milliseconds. */
  blockAt: number | null = null
  transactionAt: number | null = null
  bytesReceived = 0
  bytesSent = 0
  /** Responses that answer nothing, not yet reported. */
  unasked = 0
  /** When the last byte came, monotonic milliseconds. */
  heardAt: number

  private readonly host: ConnectionHost
  private readonly transport: PeerTransport
  private readonly allowance: Allowance
  private readonly outboundAccount: Account
  private readonly inboundAccount: Account
  private readonly roomWaiters: Array<() => void> = []
  private isFirstUnasked = true
  private endedFor: DisconnectReason | undefined
  private unfinishedSeen = 0
  private progressAt: number

  constructor(host: ConnectionHost, transport: PeerTransport, generation: number) {
    this.host = host
    this.transport = transport
    this.peer = transport.remote.peer
    this.port = transport.remote.port
    this.direction = transport.direction
    this.generation = generation
    this.origin = host.originOf(this.peer)
    this.allowance = new Allowance(host.turns)
    this.inbox = new Inbox(transport, host.turns, this.allowance)
    this.registeredAt = this.heardAt = this.progressAt = host.turns.now
    this.connectedAt = host.turns.wallTime(this.registeredAt)
    this.outboundAccount = host.outbound.open(transport.outboundBytes, () => this.close("outboundBudget"))
    this.inboundAccount = host.inbound.open(
      () => this.inbox.bytes + transport.unfinishedBytes(),
      () => this.close("inboundBudget")
    )
  }

  /** Why the connection ended; `undefined` while it lives. */
  get reason(): DisconnectReason | undefined {
    return this.endedFor
  }

  /** When the last byte came, milliseconds since the Unix epoch. */
  get lastReceivedAt(): number {
    return this.host.turns.wallTime(this.heardAt)
  }

  get outboundBytes(): number {
    return this.transport.outboundBytes()
  }

  /** False while more waits for the peer than may. */
  get hasRoom(): boolean {
    return this.transport.outboundBytes() <= Limits.OUTBOUND_PER_PEER
  }

  open(): void {
    this.transport.open(this)
  }

  close(reason: DisconnectReason): void {
    this.transport.close(reason)
  }

  /** Hands over a line. Whoever calls has looked for room. */
  post(line: Wire.Encoded<Message>): void {
    if (this.endedFor !== undefined) return
    if (this.transport.outboundBytes() === 0) this.progressAt = this.host.turns.now
    this.bytesSent += line.byteLength
    this.transport.write(line)
    this.host.outbound.update(this.outboundAccount)
    if (!this.isWatched) this.host.watch(this)
  }

  /** Hands over a line whose answer, if it asks for one, nobody waits for. */
  postUnheeded(message: Message, line: Wire.Encoded<Message>): void {
    this.matcher.expect(message)
    this.post(line)
  }

  /** Hands over a request; `settle` is called once, within `timeout` milliseconds and a beat of the sweep. */
  ask(request: Request, timeout: number, settle: (outcome: Outcome) => void): Asked {
    const asked = this.matcher.ask(request, this.host.turns.now + timeout, settle)
    this.host.watch(this)
    this.post(Wire.encode(request))
    return asked
  }

  /** The session is done with what it took before and waits for more. */
  take(taker: Taker): void {
    this.inbox.take(taker)
    this.host.inbound.update(this.inboundAccount)
  }

  /** Notes what the peer says of itself, once. */
  identify(version: MessageOf<"Version">): void {
    if (this.isIdentified) return
    this.isIdentified = true
    const { agent, capabilities, nodeId } = selfDescription(version)
    this.agent = agent
    this.capabilities = capabilities
    this.nodeId = nodeId
  }

  recordPing(roundTrip: number): void {
    this.ping = roundTrip
    this.lowestPing = Math.min(roundTrip, this.lowestPing ?? Infinity)
  }

  recordUseful(what: Usefulness): void {
    if (what === "block") this.blockAt = this.host.turns.now
    else this.transactionAt = this.host.turns.now
  }

  /** Calls back when there is room again, or never will be. Returns how to wait no more. */
  onRoom(callback: () => void): () => void {
    this.roomWaiters.push(callback)
    return () => {
      const index = this.roomWaiters.indexOf(callback)
      if (index >= 0) this.roomWaiters.splice(index, 1)
    }
  }

  lineLimit(prefix: Uint8Array): number {
    // An acceptor may send gossip before its Ack, so only strangers that dialled us are held to short lines.
    if (!this.isEstablished && this.direction === "inbound") return Limits.LINE_BEFORE_HANDSHAKE
    const tag = tagOfPrefix(prefix)
    const request = tag === undefined ? undefined : requestAnsweredBy(tag)
    if (tag === undefined || request === undefined || !this.matcher.expects(tag)) return unaskedLimit(tag)
    return Exchange[request].answerLimit
  }

  message(message: Message, byteLength: number): void {
    this.hear(byteLength)
    if (requestAnsweredBy(message._tag) !== undefined && this.takeAnswer(message)) return
    if (!this.answerInline(message)) this.enqueue(message, byteLength)
  }

  malformed(error: Wire.WireError, byteLength: number): void {
    this.hear(byteLength)
    this.enqueue(error, byteLength)
  }

  unfinished(): void {
    this.host.inbound.update(this.inboundAccount)
  }

  drained(): void {
    this.progressAt = this.host.turns.now
    this.host.outbound.update(this.outboundAccount)
    if (this.roomWaiters.length > 0 && this.hasRoom) this.callRoomWaiters()
  }

  closed(reason: DisconnectReason): void {
    if (this.endedFor !== undefined) return
    this.endedFor = reason
    this.host.outbound.close(this.outboundAccount)
    this.host.inbound.close(this.inboundAccount)
    this.host.ended(this, reason)
    this.matcher.end()
    this.callRoomWaiters()
    Deferred.doneUnsafe(this.end, Exit.succeed(reason))
    this.inbox.end(reason !== "remoteClosed" && reason !== "socketError")
  }

  /** Milliseconds since the last byte. Bytes of a line that has not ended count as they are noticed here. */
  silence(now: number): number {
    const bytes = this.transport.unfinishedBytes()
    if (bytes > this.unfinishedSeen) this.heardAt = now
    this.unfinishedSeen = bytes
    return now - this.heardAt
  }

  /** Ends what waits too long. False when nothing waits here any more. */
  sweep(now: number): boolean {
    this.matcher.expire(now)
    const waiting = this.transport.outboundBytes()
    if (waiting > 0 && now - this.progressAt >= Limits.DRAIN_TIMEOUT) {
      this.close("notDraining")
      return false
    }
    this.host.outbound.update(this.outboundAccount)
    return waiting > 0 || this.matcher.pending > 0
  }

  private hear(byteLength: number): void {
    this.bytesReceived += byteLength
    this.heardAt = this.host.turns.now
  }

  /** False when the response must go to the session all the same. */
  private takeAnswer(response: Message): boolean {
    const verdict = this.matcher.answer(response)
    if (verdict === "delivered") return true
    // Addresses are gossip: everybody tells them, asked or not.
    if (!this.isEstablished || response._tag === "PeersResponse") return false
    if (verdict === "unasked") this.noteUnasked()
    return true
  }

  /** The first one is forgiven: it may be the answer to a request whose place is forgotten. */
  private noteUnasked(): void {
    if (!this.isFirstUnasked) {
      this.unasked++
      this.host.watch(this)
    }
    this.isFirstUnasked = false
  }

  /** Answers in place, if that keeps the order of answers and the peer takes what it asked for before. */
  private answerInline(message: Message): boolean {
    if (!INLINE.has(message._tag) || !this.isEstablished || !this.inbox.isIdle || !this.hasRoom) return false
    if (!isRequest(message) || !this.allowance.spend()) return false
    const answer = this.host.inline(message)
    if (answer === undefined) return false
    this.post(answer)
    return true
  }

  private enqueue(message: Message | Wire.WireError, byteLength: number): void {
    this.inbox.put(message, byteLength)
    if (this.inbox.size > 0) this.host.inbound.update(this.inboundAccount)
  }

  private callRoomWaiters(): void {
    for (const callback of this.roomWaiters.splice(0)) callback()
  }
}

// --- internal ---

const INLINE: ReadonlySet<string> = new Set(
  Object.entries(Exchange).flatMap(([tag, exchange]) => (exchange.inline ? [tag] : []))
)

/** The variant of a line by its first bytes, `{"Tag":`; `undefined` when they show none. */
const tagOfPrefix = (prefix: Uint8Array): MessageTag | undefined =>
  /^[ \t\r]*\{[ \t\r]*"([A-Za-z]+)"/.exec(Buffer.from(prefix).toString("latin1"))?.[1] as MessageTag | undefined

/** What a Version says of the program that sent it. */
const selfDescription = (version: MessageOf<"Version">) => {
  const capabilities = version.capabilities
    .slice(0, Limits.CAPABILITIES_PER_PEER)
    .map((capability) => capability.slice(0, Limits.PEER_TEXT))
  return {
    capabilities,
    agent: capabilities.some((capability) => capability.startsWith("timenode/")) ? "timenode" : "timed",
    nodeId: capabilities.find((capability) => capability.startsWith("id:"))?.slice("id:".length)
  } as const satisfies { agent: Agent; capabilities: ReadonlyArray<string>; nodeId: string | undefined }
}
