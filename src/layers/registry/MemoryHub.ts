/**
 * Where nodes and scripted peers of one process find each other: a network in memory, by peer address.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { formatPeerAddress, type PeerAddress, type PeerId } from "../../protocol/PeerId.ts"
import { ListenError } from "../../services/PeerTransport.ts"
import { MemorySocket } from "./MemorySocket.ts"

/** Gets the near end of a connection that somebody made. */
export type OnConnect = (socket: MemorySocket, from: PeerAddress) => void

export class MemoryHub extends Context.Service<
  MemoryHub,
  {
    /** Takes connections to an address for as long as the scope lives. */
    readonly listen: (address: PeerAddress, onConnect: OnConnect) => Effect.Effect<void, ListenError, Scope.Scope>
    /** Connects and gives the near end; `undefined` when nobody listens there. */
    readonly connect: (from: PeerId, to: PeerAddress) => MemorySocket | undefined
  }
>()("timenode/layers/MemoryHub") {
  /** An empty network. Nodes that are to meet share one. */
  static readonly layer = Layer.sync(MemoryHub, () => {
    const listeners = new Map<string, OnConnect>()
    let port = FIRST_EPHEMERAL_PORT
    return MemoryHub.of({
      listen: (address, onConnect) => {
        const name = formatPeerAddress(address)
        return Effect.asVoid(
          Effect.acquireRelease(
            Effect.suspend(() => {
              if (listeners.has(name)) {
                return Effect.fail(new ListenError({ address: name, message: `${name} is in use by another node` }))
              }
              listeners.set(name, onConnect)
              return Effect.void
            }),
            () => Effect.sync(() => listeners.delete(name))
          )
        )
      },
      connect: (from, to) => {
        const onConnect = listeners.get(formatPeerAddress(to))
        if (onConnect === undefined) return undefined
        const [near, far] = MemorySocket.pair()
        onConnect(far, { peer: from, port: port++ })
        return near
      }
    })
  })
}

// --- internal ---

const FIRST_EPHEMERAL_PORT = 49_152
