/**
 * One connection's life: registered, shaken hands, opened, served, closed.
 *
 * A session is one scope. When it ends, for whatever reason, the connection is closed, the claim on the peer released,
 * and every request that waited on it failed. Messages of a connection are handled one after the other, in order.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { toHex } from "../protocol/Hash.ts"
import { GENESIS_HEIGHT } from "../protocol/Height.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Message } from "../protocol/Message.ts"
import { PROTOCOL_VERSION } from "../protocol/Network.ts"
import { AddressBook } from "../services/AddressBook.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { type Inbound, type PeerConnection, PeerConnections } from "../services/PeerConnections.ts"
import { DisconnectReason } from "../services/PeerRegistry.ts"
import type { PeerTransport } from "../services/PeerTransport.ts"
import { Sync } from "../services/Sync.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import * as Handshake from "./Handshake.ts"
import { PeerHandler } from "./PeerHandler.ts"
import * as Policies from "./Policies.ts"

/** How a session ended: why, and whether it had got past its handshake. */
export class SessionEnded extends Schema.TaggedError<SessionEnded>()("SessionEnded", {
  peer: Schema.String,
  reason: DisconnectReason,
  established: Schema.Boolean
}) {}

/** Lives a connection to its end. Always fails, with how it ended. A fault of this node ends it, too, and is logged. */
export const run = (transport: PeerTransport) =>
  Effect.scoped(live(transport)).pipe(
    Effect.catchDefect((defect) =>
      Effect.logError(`The session with ${transport.remote.peer} failed`, defect).pipe(
        Effect.andThen(Effect.fail(ended(transport.remote.peer, "internalError", true)))
      )
    )
  )

/** What a `Version` of this node says. Peers learn from it that this is a timenode, and which. */
export const version = Effect.gen(function* () {
  const { network, genesisHash } = yield* Blockchain
  const identity = yield* NodeIdentity
  const now = yield* unixSeconds
  return {
    _tag: "Version",
    version: identity.version,
    commitDate: "",
    commitCount: "",
    protocolVersion: PROTOCOL_VERSION,
    network: network.handshakeName,
    listenAddr: identity.externalAddress ?? "",
    timestamp: now,
    capabilities: ["timenode/1", `id:${identity.nodeId}`],
    walletAddress: null,
    genesisHash: toHex(genesisHash)
  } as const satisfies Message
})

// --- internal ---

const live = Effect.fnUntraced(function* (transport: PeerTransport) {
  const connections = yield* PeerConnections
  const connection = yield* connections
    .register(transport)
    .pipe(Effect.mapError(({ reason }) => ended(transport.remote.peer, refusals[reason._tag], false)))
  const early = yield* shakeHands(connection).pipe(
    Effect.catchTag("HandshakeError", ({ reason }) =>
      Effect.andThen(connection.close(reason), Effect.fail(ended(connection.peer, reason, false)))
    )
  )
  yield* Effect.forkScoped(open(connection), { startImmediately: true })
  return yield* serve(connection, early)
})

const shakeHands = Effect.fnUntraced(function* (connection: PeerConnection) {
  return connection.direction === "inbound"
    ? yield* Handshake.accept(connection)
    : yield* Handshake.initiate(connection)
})

const refusals = {
  AlreadyConnected: "alreadyConnected",
  PeerBanned: "banned",
  TooManyPeers: "tooManyPeers"
} as const

const ended = (peer: string, reason: DisconnectReason, established: boolean) =>
  new SessionEnded({ peer, reason, established })

/**
 * Handles messages until the connection closes. After a turn's worth of work the other sessions have theirs; a peer
 * beyond its budget stands behind all of them after every message.
 */
const serve = Effect.fnUntraced(function* (connection: PeerConnection, early: ReadonlyArray<Inbound>) {
  const handler = yield* PeerHandler
  let spent = 0
  let messages = early
  while (true) {
    for (const message of messages) {
      spent += yield* handler.handle(message, connection)
      if (spent < Limits.TURN_COST) continue
      yield* spent === Infinity ? behindOthers : Effect.yieldNow
      spent = 0
    }
    messages = yield* connection.take.pipe(Effect.mapError(({ reason }) => ended(connection.peer, reason, true)))
  }
})

const behindOthers = Effect.yieldNowWith(1)

/** What each side says first, and then again and again. The order of the opening is that of `timed`. */
const open = Effect.fnUntraced(function* (connection: PeerConnection) {
  const say = (message: Message) => Effect.ignore(connection.write(message))
  if (connection.direction === "inbound") {
    yield* say({ _tag: "GetPeers" })
    yield* say(yield* version)
    yield* announce(connection)
  } else {
    yield* say(yield* version)
    yield* announce(connection)
    yield* now(pollHeight(connection))
    yield* now(fetchPool(connection))
    yield* now(fetchMasternodes(connection))
    yield* say({ _tag: "GetPeers" })
    yield* now(checkGenesis(connection))
  }
  yield* Effect.forkScoped(keepAlive(connection), { startImmediately: true })
  yield* Effect.forkScoped(announceAgain(connection))
  yield* Effect.forkScoped(repeatHeartbeat(connection))
  if (connection.direction === "inbound") yield* Effect.sleep(Policies.pollInterval)
  while (true) {
    yield* now(pollHeight(connection))
    yield* now(compareUtxoHash(connection))
    yield* Effect.sleep(Policies.pollInterval)
  }
})

