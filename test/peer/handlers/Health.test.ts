import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { MAX_U64, MIN_I64 } from "../../../src/protocol/Integer.ts"
import type { MessageOf } from "../../../src/protocol/Message.ts"
import type { PeerId } from "../../../src/protocol/PeerId.ts"
import { AlreadyConnected, ConnectedToSelf, PeerConnections } from "../../../src/services/PeerConnections.ts"
import type { Connection } from "../../../src/services/PeerRegistry.ts"
import { Sync } from "../../../src/services/Sync.ts"
import { connection, onlyAnswer, peer } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const version: MessageOf<"Version"> = {
  _tag: "Version",
  version: "1",
  commitDate: "",
  commitCount: "",
  protocolVersion: 1,
  network: "Testnet",
  listenAddr: "",
  timestamp: 0n,
  capabilities: ["timenode/1", "id:7"],
  walletAddress: null,
  genesisHash: null
}

describe("signs of life", () => {
  it.effect("a pong has the ping's nonce, exactly, and our time in whole seconds", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_999)
      yield* handle([{ _tag: "Ping", nonce: MAX_U64 - 1n, timestamp: MIN_I64 }])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "Pong"), {
        _tag: "Pong",
        nonce: MAX_U64 - 1n,
        timestamp: 1_700_000_000n
      })
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("a pong that nobody asked for does nothing", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([{ _tag: "Pong", nonce: 1n, timestamp: 0n }])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen)))
  })
})

describe("what a peer says of itself", () => {
  /** Records who was identified and whose chain was considered. */
  const identifying = (identify: PeerConnections["Service"]["identify"]) => {
    const considered: Array<PeerId> = []
    const seen = deeds()
    const layers = Layer.mergeAll(
      PeerConnections.layerTest({ identify }),
      Sync.layerTest({ consider: (from) => Effect.sync(() => void considered.push(from)) })
    )
    return { considered, seen, layer: handling(seen, layers) }
  }

  it.effect("identifies exactly the connection it came on, then asks for the peer's height", () => {
    const identified: Array<readonly [Connection, MessageOf<"Version">]> = []
    const { considered, layer } = identifying((from, what) => Effect.sync(() => void identified.push([from, what])))
    return Effect.gen(function* () {
      const from = connection({ generation: 4 })
      yield* handle([version], from)
      assert.strictEqual(identified[0]?.[0], from)
      assert.deepStrictEqual(identified[0]?.[1], version)
      assert.deepStrictEqual(considered, [peer(1)])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a connection that loses to another one is asked nothing", () => {
    const { considered, layer, seen } = identifying((from) => Effect.fail(new AlreadyConnected({ peer: from.peer })))
    return Effect.gen(function* () {
      yield* handle([version])
      assert.deepStrictEqual([considered, seen], [[], deeds()])
    }).pipe(Effect.provide(layer))
  })

  it.effect("our own node id at the other end closes the connection", () => {
    const { considered, layer, seen } = identifying((from) => Effect.fail(new ConnectedToSelf({ peer: from.peer })))
    return Effect.gen(function* () {
      yield* handle([version])
      assert.deepStrictEqual(considered, [])
      assert.deepStrictEqual(seen.disconnects, [[peer(1), "connectedToSelf"]])
    }).pipe(Effect.provide(layer))
  })
})
