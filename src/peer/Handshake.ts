/**
 * The handshake: the dialler says who it is, the acceptor acknowledges.
 *
 * Only the dialler sends a `Handshake`. The acceptor claims the peer before it acknowledges, so that an acknowledged
 * connection is the peer's one connection; the dialler claims it after. Nothing but a `Handshake` is valid before that.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { RequestOf } from "../protocol/Exchange.ts"
import { MAGIC, PROTOCOL_VERSION } from "../protocol/Network.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type Inbound, PeerConnections, type PeerConnection } from "../services/PeerConnections.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import { DisconnectReason, PeerRegistry } from "../services/PeerRegistry.ts"
import * as Policies from "./Policies.ts"

/** The handshake failed; `reason` is why the connection is closed. Dialling again can help for reasons about time. */
export class HandshakeError extends Schema.TaggedError<HandshakeError>()("HandshakeError", {
  peer: Schema.String,
  reason: DisconnectReason
}) {}

/** Waits for the peer's Handshake, claims the peer and acknowledges. Returns what came in the same breath. */
export const accept = Effect.fnUntraced(
  function* (connection: PeerConnection) {
    const [handshake, rest] = yield* firstHandshake(connection)
    const guard = yield* PeerGuard
    if (!bytesEqual(handshake.magic, MAGIC)) {
      yield* guard.report(connection.peer, "badMagic")
      return yield* fail(connection, "badMagic")
    }
    if (handshake.protocolVersion !== PROTOCOL_VERSION) {
      yield* guard.report(connection.peer, "badVersion")
      return yield* fail(connection, "badVersion")
    }
    yield* claim(connection)
    const registry = yield* PeerRegistry
    yield* registry
      .reply(connection, handshake, { _tag: "Ack", messageType: "Handshake" })
      .pipe(Effect.mapError(() => new HandshakeError({ peer: connection.peer, reason: "remoteClosed" })))
    return rest
  },
  (effect, connection) => withDeadline(effect, connection)
)

/** Sends our Handshake, waits for its acknowledgement and claims the peer. */
export const initiate = Effect.fnUntraced(
  function* (connection: PeerConnection) {
    const { network } = yield* NodeConfig
    const ack = yield* connection
      .ask(
        {
          _tag: "Handshake",
          magic: MAGIC,
          protocolVersion: PROTOCOL_VERSION,
          network: network.handshakeName
        },
        Policies.handshake
      )
      .pipe(
        Effect.mapError(
          ({ reason }) =>
            new HandshakeError({
              peer: connection.peer,
              reason: reason._tag === "ConnectionClosed" ? reason.reason : "handshakeTimeout"
            })
        )
      )
    if (ack.messageType !== "Handshake") return yield* fail(connection, "handshakeRefused")
    yield* claim(connection)
    return [] as ReadonlyArray<Inbound>
  },
  (effect, connection) => withDeadline(effect, connection)
)

// --- internal ---

const firstHandshake = Effect.fnUntraced(function* (connection: PeerConnection) {
  while (true) {
    const inbound = yield* connection.take.pipe(
      Effect.mapError(({ reason }) => new HandshakeError({ peer: connection.peer, reason }))
    )
    for (const [index, message] of inbound.entries()) {
      if (message._tag === "WireError") {
        yield* reportMalformed(connection)
      } else if (message._tag === "Handshake") {
        return [message, inbound.slice(index + 1)] as [RequestOf<"Handshake">, ReadonlyArray<Inbound>]
      } else {
        return yield* fail(connection, "messageBeforeHandshake")
      }
    }
  }
})

const reportMalformed = Effect.fnUntraced(function* (connection: PeerConnection) {
  const guard = yield* PeerGuard
  if ((yield* guard.report(connection.peer, "malformedLine")) === "banned") {
    return yield* fail(connection, "banned")
  }
})

const claim = Effect.fnUntraced(function* (connection: PeerConnection) {
  const connections = yield* PeerConnections
  yield* connections.establish(connection).pipe(
    Effect.catchTags({
      AlreadyConnected: () => fail(connection, "alreadyConnected"),
      ConnectedToSelf: () => fail(connection, "connectedToSelf"),
      ConnectionClosed: ({ reason }) => fail(connection, reason)
    })
  )
})

const fail = (connection: PeerConnection, reason: DisconnectReason) =>
  Effect.fail(new HandshakeError({ peer: connection.peer, reason }))

const withDeadline = <A, R>(effect: Effect.Effect<A, HandshakeError, R>, connection: PeerConnection) =>
  effect.pipe(
    Effect.timeoutOrElse({
      duration: Policies.handshakeTimeout,
      orElse: () => fail(connection, "handshakeTimeout")
    })
  )
