/**
 * A custom node that prints each new tip: `node examples/block-watcher.ts 203.0.113.7` follows that peer for a day;
 * without a peer it shows that it starts, and stops.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import * as TimeNode from "../src/layers/TimeNode.ts"
import { toHex } from "../src/protocol/Hash.ts"
import { testnet } from "../src/protocol/Network.ts"
import { peerAddress } from "../src/protocol/PeerId.ts"
import { Blockchain } from "../src/services/Blockchain.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"

const peers = process.argv.slice(2).flatMap((text) => peerAddress(text, testnet.p2pPort) ?? [])

const watch = Effect.gen(function* () {
  const chain = yield* Blockchain
  yield* Console.log(`watching from height ${chain.tip().height}`)
  yield* chain.changes.pipe(
    Stream.runForEach((event) =>
      event._tag === "Connected" ? Console.log(`${event.tip.height} ${toHex(event.tip.hash)}`) : Effect.void
    )
  )
})

watch.pipe(
  Effect.timeoutOption(peers.length === 0 ? "1 second" : "1 day"),
  Effect.provide(TimeNode.layer.pipe(Layer.provide(NodeConfig.layerTest({ peers })))),
  NodeRuntime.runMain
)