/** Starts a question at once, so that the wire order is the program's, and goes on without its answer. */
const now = <A, E, R>(question: Effect.Effect<A, E, R>): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.asVoid(
    Effect.forkScoped(Effect.ignore(Effect.timeout(question, Policies.pollInterval)), { startImmediately: true })
  )

const announce = Effect.fnUntraced(function* (connection: PeerConnection) {
  const own = yield* Effect.flatMap(MasternodeRegistry, (masternodes) => masternodes.own)
  if (own !== null) yield* Effect.ignore(connection.write({ _tag: "MasternodeAnnouncement", ...own }))
})

/** An acceptor does not hear what is announced at once, so that a dialler says it a second time soon. */
const announceAgain = Effect.fnUntraced(function* (connection: PeerConnection) {
  if (connection.direction === "outbound") {
    yield* Effect.sleep(Policies.announcementHeard)
    yield* announce(connection)
  }
  return yield* Effect.forever(Effect.andThen(Effect.sleep(Policies.pollInterval), announce(connection)))
})

/** Our last heartbeat, once a timenode knows whose it is: the next may be a minute away. */
const repeatHeartbeat = Effect.fnUntraced(function* (connection: PeerConnection) {
  yield* Effect.sleep(Policies.announcementHeard)
  const heartbeat = yield* Effect.flatMap(MasternodeRegistry, ({ lastBeat }) => lastBeat)
  if (heartbeat === null || connection.agent !== "timenode") return
  yield* Effect.ignore(connection.write({ _tag: "HeartbeatBroadcast", heartbeat }))
})

const pollHeight = Effect.fnUntraced(function* (connection: PeerConnection) {
  const sync = yield* Sync
  const { height } = yield* connection.ask({ _tag: "GetBlockHeight" }, Policies.once("quick"))
  yield* sync.report(connection.peer, height)
})

const fetchPool = Effect.fnUntraced(function* (connection: PeerConnection) {
  const pool = yield* Mempool
  const { transactions } = yield* connection.ask({ _tag: "GetPendingTransactions" }, Policies.once("normal"))
  for (const transaction of transactions) yield* Effect.ignore(pool.submit(transaction))
})

const fetchMasternodes = Effect.fnUntraced(function* (connection: PeerConnection) {
  const registry = yield* MasternodeRegistry
  const book = yield* AddressBook
  const { masternodes } = yield* connection.ask({ _tag: "GetMasternodes" }, Policies.once("normal"))
  yield* registry.hint(masternodes, connection.peer)
  yield* book.learn(
    masternodes.map(({ address }) => address),
    connection.peer
  )
})

/** What separates networks is the genesis block: a peer with another one is left. No answer proves nothing. */
const checkGenesis = Effect.fnUntraced(function* (connection: PeerConnection) {
  const { genesisHash } = yield* Blockchain
  const { hash } = yield* connection.ask({ _tag: "GetBlockHash", height: GENESIS_HEIGHT }, Policies.once("quick"))
  if (hash !== null && !bytesEqual(hash, genesisHash)) yield* connection.close("wrongGenesis")
})

/** A difference is worth a log line and nothing else: fetching the peer's whole set would tell us nothing we trust. */
const compareUtxoHash = Effect.fnUntraced(function* (connection: PeerConnection) {
  const coins = yield* UtxoStore
  const theirs = yield* connection.ask({ _tag: "GetUTXOStateHash" }, Policies.once("normal"))
  const ours = yield* coins.summary
  if (ours.height === theirs.height && !bytesEqual(ours.hash, theirs.hash)) {
    yield* Effect.logWarning(`UTXO set differs from that of ${connection.peer} at height ${ours.height}`)
  }
})

/** Pings; gives the peer up when pongs stay out and nothing else comes either. */
const keepAlive = Effect.fnUntraced(function* (connection: PeerConnection) {
  const connections = yield* PeerConnections
  while (true) {
    const nonce = BigInt.asUintN(64, (BigInt(yield* Random.nextInt) << 32n) ^ BigInt(yield* Random.nextInt))
    const sent = yield* Clock.currentTimeMillis
    const pong = yield* connection
      .ask({ _tag: "Ping", nonce, timestamp: yield* unixSeconds }, Policies.ping)
      .pipe(Effect.option)
    const received = yield* Clock.currentTimeMillis
    if (pong._tag === "Some") {
      yield* connections.recordPing(connection, received - sent)
    } else if (connection.lastReceivedAt <= sent - LONGEST_SILENCE) {
      return yield* connection.close("unresponsive")
    }
    yield* Effect.sleep(Duration.millis(Math.max(0, Duration.toMillis(Policies.pingInterval) - (received - sent))))
  }
})

/** From the first of the missed pings to the last. A peer that gossips but never answers is left in peace. */
const LONGEST_SILENCE = (Policies.missedPings - 1) * Duration.toMillis(Policies.pingInterval)

const unixSeconds = Effect.map(Clock.currentTimeMillis, toUnixSeconds)
