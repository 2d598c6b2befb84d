/**
 * The peer registry over TCP: what a node runs with.
 *
 * A peer is known by its IP address alone. An error while accepting is logged and survived; one while starting to listen
 * is the layer's error.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Net from "node:net"
import * as Limits from "../protocol/Limits.ts"
import { formatPeerAddress, isIpv6, type PeerAddress, peerId, type PeerId } from "../protocol/PeerId.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import type { NodeIdentity } from "../services/NodeIdentity.ts"
import type { PeerConnections } from "../services/PeerConnections.ts"
import type { PeerGuard } from "../services/PeerGuard.ts"
import type { PeerRegistry } from "../services/PeerRegistry.ts"
import { DialError, ListenError, PeerNetwork, type PeerTransport } from "../services/PeerTransport.ts"
import * as AcceptErrors from "./AcceptErrors.ts"
import { ReadTurns } from "./registry/ReadTurns.ts"
import * as Registry from "./registry/Registry.ts"
import { TcpTransport } from "./registry/TcpTransport.ts"

export type { ListenError } from "../services/PeerTransport.ts"

/** Makes and accepts TCP connections. It listens from the start. */
export const layerNetwork: Layer.Layer<PeerNetwork, ListenError, NodeConfig> = Layer.effect(
  PeerNetwork,
  Effect.gen(function* () {
    const { listen, localAddress } = yield* NodeConfig
    const sockets = yield* openSockets
    const turns = new ReadTurns(setImmediate)
    const accepted = yield* Queue.dropping<PeerTransport>(Limits.ACCEPT_QUEUE)
    const server = Net.createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, (socket) => {
      const peer = peerId(socket.remoteAddress ?? "")
      if (peer === undefined) return socket.destroy()
      const remote = { peer, port: socket.remotePort ?? 0 }
      const transport = sockets.track(socket, new TcpTransport(socket, remote, "inbound", turns))
      if (!Queue.offerUnsafe(accepted, transport)) transport.close("tooManyPeers")
    })
    const listening = yield* startListening(server, listen)
    yield* AcceptErrors.survive(server, "Connections")
    return PeerNetwork.of({
      listening,
      accept: Queue.take(accepted),
      dial: (address) =>
        Effect.acquireRelease(
          Effect.map(connect(address, localAddress), (socket) =>
            sockets.track(socket, new TcpTransport(socket, address, "outbound", turns))
          ),
          (transport) => Effect.sync(() => transport.close("requested")),
          { interruptible: true }
        )
    })
  })
)

/** The registry and the network it lives on. */
export const layer: Layer.Layer<
  PeerRegistry | PeerConnections | PeerNetwork,
  ListenError,
  NodeConfig | NodeIdentity | PeerGuard
> = Layer.merge(Registry.layer, layerNetwork)

// --- internal ---

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const

/** The open sockets. When the scope ends they are closed, and waited for, so that what was written leaves. */
const openSockets = Effect.acquireRelease(
  Effect.sync(() => {
    const open = new Map<Net.Socket, PeerTransport>()
    return {
      open,
      track: (socket: Net.Socket, transport: PeerTransport): PeerTransport => {
        open.set(socket, transport)
        socket.once("close", () => open.delete(socket))
        return transport
      }
    }
  }),
  ({ open }) =>
    Effect.forEach(
      Array.from(open),
      ([socket, transport]) =>
        Effect.callback<void>((resume) => {
          if (socket.closed) return resume(Effect.void)
          socket.once("close", () => resume(Effect.void))
          transport.close("shutdown")
        }),
      { concurrency: "unbounded", discard: true }
    )
)

const startListening = (server: Net.Server, listen: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.callback<PeerAddress, ListenError>((resume) => {
      const onError = (error: NodeJS.ErrnoException) => resume(Effect.fail(listenError(listen, error)))
      server.once("error", onError)
      server.listen({ ...listen, backlog: Limits.ACCEPT_QUEUE }, () => {
        server.off("error", onError)
        const { address, port } = server.address() as Net.AddressInfo
        resume(Effect.succeed({ peer: peerId(address) ?? (address as PeerId), port }))
      })
    }),
    () => Effect.sync(() => server.close())
  )

const listenError = (
  { host, port }: { readonly host: string; readonly port: number },
  error: NodeJS.ErrnoException
) => {
  const address = Net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
  const cause = LISTEN_CAUSES[error.code ?? ""] ?? error.message
  return new ListenError({ address, message: `${address} ${cause}` })
}

const LISTEN_CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: "is in use by another program",
  EADDRNOTAVAIL: "is no address of this machine",
  EACCES: "may not be listened on by this user"
}

const connect = (address: PeerAddress, localAddress: PeerId | null): Effect.Effect<Net.Socket, DialError> =>
  Effect.callback<Net.Socket, DialError>((resume) => {
    const isBindable = localAddress !== null && isIpv6(localAddress) === isIpv6(address.peer)
    const socket = Net.connect({
      ...SOCKET_OPTIONS,
      host: address.peer,
      port: address.port,
      ...(isBindable ? { localAddress } : {})
    })
    const onError = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(dialError(address, DIAL_CAUSES[error.code ?? ""] ?? "unreachable", error.message)))
    socket.once("error", onError)
    socket.once("connect", () => {
      socket.off("error", onError)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(Limits.CONNECT_TIMEOUT),
      orElse: () => Effect.fail(dialError(address, "timeout", `no answer in ${Limits.CONNECT_TIMEOUT / 1000} s`))
    })
  )

const DIAL_CAUSES: Readonly<Record<string, DialError["reason"]>> = { ECONNREFUSED: "refused", ETIMEDOUT: "timeout" }

const dialError = (address: PeerAddress, reason: DialError["reason"], detail: string) =>
  new DialError({ ...address, reason, detail: `${formatPeerAddress(address)}: ${detail}` })
