/**
 * What carries lines to and from one peer: TCP in production, memory in tests.
 *
 * A transport turns bytes into messages and encoded lines into bytes, in order, and knows nothing of requests, peers or
 * the node. Everything here is synchronous: it runs in the transport's callback, and nothing in it may wait.
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Message } from "../protocol/Message.ts"
import type { PeerAddress } from "../protocol/PeerId.ts"
import type { Encoded, WireError } from "../protocol/wire/Wire.ts"
import type { Direction, DisconnectReason } from "./PeerRegistry.ts"

/** Where a transport delivers to. */
export interface TransportSink {
  /** Longest line to accept, in bytes, given the bytes of an unfinished line so far. */
  readonly lineLimit: (prefix: Uint8Array) => number
  readonly message: (message: Message, byteLength: number) => void
  /** A line that is no message. The transport goes on unless it is closed. */
  readonly malformed: (error: WireError, byteLength: number) => void
  /** More of a line came that has not ended yet. Short lines may go unmentioned. */
  readonly unfinished: () => void
  /** The peer took some of what waited for it. */
  readonly drained: () => void
  /** The last call: nothing more comes or goes. */
  readonly closed: (reason: DisconnectReason) => void
}

export interface PeerTransport {
  readonly remote: PeerAddress
  readonly direction: Direction
  /** Starts delivery. Called once. */
  readonly open: (sink: TransportSink) => void
  /** Takes a line. What was taken in one turn of the event loop leaves together. Ignored once closed. */
  readonly write: (line: Encoded<Message>) => void
  /** Bytes taken by `write` that the peer's machine has not taken yet. */
  readonly outboundBytes: () => number
  /** Bytes held of a line that has not ended yet. */
  readonly unfinishedBytes: () => number
  /** Stops reading, so that the peer is slowed by its own window; takes effect within one chunk. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends the connection. What was written before is still delivered if the peer takes it soon. */
  readonly close: (reason: DisconnectReason) => void
}

/** The peer could not be reached. A retry can help later. */
export class DialError extends Schema.TaggedError<DialError>()("DialError", {
  peer: Schema.String,
  port: Schema.Number,
  reason: Schema.Literals(["refused", "timeout", "unreachable"]),
  detail: Schema.String
}) {}

/** The node cannot listen where it should; another process or node does. A retry helps once that one is gone. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  address: Schema.String,
  message: Schema.String
}) {}

/** Makes and accepts transports. */
export class PeerNetwork extends Context.Service<
  PeerNetwork,
  {
    /** Where peers reach this node; null when it does not listen. */
    readonly listening: PeerAddress | null
    /** Connects within the connect deadline. The transport is closed when the scope ends. */
    readonly dial: (address: PeerAddress) => Effect.Effect<PeerTransport, DialError, Scope.Scope>
    /** The next peer that dialled us. */
    readonly accept: Effect.Effect<PeerTransport>
  }
>()("timenode/services/PeerNetwork") {
  /** Reaches nobody and is reached by nobody, except as overridden. */
  static readonly layerTest = (overrides: Partial<PeerNetwork["Service"]> = {}): Layer.Layer<PeerNetwork> =>
    Layer.succeed(
      PeerNetwork,
      PeerNetwork.of({
        listening: null,
        dial: ({ peer, port }) =>
          Effect.fail(new DialError({ peer, port, reason: "unreachable", detail: "there is no network" })),
        accept: Effect.never,
        ...overrides
      })
    )
}
