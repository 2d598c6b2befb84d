/**
 * Dials peers: the configured ones for as long as the node runs, others from the address book while slots are free.
 *
 * One fiber an address, so that no peer is dialled twice at once; back-off doubles to five minutes, jittered, and is
 * forgotten only after a session that lasted. A peer that is this node itself, or on another network, is never dialled
 * again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"
import { AddressBook } from "../services/AddressBook.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { PeerNetwork } from "../services/PeerTransport.ts"
import * as PeerSession from "./PeerSession.ts"
import * as Policies from "./Policies.ts"

/** Keeps connections for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* NodeConfig
    const calls = yield* FiberMap.make<PeerId>()
    for (const address of config.peers) {
      yield* FiberMap.run(calls, address.peer, persist(address), { onlyIfMissing: true })
    }
    if (config.discovery) {
      yield* Effect.forkScoped(Effect.repeat(fillSlots(calls), Schedule.spaced(Policies.dialInterval)))
    }
  })
)

// --- internal ---

/** Dials a configured peer again and again, until it turns out to be no peer for us. */
const persist = Effect.fnUntraced(function* (address: PeerAddress) {
  while (true) {
    // Ends with a session that settled, so that the back-off begins anew with the next call.
    const outcome = yield* call(address).pipe(
      Effect.flatMap((outcome) => (outcome === "failed" ? Effect.fail(outcome) : Effect.succeed(outcome))),
      Effect.retry(Policies.reconnect)
    )
    if (outcome === "never") return
    yield* Effect.sleep(Policies.reconnectFirst)
  }
})

const fillSlots = Effect.fnUntraced(function* (calls: FiberMap.FiberMap<PeerId>) {
  const book = yield* AddressBook
  const config = yield* NodeConfig
  const registry = yield* PeerRegistry
  const connected = new Set((yield* registry.peers).map(({ peer }) => peer))
  const busy = yield* FiberMap.size(calls)
  const free = config.maxPeers - busy
  if (free <= 0) return
  // Enough to be left with as many as are free, whatever is left out.
  const candidates = yield* book.candidates(free + busy + connected.size)
  const idle = candidates.filter(({ peer }) => !connected.has(peer) && !FiberMap.hasUnsafe(calls, peer))
  for (const address of idle.slice(0, free)) {
    yield* FiberMap.run(calls, address.peer, call(address), { onlyIfMissing: true })
  }
})

/** Dials once and lives the session. `never` says that this address is no peer for us. */
const call = Effect.fnUntraced(function* (address: PeerAddress) {
  const book = yield* AddressBook
  const network = yield* PeerNetwork
  const began = yield* Clock.currentTimeMillis
  const error = yield* network.dial(address).pipe(
    // No handshake takes so long, so that the session is past it by then.
    Effect.tap(() => Effect.forkScoped(Effect.delay(book.recordConnected(address), Policies.settledSession))),
    Effect.flatMap(PeerSession.run),
    Effect.scoped,
    Effect.flip
  )
  if (error._tag === "DialError") {
    yield* Effect.logDebug(`${address.peer}:${address.port} cannot be reached: ${error.reason}`)
    yield* book.recordFailure(address.peer)
    return "failed"
  }
  if (error.reason === "connectedToSelf" || error.reason === "wrongGenesis") {
    yield* Effect.logInfo(`${address.peer} is not dialled again: ${error.reason}`)
    yield* book.forget(address.peer)
    return "never"
  }
  const lived = (yield* Clock.currentTimeMillis) - began
  if (error.established && lived >= Duration.toMillis(Policies.settledSession)) {
    yield* book.recordConnected(address)
    return "settled"
  }
  const isConnectedOtherwise = error.reason === "alreadyConnected" || error.reason === "superseded"
  if (!isConnectedOtherwise) yield* book.recordFailure(address.peer)
  return "failed"
})
