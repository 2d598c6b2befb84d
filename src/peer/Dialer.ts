/**
 * Dials peers: the configured ones for as long as the node runs, others from the address book while slots are free.
 *
 * One fiber an address, so that no peer is dialled twice at once; back-off doubles to five minutes, jittered, and is
 * forgotten only after a session that lasted. A peer that is this node itself, or on another network, is never dialled
 * again. Which addresses get the slots is decided in {@link ./OutboundSlots.ts}.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Limits from "../protocol/Limits.ts"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"
import { AddressBook } from "../services/AddressBook.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { call, feel } from "./Call.ts"
import * as OutboundSlots from "./OutboundSlots.ts"
import * as Policies from "./Policies.ts"

/** Keeps connections for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* NodeConfig
    const book = yield* AddressBook
    const calls: Calls = yield* FiberMap.make<PeerId>()
    for (const address of config.peers) {
      yield* FiberMap.run(calls, address.peer, persist(address), { onlyIfMissing: true })
    }
    if (!config.discovery || config.maxPeers === 0) return
    yield* fillSlots(calls, book.anchors)
    yield* fillSlots(calls, book.candidates).pipe(
      Effect.andThen(recordAnchors),
      Effect.repeat(Schedule.spaced(Policies.dialInterval)),
      Effect.forkScoped
    )
    yield* Effect.forkScoped(
      Effect.schedule(feelOut(calls), Schedule.jittered(Schedule.spaced(Policies.feelerInterval)))
    )
  })
)

// --- internal ---

/** Who is being dialled, or connected after that. A configured peer stays here between its calls. */
type Calls = FiberMap.FiberMap<PeerId>

/** Dials a configured peer again and again, until it turns out to be no peer for us. */
const persist = Effect.fnUntraced(function* (address: PeerAddress) {
  const registry = yield* PeerRegistry
  // While the peer is connected with us there is nothing to do, whoever dialled.
  const attempt = Effect.gen(function* () {
    const isConnected = (yield* registry.peers).some(({ peer }) => peer === address.peer)
    return isConnected ? "settled" : yield* call(address)
  })
  while (true) {
    // Ends with a session that settled, so that the back-off begins anew with the next call.
    const outcome = yield* attempt.pipe(
      Effect.flatMap((outcome) => (outcome === "failed" ? Effect.fail(outcome) : Effect.succeed(outcome))),
      Effect.retry(Policies.reconnect)
    )
    if (outcome === "never") return
    yield* Effect.sleep(Policies.reconnectFirst)
  }
})

const fillSlots = Effect.fnUntraced(function* (calls: Calls, candidates: Effect.Effect<ReadonlyArray<PeerAddress>>) {
  const { maxPeers } = yield* NodeConfig
  if ((yield* FiberMap.size(calls)) >= maxPeers) return
  const known = yield* Effect.flatMap(MasternodeRegistry, ({ list }) => list)
  const chosen = OutboundSlots.choose(yield* candidates, {
    slots: maxPeers,
    outbound: inCalls(calls),
    connected: yield* connectedPeers,
    masternodes: new Set(known.filter(({ source }) => source === "announced").map(({ peer }) => peer)),
    isMasternode: known.some(({ source }) => source === "own")
  })
  for (const address of chosen) yield* FiberMap.run(calls, address.peer, call(address), { onlyIfMissing: true })
})

/** Remembers, for the next start, the peers that this node has been connected with for longest. */
const recordAnchors = Effect.gen(function* () {
  const book = yield* AddressBook
  const registry = yield* PeerRegistry
  const dialled = (yield* registry.peers).filter(({ direction }) => direction === "outbound")
  if (dialled.length === 0) return
  const longest = dialled.sort((a, b) => a.connectedAt - b.connectedAt).slice(0, Limits.ANCHORS)
  yield* book.recordAnchors(longest.map(({ peer, port }) => ({ peer, port })))
})

/**
 * While all slots are taken, shakes hands with an address that was never reached. So the book comes to know more
 * addresses that are alive than those that this node is connected with, and hearsay that is not goes.
 */
const feelOut = Effect.fnUntraced(function* (calls: Calls) {
  const book = yield* AddressBook
  const { maxPeers } = yield* NodeConfig
  if ((yield* FiberMap.size(calls)) < maxPeers) return
  const connected = yield* connectedPeers
  const unknown = (yield* book.candidates).find(
    ({ lastConnected, peer }) => lastConnected === null && !connected.has(peer) && !FiberMap.hasUnsafe(calls, peer)
  )
  if (unknown === undefined) return
  yield* Effect.flatMap(FiberMap.run(calls, unknown.peer, feel(unknown), { onlyIfMissing: true }), Fiber.await)
})

const connectedPeers = Effect.flatMap(PeerRegistry, ({ peers }) =>
  Effect.map(peers, (infos) => new Set(infos.map(({ peer }) => peer)))
)

const inCalls = (calls: Calls): ReadonlySet<PeerId> => new Set(Array.from(calls, ([peer]) => peer))
