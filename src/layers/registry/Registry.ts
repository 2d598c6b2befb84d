/**
 * The peer registry, whatever carries the bytes: `PeerRegistry` and `PeerConnections` over one pool of connections.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import { randomBytes } from "node:crypto"
import { mayTell } from "../../protocol/Exchange.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Message } from "../../protocol/Message.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { InlineAnswers } from "../../services/InlineAnswers.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import { NodeIdentity } from "../../services/NodeIdentity.ts"
import {
  AlreadyConnected,
  ConnectedToSelf,
  PeerBanned,
  PeerConnections,
  RegistrationError,
  TooManyPeers
} from "../../services/PeerConnections.ts"
import { PeerGuard } from "../../services/PeerGuard.ts"
import {
  type Connection,
  ConnectionClosed,
  type DisconnectReason,
  PeerNotConnected,
  PeerRegistry,
  RequestError,
  SendError
} from "../../services/PeerRegistry.ts"
import type { PeerTransport } from "../../services/PeerTransport.ts"
import { ConnectionPool, type Refusal } from "./ConnectionPool.ts"
import * as Conversation from "./Conversation.ts"
import { LiveConnection } from "./LiveConnection.ts"
import { Turns } from "./Turns.ts"

/** Both views of one registry. When the layer ends, all connections are closed. */
export const layer: Layer.Layer<PeerRegistry | PeerConnections, never, NodeConfig | NodeIdentity | PeerGuard> =
  Layer.effectContext(
    Effect.gen(function* () {
      const pool = yield* makePool
      yield* Effect.forkScoped(sweepForEver(pool))
      return Context.make(PeerRegistry, peerRegistry(pool)).pipe(
        Context.add(PeerConnections, peerConnections(pool, yield* PeerGuard))
      )
    })
  )

// --- internal ---

const makePool = Effect.gen(function* () {
  const scheduler = yield* Scheduler.Scheduler
  const { nodeId } = yield* NodeIdentity
  const { maxInbound, maxPeers, peers } = yield* NodeConfig
  const log = Effect.runForkWith(yield* Effect.context<never>())
  const options = {
    turns: new Turns(yield* Clock.Clock, scheduler.makeDispatcher()),
    inline: yield* InlineAnswers,
    nodeId,
    slots: { inbound: maxInbound, outbound: maxPeers + Limits.FEELER_SLOTS },
    configured: new Set(peers.map(({ peer }) => peer)),
    secret: randomBytes(16),
    log: (text: string) => void log(Effect.logInfo(text))
  }
  return yield* Effect.acquireRelease(
    Effect.sync(() => new ConnectionPool(options)),
    (pool) => Effect.sync(() => pool.closeAll("shutdown"))
  )
})

const sweepForEver = Effect.fnUntraced(function* (pool: ConnectionPool) {
  const guard = yield* PeerGuard
  while (true) {
    yield* Effect.sleep(Duration.millis(Limits.SWEEP_INTERVAL))
    for (const connection of pool.sweep()) yield* reportUnasked(guard, connection)
  }
})

const reportUnasked = Effect.fnUntraced(function* (guard: PeerGuard["Service"], connection: LiveConnection) {
  const times = Math.min(connection.unasked, MOST_REPORTED)
  connection.unasked = 0
  for (let time = 0; time < times; time++) {
    if ((yield* guard.report(connection.peer, "unaskedResponse")) === "banned") return connection.close("banned")
  }
})

/** Of one connection in one beat: more than make a ban tell nothing new. */
const MOST_REPORTED = 100

const peerRegistry = (pool: ConnectionPool): PeerRegistry["Service"] => ({
  reply: (to, _request, response) =>
    Effect.suspend(() => {
      const live = find(pool, to)
      if (live === undefined) return Effect.fail(new SendError({ reason: goneError(to) }))
      const line: Wire.Encoded<Message> = "_tag" in response ? Wire.encode<Message>(response) : response
      return Conversation.whenRoom(live, () => live.post(line))
    }),

  send: (peer, message) =>
    Effect.suspend(() => {
      const live = pool.claims.current(peer)
      return live === undefined
        ? Effect.fail(new SendError({ reason: new PeerNotConnected({ peer }) }))
        : Conversation.send(live, message)
    }),

  request: (peer, request, policy = Conversation.defaultPolicy(request)) =>
    Conversation.withRetry(
      request,
      policy,
      Effect.suspend(() => {
        const live = pool.claims.current(peer)
        return live === undefined
          ? Effect.fail(new RequestError({ reason: new PeerNotConnected({ peer }) }))
          : Conversation.ask(live, request, policy)
      })
    ),

  broadcast: Effect.fnUntraced(function* (message, options = {}) {
    const line = Wire.encode(message)
    let sent = 0
    let skipped = 0
    for (const [index, live] of pool.claims.all().entries()) {
      // Thousands of writes in one go would keep everybody else waiting.
      if (index > 0 && index % Limits.PEERS_PER_SLICE === 0) yield* Effect.yieldNow
      if (live.reason !== undefined || live.peer === options.except || !mayTell(message._tag, live)) continue
      if (options.to !== undefined && !options.to(pool.info(live))) continue
      if (live.hasRoom) {
        live.postUnheeded(message, line)
        sent++
      } else {
        skipped++
      }
    }
    return { sent, skipped }
  }),

  disconnect: (peer, reason) =>
    Effect.sync(() => {
      for (const live of pool.of(peer)) live.close(reason)
    }),

  recordUseful: (peer, what) => Effect.sync(() => pool.claims.current(peer)?.recordUseful(what)),

  peers: Effect.sync(() => pool.claims.all().map((live) => pool.info(live))),

  events: pool.events.stream
})

