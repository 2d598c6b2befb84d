/**
 * The peer registry: the one way to say anything to a peer.
 *
 * It holds at most one established connection a peer, correlates answers with requests, and bounds what waits for a slow
 * peer. Every request ends, one way or another, and no call here waits for another peer. What transports and sessions
 * see of the same registry is {@link ./PeerConnections.ts}.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"
import type { Request, RequestOf, RequestTag, ResponseOf } from "../protocol/Exchange.ts"
import type { Message, MessageTag } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { Encoded } from "../protocol/wire/Encoded.ts"

/** Who dialled: `inbound` peers dialled us. */
export type Direction = "inbound" | "outbound"

/** Which program a peer runs. Until its `Version` has come, a peer counts as a `timed`. */
export type Agent = "timed" | "timenode"

/** One link to a peer. A reply goes to the connection that asked and never to its successor. */
export interface Connection {
  readonly peer: PeerId
  readonly direction: Direction
  /** Grows with every connection of this process; tells a connection from its successor. */
  readonly generation: number
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number
  /** As far as the peer has told by now. */
  readonly agent: Agent
}

/** Why a connection ended. */
export const DisconnectReason = Schema.Literals([
  "remoteClosed",
  "socketError",
  "shutdown",
  "requested",
  "handshakeTimeout",
  "handshakeRefused",
  "messageBeforeHandshake",
  "badMagic",
  "badVersion",
  "wrongGenesis",
  "connectedToSelf",
  "alreadyConnected",
  "superseded",
  "tooManyPeers",
  "evicted",
  "banned",
  "idle",
  "unresponsive",
  "notDraining",
  "lineTooLong",
  "invalidUtf8",
  "misbehaving",
  "outboundBudget",
  "inboundBudget",
  "internalError"
])
export type DisconnectReason = typeof DisconnectReason.Type

/** What new thing a peer brought. */
export type Usefulness = "block" | "transaction"

/** What is known of an established connection. */
export interface PeerInfo extends Connection {
  readonly port: number
  /** From the peer's `Version`; empty until it has come. */
  readonly capabilities: ReadonlyArray<string>
  /** Milliseconds since the Unix epoch. */
  readonly lastReceivedAt: number
  /** Round trip of the last ping, milliseconds; null before the first pong. */
  readonly ping: number | null
  /** When the peer last brought a block, or a transaction, that was new here; milliseconds since the Unix epoch. */
  readonly lastBlockAt: number | null
  readonly lastTransactionAt: number | null
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Bytes that wait to be taken by the peer. */
  readonly outboundBytes: number
  /** Messages that wait for the peer's handler. */
  readonly inboundMessages: number
  /** Requests of ours that the peer has not answered. */
  readonly pendingRequests: number
}

export type PeerEvent =
  | { readonly _tag: "Connected"; readonly peer: PeerInfo }
  | { readonly _tag: "Disconnected"; readonly peer: PeerId; readonly reason: DisconnectReason }
  /** The subscriber was too slow: this many older events were dropped. */
  | { readonly _tag: "Lagged"; readonly missed: number }

/** The peer has no established connection. A retry helps once it is connected again. */
export class PeerNotConnected extends Schema.TaggedError<PeerNotConnected>()("PeerNotConnected", {
  peer: Schema.String
}) {}

/** The connection ended before the message was handed over or the answer came. A retry goes to the next connection. */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  peer: Schema.String,
  reason: DisconnectReason
}) {}

/** Too much waits for the peer already. A retry helps when the peer has drained. */
export class SendQueueFull extends Schema.TaggedError<SendQueueFull>()("SendQueueFull", {
  peer: Schema.String,
  waitingBytes: Schema.Number
}) {}

/** No answer within the deadline of the policy. A retry can help; another peer helps more. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  peer: Schema.String,
  request: Schema.String
}) {}

/** The peer will not answer: its kind never answers this request, or it answered a later one. Ask another peer. */
export class NotAnswered extends Schema.TaggedError<NotAnswered>()("NotAnswered", {
  peer: Schema.String,
  request: Schema.String
}) {}

/** The message must not be told to this kind of peer, whom it would harm. No retry helps. */
export class NotForThisPeer extends Schema.TaggedError<NotForThisPeer>()("NotForThisPeer", {
  peer: Schema.String,
  message: Schema.String
}) {}

/** A message could not be handed to a peer. */
export class SendError extends Schema.TaggedError<SendError>()("SendError", {
  reason: Schema.Union([PeerNotConnected, ConnectionClosed, SendQueueFull, NotForThisPeer])
}) {}

