import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { requestAnsweredBy, requestTags } from "../../src/protocol/Exchange.ts"
import { type Message, messageTags } from "../../src/protocol/Message.ts"
import { MAGIC } from "../../src/protocol/Network.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { StoreError } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { ConnectionClosed, SendError } from "../../src/services/PeerRegistry.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { makeLineFuzzer } from "../protocol/wire/LineFuzzer.ts"
import { allLines, messages } from "../protocol/wire/Vectors.ts"
import { connection, onlyAnswer, peer, registry, said } from "./Fixture.ts"
import { deeds, handle, handling } from "./handlers/Handling.ts"

const examples: ReadonlyArray<Message> = messages().flatMap(({ line }) => {
  const message = Wire.decode(Buffer.from(line))
  return message._tag === "WireError" ? [] : [message]
})
const example = (tag: string): Message => examples.find(({ _tag }) => _tag === tag)!
const malformed = () => Wire.decode(Buffer.from("{"))

describe("the peer handler", () => {
  it("has an example of every variant to be tested with", () => {
    assert.deepStrictEqual([...new Set(examples.map(({ _tag }) => _tag))].sort(), [...messageTags].sort())
  })

  it.effect("answers every request with its answer, in the order asked, on both directions of a link", () => {
    const seen = deeds()
    const asked = requestTags.filter((tag) => tag !== "Handshake" && tag !== "BlockRequest")
    return Effect.gen(function* () {
      for (const direction of ["inbound", "outbound"] as const) {
        yield* handle(asked.map(example), connection({ direction, peer: peer(9) }))
        assert.deepStrictEqual(
          said(seen.sent.splice(0)).map(([to, { _tag }]) => [to, requestAnsweredBy(_tag)]),
          asked.map((tag) => [peer(9), tag])
        )
      }
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("ignores a second handshake, even one of another network", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "Handshake", magic: MAGIC, protocolVersion: 1, network: "Testnet" },
        { _tag: "Handshake", magic: Uint8Array.of(1, 2, 3, 4), protocolVersion: 9, network: "" }
      ])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("keeps what it cannot check to itself: votes and proposals", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle(["BlockProposal", "BlockVote", "BlockCommit", "TransactionVote"].map(example))
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("ignores answers to nothing", () => {
    const seen = deeds()
    const answers = examples.filter(({ _tag }) => requestAnsweredBy(_tag) !== undefined && _tag !== "PeersResponse")
    return Effect.gen(function* () {
      assert.isAbove(answers.length, 13)
      yield* handle(answers)
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen)))
  })

  it.effect("scores lines that are no message, and bans, only where the peer dialled us", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([malformed(), malformed()], connection({ direction: "outbound" }))
      assert.deepStrictEqual(seen, deeds())
      yield* handle([malformed()])
      assert.deepStrictEqual([seen.offences, seen.disconnects], [[[peer(1), "malformedLine"]], []])
      yield* handle([malformed()])
      assert.deepStrictEqual(seen.disconnects, [[peer(1), "banned"]])
    }).pipe(Effect.provide(handling(seen, Layer.empty, { banAt: 2 })))
  })

  it.effect("goes on when the connection that asked is gone", () => {
    let replies = 0
    const gone = registry(
      {},
      {
        reply: () =>
          Effect.suspend(() => {
            replies++
            return Effect.fail(
              new SendError({ reason: new ConnectionClosed({ peer: peer(1), reason: "remoteClosed" }) })
            )
          })
      }
    )
    const layer = PeerHandler.layer.pipe(Layer.provide(Layer.merge(MockNode.layer, gone)))
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetBlockHeight" }, { _tag: "GetPeers" }])
      assert.strictEqual(replies, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives an answer up after the reply deadline and turns to the next request", () => {
    const seen = deeds()
    const stuck = UtxoStore.layerTest({ summary: Effect.never })
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(handle([{ _tag: "GetUTXOStateHash" }, { _tag: "GetBlockHeight" }]))
      yield* TestClock.adjust(Policies.replyTimeout)
      yield* Fiber.join(fiber)
      assert.strictEqual(onlyAnswer(seen.sent, "BlockHeightResponse").height, 0n)
    }).pipe(Effect.provide(handling(seen, stuck)))
  })

  it.effect("waits for a reply that waits for room, so that answers keep their order", () => {
    const order: Array<string> = []
    return Effect.gen(function* () {
      const room = yield* Deferred.make<void>()
      const slow = registry(
        {},
        {
          reply: (_to, request) =>
            request._tag === "GetPeers"
              ? Effect.andThen(
                  Deferred.await(room),
                  Effect.sync(() => void order.push(request._tag))
                )
              : Effect.sync(() => void order.push(request._tag))
        }
      )
      const layer = PeerHandler.layer.pipe(Layer.provide(Layer.merge(MockNode.layer, slow)))
      const fiber = yield* handle([{ _tag: "GetPeers" }, { _tag: "GetBlockHeight" }]).pipe(
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      assert.deepStrictEqual(order, [])
      yield* Deferred.succeed(room, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(order, ["GetPeers", "GetBlockHeight"])
    })
  })
})

describe("whatever a peer says", () => {
  const failure = new StoreError({ operation: "any", reason: "Failed", detail: "" })
  const failing = Layer.mergeAll(
    Blockchain.layerTest({ blocks: () => Effect.fail(failure) }),
    UtxoStore.layerTest({
      states: () => Effect.fail(failure),
      summary: Effect.fail(failure),
      stream: Stream.fail(failure)
    }),
    Mempool.layerTest({ submit: () => Effect.fail(failure) })
  )
  const corpus = allLines()

  for (const [name, layers] of [
    ["healthy", Layer.empty],
    ["failing", failing]
  ] as const) {
    it.effect.prop(
      `a ${name} node handles it without failing or dying, and tells nobody twice or back`,
      [Schema.Int],
      ([seed]) => {
        const seen = deeds()
        return Effect.gen(function* () {
          const fuzzer = makeLineFuzzer(seed, corpus)
          for (let turn = 0; turn < 20; turn++) {
            const from = connection({
              peer: peer(turn % 3),
              direction: turn % 2 === 0 ? "inbound" : "outbound",
              agent: turn % 5 === 0 ? "timenode" : "timed"
            })
            const inbound = Wire.decode(fuzzer.next())
            yield* handle([inbound, inbound], from)
            const relays = seen.relayed.splice(0)
            assert.isAtMost(relays.length, 1)
            for (const [message, except] of relays) {
              assert.deepStrictEqual(message, inbound)
              assert.strictEqual(except, from.peer)
            }
          }
        }).pipe(Effect.provide(handling(seen, layers)))
      },
      { arbitrary: { runs: 40, seed: 1 } }
    )
  }
})
