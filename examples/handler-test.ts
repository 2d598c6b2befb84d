/**
 * Testing a handler with mocked layers: a chain of height 7, a registry that notes what was replied, and no network.
 */
import assert from "node:assert/strict"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { height } from "../src/protocol/Height.ts"
import { ZERO_HASH } from "../src/protocol/Hash.ts"
import { peerId } from "../src/protocol/PeerId.ts"
import { Blockchain } from "../src/services/Blockchain.ts"
import { PeerRegistry, type SentMessage } from "../src/services/PeerRegistry.ts"
import { MockNode, PeerHandler } from "../src/testing/index.ts"

const sent: Array<SentMessage> = []
const mocks = Layer.mergeAll(
  MockNode.layer,
  PeerRegistry.layerTest({ sent }),
  Blockchain.layerTest({ tip: () => ({ height: height(7), hash: ZERO_HASH, timestamp: 0n }) })
)

const from = {
  peer: peerId("203.0.113.7")!,
  direction: "inbound",
  generation: 1,
  connectedAt: 0,
  agent: "timed"
} as const

Effect.gen(function* () {
  const handler = yield* PeerHandler
  yield* handler.handle({ _tag: "GetBlockHeight" }, from)
  assert.deepEqual(sent, [{ peer: from.peer, message: { _tag: "BlockHeightResponse", height: 7n } }])
  yield* Console.log("replied", sent[0]?.message)
}).pipe(Effect.provide(PeerHandler.layer.pipe(Layer.provide(mocks))), NodeRuntime.runMain)