/** A request got no answer. */
export class RequestError extends Schema.TaggedError<RequestError>()("RequestError", {
  reason: Schema.Union([PeerNotConnected, ConnectionClosed, SendQueueFull, RequestTimeout, NotAnswered])
}) {}

/** How long a request waits and whether it is asked again; named values are in `peer/Policies.ts`. */
export interface RequestPolicy {
  /** For each try. */
  readonly timeout: Duration.Duration
  /** Absent: asked once. Only idempotent requests are ever asked again, whatever this says. */
  readonly retry?: Schedule.Schedule<unknown, RequestError>
}

export interface BroadcastOptions {
  /** Where the message came from: it is not sent back there. */
  readonly except?: PeerId
  readonly to?: (peer: PeerInfo) => boolean
}

/** What became of a broadcast: `skipped` peers do not drain. */
export interface BroadcastReport {
  readonly sent: number
  readonly skipped: number
}

/** True for one member of a union, false for the union itself. */
type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never

/** A request whose variant is known: a union of requests would let an answer to one pass as the answer to another. */
export type SingleRequest<R extends Request> = true extends IsUnion<R["_tag"]> ? never : R

export class PeerRegistry extends Context.Service<
  PeerRegistry,
  {
    /** Answers a request on the connection that asked. */
    readonly reply: <R extends Request>(
      to: Connection,
      request: R & SingleRequest<R>,
      response: ResponseOf<R> | Encoded<ResponseOf<R>>
    ) => Effect.Effect<void, SendError>
    /** Hands a message to the peer's current connection. */
    readonly send: (peer: PeerId, message: Message) => Effect.Effect<void, SendError>
    /** Asks the peer's current connection and waits for the answer; without a policy, that of the exchange's class. */
    readonly request: <R extends Request>(
      peer: PeerId,
      request: R,
      policy?: RequestPolicy
    ) => Effect.Effect<ResponseOf<R>, RequestError>
    /** Sends to every established connection, encoded once. Waits for nobody. */
    readonly broadcast: (message: Message, options?: BroadcastOptions) => Effect.Effect<BroadcastReport>
    /** Closes the peer's connection, established or not; nothing happens when there is none. */
    readonly disconnect: (peer: PeerId, reason: DisconnectReason) => Effect.Effect<void>
    /** Notes that the peer brought something that was new here, which speaks for it when a connection must go. */
    readonly recordUseful: (peer: PeerId, what: Usefulness) => Effect.Effect<void>
    /** The established connections. */
    readonly peers: Effect.Effect<ReadonlyArray<PeerInfo>>
    /** Connections as they come and go. A slow subscriber loses the oldest events and is told so. */
    readonly events: Stream.Stream<PeerEvent>
  }
>()("timenode/services/PeerRegistry") {
  /**
   * A registry without peers, for tests. `respond` says what peers answer, a request at a time; `sent` collects what
   * was sent, replied and broadcast.
   */
  static readonly layerTest = (options: PeerRegistryTest = {}): Layer.Layer<PeerRegistry> =>
    Layer.sync(PeerRegistry, () => {
      const note = (peer: PeerId | "all", message: Message | Encoded<Message>) =>
        Effect.sync(() => void options.sent?.push({ peer, message }))
      const respond = options.respond as Partial<Record<RequestTag, (r: Request, p: PeerId) => Message>> | undefined
      return PeerRegistry.of({
        reply: (to, _request, response) => note(to.peer, response as Message),
        send: note,
        // The table is checked variant by variant; a generic function cannot be, hence the one cast.
        request: ((peer: PeerId, request: Request) => {
          const answer = respond?.[request._tag]
          return answer === undefined
            ? Effect.fail(new RequestError({ reason: new NotAnswered({ peer, request: request._tag }) }))
            : Effect.sync(() => answer(request, peer))
        }) as PeerRegistry["Service"]["request"],
        broadcast: (message) => Effect.as(note("all", message), { sent: options.peers?.length ?? 0, skipped: 0 }),
        disconnect: () => Effect.void,
        recordUseful: () => Effect.void,
        peers: Effect.succeed(options.peers ?? []),
        events: Stream.empty
      })
    })
}

export interface SentMessage {
  readonly peer: PeerId | "all"
  readonly message: Message | Encoded<Message>
}

export interface PeerRegistryTest {
  readonly peers?: ReadonlyArray<PeerInfo>
  readonly sent?: Array<SentMessage>
  readonly respond?: { readonly [T in RequestTag]?: (request: RequestOf<T>, peer: PeerId) => ResponseOf<RequestOf<T>> }
}

/** The variant of a message, encoded or not. */
export const tagOf = (message: Message | Encoded<Message>): MessageTag =>
  "_tag" in message ? message._tag : message.tag
