/**
 * The registry as transports and sessions see it: connections from their first byte to their last.
 *
 * A connection is pending until its handshake is done: it can be answered and closed, but makes no claim on its peer and
 * gets no gossip. `establish` makes the claim, of which there is at most one a peer. The same layer provides this and
 * {@link ./PeerRegistry.ts}.
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Request, ResponseOf } from "../protocol/Exchange.ts"
import type { Message, MessageOf } from "../protocol/Message.ts"
import type {
  Connection,
  ConnectionClosed,
  DisconnectReason,
  RequestError,
  RequestPolicy,
  SendError
} from "./PeerRegistry.ts"
import type { PeerTransport } from "./PeerTransport.ts"
import type { WireError } from "../protocol/wire/Wire.ts"

/** A line that was no message, handed to the session in its place among the messages. */
export type Inbound = Message | WireError

/** A connection as its own session sees it. */
export interface PeerConnection extends Connection {
  readonly port: number
  /** When the last byte came, milliseconds since the Unix epoch. */
  readonly lastReceivedAt: number
  /**
   * Waits for messages that answer nothing we asked, and takes all that are there. Calling it again says that those
   * taken before are done with, so the caller must take part in no other way.
   */
  readonly take: Effect.Effect<Arr.NonEmptyReadonlyArray<Inbound>, ConnectionClosed>
  /**
   * Hands a message to exactly this connection, pending or established, and waits for room when too much waits for the
   * peer already. For the session's own opening lines; everybody else goes through the registry.
   */
  readonly write: (message: Message) => Effect.Effect<void, SendError>
  /**
   * Asks on exactly this connection, pending or established, and waits for the answer: the `Handshake` of a dialling
   * session and its pings. Other messages may come before the answer; they are `take`n as always.
   */
  readonly ask: <R extends Request>(request: R, policy?: RequestPolicy) => Effect.Effect<ResponseOf<R>, RequestError>
  /** Ends the connection. What was written before is still delivered if the peer takes it soon. The first reason counts. */
  readonly close: (reason: DisconnectReason) => Effect.Effect<void>
  /** Waits for the end of the connection, whoever ends it. */
  readonly closed: Effect.Effect<DisconnectReason>
}

/** The peer has a live connection already, which stays. */
export class AlreadyConnected extends Schema.TaggedError<AlreadyConnected>()("AlreadyConnected", {
  peer: Schema.String
}) {}

/** The peer is this node itself. It should never be dialled again. */
export class ConnectedToSelf extends Schema.TaggedError<ConnectedToSelf>()("ConnectedToSelf", {
  peer: Schema.String
}) {}

/** The peer is banned; it may come back when the ban is over. */
export class PeerBanned extends Schema.TaggedError<PeerBanned>()("PeerBanned", {
  peer: Schema.String
}) {}

/**
 * All slots of the connection's direction are taken, and nobody is to be closed for the newcomer; or too many connections
 * come from its address or subnet. A retry can help when others have left.
 */
export class TooManyPeers extends Schema.TaggedError<TooManyPeers>()("TooManyPeers", {
  peer: Schema.String,
  limit: Schema.Number
}) {}

/** The transport was closed before a byte of it was read. */
export class RegistrationError extends Schema.TaggedError<RegistrationError>()("RegistrationError", {
  reason: Schema.Union([AlreadyConnected, PeerBanned, TooManyPeers])
}) {}

export class PeerConnections extends Context.Service<
  PeerConnections,
  {
    /** Takes over a new transport. When the scope ends the connection is closed and everything that waited for it fails. */
    readonly register: (transport: PeerTransport) => Effect.Effect<PeerConnection, RegistrationError, Scope.Scope>
    /**
     * Makes the connection its peer's current one. Where another one stands in the way, this waits until that one has
     * shown to be alive or dead.
     */
    readonly establish: (
      connection: Connection
    ) => Effect.Effect<void, AlreadyConnected | ConnectedToSelf | ConnectionClosed>
    /** Records what the peer said of itself; settles which of two simultaneous connections stays. */
    readonly identify: (
      connection: Connection,
      version: MessageOf<"Version">
    ) => Effect.Effect<void, AlreadyConnected | ConnectedToSelf>
    /** Records the round trip of a ping, in milliseconds. */
    readonly recordPing: (connection: Connection, roundTrip: number) => Effect.Effect<void>
  }
>()("timenode/services/PeerConnections") {
  /** Registers nobody and lets everybody establish, except as overridden. */
  static readonly layerTest = (overrides: Partial<PeerConnections["Service"]> = {}): Layer.Layer<PeerConnections> =>
    Layer.succeed(
      PeerConnections,
      PeerConnections.of({
        register: ({ remote }) =>
          Effect.fail(new RegistrationError({ reason: new TooManyPeers({ peer: remote.peer, limit: 0 }) })),
        establish: () => Effect.void,
        identify: () => Effect.void,
        recordPing: () => Effect.void,
        ...overrides
      })
    )
}
