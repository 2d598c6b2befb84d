/**
 * The peer registry over a network in memory: whole nodes in one process, and peers that tests play by hand.
 *
 * It is the registry of {@link ./TcpPeerRegistry.ts} with another transport, and real lines go through it. Nothing here
 * waits for time, so that on a virtual clock every run is the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Limits from "../protocol/Limits.ts"
import { formatPeerAddress, type PeerAddress, peerId, type PeerId } from "../protocol/PeerId.ts"
import { NodeConfig, type NodeConfigValues } from "../services/NodeConfig.ts"
import type { NodeIdentity } from "../services/NodeIdentity.ts"
import type { PeerConnections } from "../services/PeerConnections.ts"
import type { PeerGuard } from "../services/PeerGuard.ts"
import type { PeerRegistry } from "../services/PeerRegistry.ts"
import { DialError, type ListenError, PeerNetwork, type PeerTransport } from "../services/PeerTransport.ts"
import { MemoryHub } from "./registry/MemoryHub.ts"
import { MemoryTransport } from "./registry/MemoryTransport.ts"
import * as Registry from "./registry/Registry.ts"
import { RemotePeer } from "./registry/RemotePeer.ts"

/** Peers that the node dials. */
export interface RemoteListener {
  /** The next connection that the node has made. */
  readonly accept: Effect.Effect<RemotePeer>
}

/** Plays the node's peers. */
export class Driver extends Context.Service<
  Driver,
  {
    /** Connects to the node from that address. The handshake is the caller's to do. */
    readonly dial: (from: PeerId) => Effect.Effect<RemotePeer>
    /** Lets the node dial that address for as long as the scope lives. */
    readonly listen: (address: PeerAddress) => Effect.Effect<RemoteListener, ListenError, Scope.Scope>
  }
>()("timenode/layers/MemoryPeerRegistry/Driver") {}

/** A network for {@link layerOnHub}. */
export const layerHub: Layer.Layer<MemoryHub> = MemoryHub.layer

/** One of several nodes on a network that they share. */
export const layerOnHub: Layer.Layer<
  PeerRegistry | PeerConnections | PeerNetwork | Driver,
  ListenError,
  MemoryHub | NodeConfig | NodeIdentity | PeerGuard
> = Layer.mergeAll(
  Registry.layer,
  Layer.effect(
    Driver,
    Effect.suspend(() => makeDriver)
  ),
  Layer.effect(
    PeerNetwork,
    Effect.suspend(() => makeNetwork)
  )
)

/** A node on a network of its own. */
export const layer: Layer.Layer<
  PeerRegistry | PeerConnections | PeerNetwork | Driver,
  ListenError,
  NodeConfig | NodeIdentity | PeerGuard
> = layerOnHub.pipe(Layer.provide(MemoryHub.layer))

// --- internal ---

const makeNetwork = Effect.gen(function* () {
  const hub = yield* MemoryHub
  const config = yield* NodeConfig
  const own = ownAddress(config)
  const accepted = yield* Queue.dropping<PeerTransport>(Limits.ACCEPT_QUEUE)
  yield* hub.listen(own, (socket, from) => {
    const transport = new MemoryTransport(socket, from, "inbound")
    if (!Queue.offerUnsafe(accepted, transport)) transport.close("tooManyPeers")
  })
  return PeerNetwork.of({
    listening: own,
    accept: Queue.take(accepted),
    dial: (address) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const socket = hub.connect(config.localAddress ?? own.peer, address)
          return socket === undefined
            ? Effect.fail(new DialError({ ...address, reason: "refused", detail: formatPeerAddress(address) }))
            : Effect.succeed(new MemoryTransport(socket, address, "outbound"))
        }),
        (transport) => Effect.sync(() => transport.close("requested"))
      )
  })
})

const makeDriver = Effect.gen(function* () {
  const hub = yield* MemoryHub
  const own = ownAddress(yield* NodeConfig)
  return Driver.of({
    dial: (from) =>
      Effect.suspend(() => {
        const socket = hub.connect(from, own)
        return socket === undefined
          ? Effect.die(new Error(`No node listens on ${formatPeerAddress(own)}`))
          : Effect.succeed(new RemotePeer(socket))
      }),
    listen: Effect.fnUntraced(function* (address) {
      const connections = yield* Queue.unbounded<RemotePeer>()
      yield* hub.listen(address, (socket) => Queue.offerUnsafe(connections, new RemotePeer(socket)))
      return { accept: Queue.take(connections) }
    })
  })
})

/** Where the node is on the network in memory; nothing there chooses a port for it. */
const ownAddress = ({ listen, localAddress, externalAddress, network }: NodeConfigValues): PeerAddress => {
  const listens = peerId(listen.host)
  return {
    peer: localAddress ?? externalAddress ?? listens ?? LOOPBACK,
    port: listen.port === 0 ? network.p2pPort : listen.port
  }
}

const LOOPBACK = "127.0.0.1" as PeerId