const peerConnections = (pool: ConnectionPool, guard: PeerGuard["Service"]): PeerConnections["Service"] => ({
  register: Effect.fn("PeerConnections.register")(function* (transport) {
    const { peer } = transport.remote
    if (yield* guard.isBanned(peer)) return yield* refuse(transport, "banned", new PeerBanned({ peer }))
    yield* settleDown(pool, transport)
    const admitted = yield* Effect.acquireRelease(
      Effect.sync(() => pool.admit(transport)),
      (admitted, exit) =>
        Effect.sync(() => {
          if (admitted instanceof LiveConnection) admitted.close(reasonOf(exit))
        })
    )
    return admitted instanceof LiveConnection
      ? new Conversation.SessionConnection(admitted)
      : yield* refuse(transport, admitted.reason, refusalError(peer, admitted))
  }),

  establish: Effect.fn("PeerConnections.establish")(function* (connection) {
    const live = find(pool, connection)
    if (live === undefined) return yield* goneError(connection)
    while (!live.isEstablished) {
      if (live.reason !== undefined) return yield* new ConnectionClosed({ peer: live.peer, reason: live.reason })
      const standing = pool.claim(live)
      if (standing === "free" || standing === "shared") return
      if (standing === "taken") {
        live.close("alreadyConnected")
        return yield* new AlreadyConnected({ peer: live.peer })
      }
      yield* Effect.raceFirst(pool.probe(live.peer), Effect.asVoid(Conversation.ended(live)))
    }
  }),

  identify: Effect.fn("PeerConnections.identify")(function* (connection, version) {
    const live = find(pool, connection)
    if (live === undefined || live.reason !== undefined) return
    live.identify(version)
    if (pool.isOwn(live)) {
      live.close("connectedToSelf")
      return yield* new ConnectedToSelf({ peer: live.peer })
    }
    if (pool.settle(live.peer) === live) return yield* new AlreadyConnected({ peer: live.peer })
  }),

  recordPing: (connection, roundTrip) => Effect.sync(() => find(pool, connection)?.recordPing(roundTrip))
})

/**
 * A peer that closed its connection and dials at once: the system may tell of the newcomer first, and of the end a few
 * turns later.
 */
const settleDown = Effect.fnUntraced(function* (pool: ConnectionPool, transport: PeerTransport) {
  for (let turn = 0; turn < 3 && pool.mustRefuse(transport); turn++) yield* Effect.yieldNow
})

/** The connection itself, ended or not; `undefined` when only its name is left. */
const find = (pool: ConnectionPool, connection: Connection): LiveConnection | undefined =>
  connection instanceof Conversation.SessionConnection ? connection.live : pool.get(connection.generation)

const goneError = ({ peer }: Connection): ConnectionClosed => new ConnectionClosed({ peer, reason: "requested" })

const refuse = (transport: PeerTransport, reason: DisconnectReason, error: RegistrationError["reason"]) =>
  Effect.andThen(
    Effect.sync(() => transport.close(reason)),
    Effect.fail(new RegistrationError({ reason: error }))
  )

const refusalError = (peer: string, refusal: Refusal): RegistrationError["reason"] =>
  refusal.reason === "alreadyConnected"
    ? new AlreadyConnected({ peer })
    : new TooManyPeers({ peer, limit: refusal.limit })

/** Why a connection ends with its session's scope. */
const reasonOf = (exit: Exit.Exit<unknown, unknown>): DisconnectReason => {
  if (Exit.isSuccess(exit)) return "requested"
  return Exit.hasInterrupts(exit) ? "shutdown" : Exit.hasDies(exit) ? "internalError" : "requested"
}
