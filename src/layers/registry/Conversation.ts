/**
 * What can be done with one connection that may have to wait: effects over {@link ./LiveConnection.ts}.
 *
 * Every effect here ends when the connection does, and leaves nothing behind when it is interrupted.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { answers, Exchange, mayTell, type Request, type ResponseOf } from "../../protocol/Exchange.ts"
import type { Message } from "../../protocol/Message.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import * as Policies from "../../peer/Policies.ts"
import type { Inbound, PeerConnection } from "../../services/PeerConnections.ts"
import {
  type Agent,
  ConnectionClosed,
  type Direction,
  type DisconnectReason,
  NotAnswered,
  NotForThisPeer,
  RequestError,
  type RequestPolicy,
  RequestTimeout,
  SendError,
  SendQueueFull
} from "../../services/PeerRegistry.ts"
import type { NoAnswer } from "./AnswerMatcher.ts"
import type { LiveConnection } from "./LiveConnection.ts"

/** Does something that writes, as soon as there is room for it. */
export const whenRoom = (to: LiveConnection, write: () => void): Effect.Effect<void, SendError> =>
  Effect.suspend(() => {
    if (to.reason !== undefined) return Effect.fail(new SendError({ reason: closedError(to) }))
    if (!to.hasRoom) return Effect.andThen(room(to), whenRoom(to, write))
    write()
    return Effect.void
  })

/** Hands over a message now or fails. */
export const send = (to: LiveConnection, message: Message): Effect.Effect<void, SendError> =>
  Effect.suspend(() => {
    if (to.reason !== undefined) return Effect.fail(new SendError({ reason: closedError(to) }))
    if (!mayTell(message._tag, to)) return Effect.fail(new SendError({ reason: notFor(to, message) }))
    if (!to.hasRoom) return Effect.fail(new SendError({ reason: queueFull(to) }))
    to.postUnheeded(message, Wire.encode(message))
    return Effect.void
  })

/** Asks once and waits for the answer. */
export const ask = <R extends Request>(
  to: LiveConnection,
  request: R,
  policy: RequestPolicy
): Effect.Effect<ResponseOf<R>, RequestError> =>
  Effect.callback((resume) => {
    const fail = (reason: RequestError["reason"]) => resume(Effect.fail(new RequestError({ reason })))
    if (to.reason !== undefined) return fail(closedError(to))
    if (!answers(to, request)) return fail(new NotAnswered({ peer: to.peer, request: request._tag }))
    if (!to.hasRoom || to.matcher.isFull) return fail(queueFull(to))
    const asked = to.ask(request, Duration.toMillis(policy.timeout), (outcome) =>
      typeof outcome === "string"
        ? fail(noAnswer(outcome, to, request))
        : // The matcher hands out nothing but the variant that answers this request.
          resume(Effect.succeed(outcome as ResponseOf<R>))
    )
    return Effect.sync(() => to.matcher.abandon(asked))
  })

/** Asks, and asks again as the policy says, where asking twice does no harm. */
export const withRetry = <R extends Request>(
  request: R,
  policy: RequestPolicy,
  once: Effect.Effect<ResponseOf<R>, RequestError>
): Effect.Effect<ResponseOf<R>, RequestError> =>
  policy.retry !== undefined && Exchange[request._tag].idempotent
    ? Effect.retry(once, { schedule: policy.retry, while: ({ reason }) => reason._tag !== "NotAnswered" })
    : once

/** Waits for the end of a connection. */
export const ended = (connection: LiveConnection): Effect.Effect<DisconnectReason> => Deferred.await(connection.end)

/** The policy of a request that comes without one. */
export const defaultPolicy = (request: Request): RequestPolicy => Policies.request[Exchange[request._tag].timeout]

/** A connection as its own session sees it. */
export class SessionConnection implements PeerConnection {
  readonly peer: PeerId
  readonly port: number
  readonly direction: Direction
  readonly generation: number
  readonly connectedAt: number
  /** The connection itself, for the registry. */
  readonly live: LiveConnection
  readonly take: Effect.Effect<NonEmptyReadonlyArray<Inbound>, ConnectionClosed>

  constructor(live: LiveConnection) {
    this.live = live
    this.peer = live.peer
    this.port = live.port
    this.direction = live.direction
    this.generation = live.generation
    this.connectedAt = live.connectedAt
    this.take = Effect.callback((resume) => {
      live.take((batch) => resume(batch === undefined ? Effect.fail(closedError(live)) : Effect.succeed(batch)))
      return Effect.sync(() => live.inbox.withdraw())
    })
  }

  get agent(): Agent {
    return this.live.agent
  }

  get lastReceivedAt(): number {
    return this.live.lastReceivedAt
  }

  get closed(): Effect.Effect<DisconnectReason> {
    return ended(this.live)
  }

  write(message: Message): Effect.Effect<void, SendError> {
    return whenRoom(this.live, () => this.live.postUnheeded(message, Wire.encode(message)))
  }

  ask<R extends Request>(
    request: R,
    policy: RequestPolicy = defaultPolicy(request)
  ): Effect.Effect<ResponseOf<R>, RequestError> {
    return withRetry(request, policy, ask(this.live, request, policy))
  }

  close(reason: DisconnectReason): Effect.Effect<void> {
    return Effect.sync(() => this.live.close(reason))
  }
}

// --- internal ---

const room = (to: LiveConnection): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const forget = to.onRoom(() => resume(Effect.void))
    return Effect.sync(forget)
  })

/** Of a connection that has ended. */
const closedError = (of: LiveConnection): ConnectionClosed =>
  new ConnectionClosed({ peer: of.peer, reason: of.reason ?? "requested" })

const notFor = ({ peer }: LiveConnection, { _tag: message }: Message): NotForThisPeer =>
  new NotForThisPeer({ peer, message })

const queueFull = (of: LiveConnection): SendQueueFull =>
  new SendQueueFull({ peer: of.peer, waitingBytes: of.outboundBytes })

const noAnswer = (why: NoAnswer, from: LiveConnection, { _tag: request }: Request): RequestError["reason"] => {
  switch (why) {
    case "timedOut":
      return new RequestTimeout({ peer: from.peer, request })
    case "passedOver":
      return new NotAnswered({ peer: from.peer, request })
    case "closed":
      return closedError(from)
  }
}
