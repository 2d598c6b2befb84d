/**
 * A node in a process of its own that does what its standard input says: `dial`, `drop`, `peers`, `ping`, one JSON
 * object a line, answered under the same number. All else about it is the node that `timenode start` runs, policies
 * included. It ends with its input.
 *
 *   node test/interop/DrivenNode.ts OWN_IP PEER_IP dials|waits
 */
import { Console, Effect, Layer, Stream } from "effect"
import { NodeRuntime } from "@effect/platform-node"
import { createInterface } from "node:readline"
import * as Logging from "../../src/cli/programs/Logging.ts"
import { StatusLine } from "../../src/cli/programs/StatusLine.ts"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import * as PeerSession from "../../src/peer/PeerSession.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"

export interface Order {
  readonly id: number
  readonly what: "dial" | "drop" | "peers" | "ping"
}

export interface PeerView {
  readonly port: number
  readonly direction: "inbound" | "outbound"
  readonly generation: number
}

const [ownIp = "", peerIp = "", manner] = process.argv.slice(2)
const ip = peerId(ownIp)!
const peer = peerId(peerIp)!
const address = { peer, port: testnet.p2pPort }

const obey = Effect.gen(function* () {
  const network = yield* PeerNetwork
  const registry = yield* PeerRegistry
  const obeyed = Effect.fnUntraced(function* (what: Order["what"]) {
    switch (what) {
      case "dial":
        yield* network
          .dial(address)
          .pipe(Effect.flatMap(PeerSession.run), Effect.scoped, Effect.ignore, Effect.forkScoped)
        return null
      case "drop":
        yield* registry.disconnect(peer, "requested")
        return null
      case "peers":
        return (yield* registry.peers).map(({ direction, generation, port }): PeerView => ({
          direction,
          generation,
          port
        }))
      case "ping":
        return yield* registry.request(peer, { _tag: "Ping", nonce: 1n, timestamp: 0n }, Policies.ping).pipe(
          Effect.as(true),
          Effect.orElseSucceed(() => false)
        )
    }
  })
  yield* Console.log("ready")
  const orders = createInterface({ input: process.stdin })
  yield* Stream.fromAsyncIterable(orders, (cause) => new Error("no more orders", { cause })).pipe(
    Stream.runForEach((line) => {
      const { id, what } = JSON.parse(line) as Order
      return obeyed(what).pipe(
        Effect.flatMap((result) => Console.log(JSON.stringify({ id, result }))),
        Effect.forkScoped
      )
    })
  )
})

const node = PeerHandler.layer.pipe(
  Layer.provideMerge(TimeNode.layer),
  Layer.provideMerge(
    NodeConfig.layer({
      listen: { host: ip, port: testnet.p2pPort },
      localAddress: ip,
      externalAddress: ip,
      peers: manner === "dials" ? [address] : [],
      discovery: false,
      rpcListen: null
    })
  )
)

obey.pipe(
  Effect.scoped,
  Effect.provide(node),
  Effect.provide(Layer.provide(Logging.layer({ level: "debug", format: "logfmt" }), StatusLine.layer)),
  NodeRuntime.runMain
)
