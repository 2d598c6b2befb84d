/**
 * A node with real sessions over the registry in memory, mocked everywhere else, and peers played by hand.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import * as PeerSession from "../../src/peer/PeerSession.ts"
import type { Message, MessageOf, MessageTag } from "../../src/protocol/Message.ts"
import { MAGIC, testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { peer } from "./Fixture.ts"

/** A node that lives what peers dial; layers given replace its mocks, the last of a service wins. */
export const node = <A>(layers: Layer.Layer<A> | Layer.Layer<never> = Layer.empty) => {
  const services = Layer.mergeAll(
    MockNode.layer,
    NodeConfig.layerTest({ externalAddress: peer(200) }),
    layers as Layer.Layer<never>
  )
  const peers = MemoryPeerRegistry.layer.pipe(Layer.provide(services), Layer.orDie)
  return Layer.mergeAll(Listener.layer).pipe(
    Layer.provideMerge(PeerHandler.layer),
    Layer.provideMerge(peers),
    Layer.provideMerge(services)
  )
}

/** A guard that notes offences and bans at the `banAt`th. */
export const guard = (offences: Array<readonly [PeerId, Offence]>, banAt = Infinity) =>
  PeerGuard.layerTest({
    report: (peer, offence) =>
      Effect.sync(() => {
        offences.push([peer, offence])
        return offences.length >= banAt ? "banned" : "tolerated"
      })
  })

export const handshake: Message = { _tag: "Handshake", magic: MAGIC, protocolVersion: 1, network: "Testnet" }
export const ack: Message = { _tag: "Ack", messageType: "Handshake" }

export const version = (id: string): MessageOf<"Version"> => ({
  _tag: "Version",
  version: "9.9.9",
  commitDate: "",
  commitCount: "",
  protocolVersion: 1,
  network: "Testnet",
  listenAddr: "",
  timestamp: 0n,
  capabilities: ["timenode/1", `id:${id}`],
  walletAddress: null,
  genesisHash: null
})

/** Lets everything happen that needs no time. */
export const settle = Effect.andThen(
  TestClock.adjust(0),
  Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
)

/** Lets time pass, and what is due then happen. */
export const wait = (duration: `${number} ${"seconds" | "millis"}`) =>
  Effect.andThen(TestClock.adjust(duration), settle)

/** A peer that has just dialled the node. */
export const dialIn = (from: PeerId = peer(1)) =>
  Effect.flatMap(MemoryPeerRegistry.Driver, (driver) => driver.dial(from))

/** A peer that has dialled the node and shaken hands; what the node says on that occasion is waited for. */
export const joinIn = Effect.fnUntraced(function* (from: PeerId = peer(1)) {
  const remote = yield* dialIn(from)
  yield* remote.send(handshake)
  yield* settle
  return remote
})

/** A peer that the node has just dialled, and the session's end. */
export const dialOut = Effect.fnUntraced(function* (to: PeerId = peer(2)) {
  const driver = yield* MemoryPeerRegistry.Driver
  const network = yield* PeerNetwork
  const listener = yield* driver.listen({ peer: to, port: testnet.p2pPort })
  const transport = yield* network.dial({ peer: to, port: testnet.p2pPort })
  const session = yield* PeerSession.run(transport).pipe(Effect.flip, Effect.forkScoped({ startImmediately: true }))
  const remote = yield* listener.accept
  yield* settle
  return { remote, session }
})

/** A peer that the node has dialled and that has acknowledged the handshake. */
export const joinOut = Effect.fnUntraced(function* (to: PeerId = peer(2)) {
  const dialled = yield* dialOut(to)
  yield* dialled.remote.send(ack)
  yield* settle
  return dialled
})

/** The variants of what a peer has heard, since `from`. */
export const tags = (
  { received }: { readonly received: ReadonlyArray<Message> },
  from = 0
): ReadonlyArray<MessageTag> => received.slice(from).map(({ _tag }) => _tag)

/** Everything of a variant that a peer has heard. */
export const heard = <Tag extends MessageTag>(
  { received }: { readonly received: ReadonlyArray<Message> },
  tag: Tag
): ReadonlyArray<MessageOf<Tag>> =>
  received.filter((message): message is MessageOf<Tag> & Message => message._tag === tag)
