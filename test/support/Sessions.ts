/**
 * The least a session does, for tests of the registry: handshakes, and nothing after.
 */
import { Effect, Fiber } from "effect"
import { MAGIC } from "../../src/protocol/Network.ts"
import { type PeerConnection, PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import type { RequestOf } from "../../src/protocol/Exchange.ts"
import type { MessageOf } from "../../src/protocol/Message.ts"
import { ScriptedPeers } from "./ScriptedPeers.ts"

export const handshake: RequestOf<"Handshake"> = {
  _tag: "Handshake",
  magic: MAGIC,
  protocolVersion: 1,
  network: "Testnet"
}

export const ack: MessageOf<"Ack"> = { _tag: "Ack", messageType: "Handshake" }

export const ping = (nonce: bigint): MessageOf<"Ping"> => ({ _tag: "Ping", nonce, timestamp: 0n })
export const pong = (nonce: bigint): MessageOf<"Pong"> => ({ _tag: "Pong", nonce, timestamp: 0n })

/** What a timenode says of itself. */
export const version = (...capabilities: ReadonlyArray<string>): MessageOf<"Version"> => ({
  _tag: "Version",
  version: "0.1.0",
  commitDate: "",
  commitCount: "",
  protocolVersion: 1,
  network: "Testnet",
  listenAddr: "",
  timestamp: 0n,
  capabilities,
  walletAddress: null,
  genesisHash: null
})

/** Does the accepting side's handshake on a registered connection. */
export const admit = Effect.fnUntraced(function* (connection: PeerConnection) {
  const [first] = yield* connection.take
  if (first._tag !== "Handshake") return yield* Effect.die(new Error(`${first._tag} before the handshake`))
  yield* (yield* PeerConnections).establish(connection)
  yield* (yield* PeerRegistry).reply(connection, first, ack)
  return connection
})

/** Registers the next peer that dialled the node. */
export const accepted = Effect.gen(function* () {
  const network = yield* PeerNetwork
  const connections = yield* PeerConnections
  return yield* connections.register(yield* network.accept)
})

/** A peer dials the node; both have done the handshake. */
export const inbound = Effect.fnUntraced(function* (peer: number) {
  const remote = yield* (yield* ScriptedPeers).dial(peer)
  yield* remote.send(handshake)
  const connection = yield* Effect.flatMap(accepted, admit)
  yield* remote.expect("Ack")
  return { remote, connection }
})

/** The node dials a peer; both have done the handshake. */
export const outbound = Effect.fnUntraced(function* (peer: number) {
  const network = yield* PeerNetwork
  const connections = yield* PeerConnections
  const listener = yield* (yield* ScriptedPeers).listen(peer)
  const connection = yield* Effect.flatMap(network.dial(listener.address), connections.register)
  const remote = yield* listener.accept
  const asking = yield* Effect.forkChild(connection.ask(handshake), { startImmediately: true })
  yield* remote.expect("Handshake")
  yield* remote.send(ack)
  yield* Effect.flatMap(Fiber.join(asking), () => connections.establish(connection))
  return { remote, connection }
})
