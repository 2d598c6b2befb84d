/**
 * Peers that a test plays by hand, over whatever carries the bytes. Peers are numbered; each has an address of its own.
 */
import { Context, Effect, Layer, Queue, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import { RemotePeer } from "../../src/layers/registry/RemotePeer.ts"
import * as TcpPeerRegistry from "../../src/layers/TcpPeerRegistry.ts"
import type { PeerAddress, PeerId } from "../../src/protocol/PeerId.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import type { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import type { PeerConnections } from "../../src/services/PeerConnections.ts"
import type { PeerGuard } from "../../src/services/PeerGuard.ts"
import type { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { loopbackNet } from "./loopback.ts"

export class ScriptedPeers extends Context.Service<
  ScriptedPeers,
  {
    readonly id: (peer: number) => PeerId
    /** Connects to the node. */
    readonly dial: (peer: number) => Effect.Effect<RemotePeer, never, Scope.Scope>
    /** Lets the node dial that peer. */
    readonly listen: (
      peer: number
    ) => Effect.Effect<
      { readonly address: PeerAddress; readonly accept: Effect.Effect<RemotePeer> },
      never,
      Scope.Scope
    >
  }
>()("test/ScriptedPeers") {}

export type RegistryUnderTest = PeerRegistry | PeerConnections | PeerNetwork | ScriptedPeers

/** The registry in memory, with scripted peers. */
export const memory: Layer.Layer<RegistryUnderTest, unknown, NodeConfig | NodeIdentity | PeerGuard> = Layer.effect(
  ScriptedPeers,
  Effect.gen(function* () {
    const driver = yield* MemoryPeerRegistry.Driver
    const id = (peer: number) => peerId(`10.0.0.${peer}`)!
    return {
      id,
      dial: (peer) => driver.dial(id(peer)),
      listen: (peer) => {
        const address = { peer: id(peer), port: 24_100 }
        return Effect.orDie(Effect.map(driver.listen(address), ({ accept }) => ({ address, accept })))
      }
    }
  })
).pipe(Layer.provideMerge(MemoryPeerRegistry.layer))

/** The registry over TCP, on a loopback network of its own. */
export const tcp: Layer.Layer<RegistryUnderTest, unknown, NodeConfig | NodeIdentity | PeerGuard> = Layer.unwrap(
  Effect.map(loopbackNet, (net) => {
    const peers = Layer.effect(
      ScriptedPeers,
      Effect.gen(function* () {
        const { listening } = yield* PeerNetwork
        return {
          id: net.peer,
          dial: (peer) => dial(net.ip(peer), listening!),
          listen: (peer) => listen(net.ip(peer), net.peer(peer))
        }
      })
    )
    return peers.pipe(
      Layer.provideMerge(TcpPeerRegistry.layer),
      Layer.provide(
        Layer.effect(
          NodeConfig,
          Effect.map(NodeConfig, (config) => ({
            ...config,
            listen: { host: net.ip(1), port: 0 },
            localAddress: net.peer(1)
          }))
        )
      )
    )
  })
)

// --- internal ---

const dial = (localAddress: string, to: PeerAddress) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect({ host: to.peer, port: to.port, localAddress })
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("error", (error) => resume(Effect.die(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map(remoteOn))

const listen = Effect.fnUntraced(function* (host: string, peer: PeerId) {
  const sockets = yield* Queue.unbounded<Socket>()
  const open = new Set<Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer((socket) => {
        open.add(socket)
        Queue.offerUnsafe(sockets, socket)
      })
    ),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const socket of open) socket.destroy()
      })
  )
  const port = yield* Effect.callback<number>((resume) => {
    server.listen(0, host, () => resume(Effect.succeed((server.address() as { port: number }).port)))
  })
  return { address: { peer, port }, accept: Effect.map(Queue.take(sockets), remoteOn) }
})

const remoteOn = (socket: Socket): RemotePeer =>
  new RemotePeer({
    open: (listener) => {
      socket.on("data", listener.data)
      socket.on("end", listener.ended)
      socket.on("close", listener.ended)
      socket.on("error", () => {})
    },
    send: (chunk) => void socket.write(chunk),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    close: () => void socket.destroySoon()
  })
