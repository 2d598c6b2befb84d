/**
 * What a budget does to its peer: turns behind the others, dropped gossip, and nothing at all to honest traffic.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { answerCost, costOf } from "../../src/protocol/Cost.ts"
import { isRequest, requestAnsweredBy } from "../../src/protocol/Exchange.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type Message, messageTags } from "../../src/protocol/Message.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { messages } from "../protocol/wire/Vectors.ts"
import { connection, emptyBlock, peer, transaction } from "./Fixture.ts"
import { deeds, handling } from "./handlers/Handling.ts"
import { heard, joinIn, node, settle } from "./Session.ts"

const examples: ReadonlyArray<Message> = messages().flatMap(({ line }) => {
  const message = Wire.decode(Buffer.from(line))
  return message._tag === "WireError" ? [] : [message]
})

const guarded = MemoryPeerGuard.layer.pipe(Layer.provide(NodeConfig.layerTest()))

/** A mempool that takes everything, and what it was given. */
const pool = (submitted: Array<Transaction>) =>
  Mempool.layerTest({
    submit: (transaction) =>
      Effect.sync(() => {
        submitted.push(transaction)
        return "known" as const
      })
  })

describe("the cost of a message", () => {
  it("is known for every variant, and never more than a burst", () => {
    assert.strictEqual(new Set(examples.map(({ _tag }) => _tag)).size, messageTags.length)
    for (const example of examples) {
      const cost = costOf(example)
      assert.isTrue(cost > 0 && cost < Limits.PEER_COST_BURST / 10, `${example._tag}: ${cost}`)
    }
    assert.isAbove(costOf(Wire.decode(Buffer.from("{"))), 0)
  })

  it("grows with what is to be done: inputs, outpoints, addresses, bytes of an answer", () => {
    const spend = transaction(1)
    const broadcast = (inputs: number): Message => ({
      _tag: "TransactionBroadcast",
      transaction: { ...spend, inputs: Array.from({ length: inputs }, () => spend.inputs[0]!) }
    })
    assert.isAtLeast(costOf(broadcast(100)) - costOf(broadcast(0)), 100 * 100)
    const query = (length: number): Message => ({
      _tag: "UTXOStateQuery",
      outpoints: Array.from({ length }, () => spend.inputs[0]!.previousOutput)
    })
    assert.isAbove(costOf(query(Limits.OUTPOINTS_PER_QUERY)), 1_000 * costOf(query(0)) - 1)
    const told = (length: number): Message => ({
      _tag: "PeersResponse",
      addresses: Array.from({ length }, () => "203.0.113.1")
    })
    assert.isAbove(costOf(told(1_000)), costOf(told(0)) + 1_000)
    assert.strictEqual(answerCost(1024 * 1024), 2_048)
  })

  it("of the dearest message that is taken is within a burst", () => {
    const transactions = Array.from({ length: 2_000 }, () => ({ ...transaction(1), outputs: [] }))
    const full: Message = { _tag: "BlockAnnouncement", block: { ...emptyBlock(1), transactions } }
    assert.isBelow(costOf(full), Limits.PEER_COST_BURST)
    assert.isBelow(answerCost(Limits.UTXO_SET_ANSWER), Limits.PEER_COST_BURST)
  })
})

describe("a peer beyond its budget", () => {
  it.effect("has its gossip dropped, and nothing else: no request, no sign of life, no offence", () => {
    const seen = deeds()
    const dropped: Array<PeerId> = []
    const poor = PeerGuard.layerTest({
      spend: () => "beyond",
      recordDropped: (peer) => void dropped.push(peer),
      report: (peer, offence) =>
        Effect.as(
          Effect.sync(() => seen.offences.push([peer, offence])),
          "tolerated"
        )
    })
    return Effect.gen(function* () {
      const handler = yield* PeerHandler
      for (const example of examples) {
        const before = dropped.length
        assert.strictEqual(yield* handler.handle(example, connection()), Infinity)
        const { _tag } = example
        const asksOrAnswers = isRequest(example) || (requestAnsweredBy(_tag) !== undefined && _tag !== "PeersResponse")
        assert.strictEqual(dropped.length - before, asksOrAnswers || _tag === "Version" ? 0 : 1, _tag)
      }
      yield* handler.handle(Wire.decode(Buffer.from("{")), connection())
      assert.deepStrictEqual(seen.offences, [[peer(1), "malformedLine"]])
      assert.deepStrictEqual(seen.relayed, [])
      assert.isAbove(seen.sent.length, 10)
    }).pipe(Effect.provide(handling(seen, poor)))
  })

  it.effect("is within it again after a while, and what was dropped is counted", () => {
    const submitted: Array<Transaction> = []
    return Effect.gen(function* () {
      const handler = yield* PeerHandler
      const guard = yield* PeerGuard
      const tell = handler.handle({ _tag: "TransactionBroadcast", transaction: transaction(1) }, connection())
      guard.spend(peer(1), Limits.PEER_COST_BURST)
      yield* tell
      yield* tell
      assert.deepStrictEqual([submitted.length, yield* guard.spending(peer(1))], [0, { available: 0, dropped: 2 }])
      yield* TestClock.adjust("1 millis")
      assert.isBelow(yield* tell, Infinity)
      assert.strictEqual(submitted.length, 1)
    }).pipe(
      Effect.provide(handling(deeds(), Layer.mergeAll(pool(submitted), guarded)).pipe(Layer.provideMerge(guarded)))
    )
  })

  const Crowd = Schema.Struct({
    greedy: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 })),
    warmUp: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
    reconnects: Schema.Boolean
  })
  it.effect.prop(
    "keeps an honest one waiting for a bounded number of its requests, however often it comes back",
    [Crowd],
    ([{ greedy, reconnects, warmUp }]) =>
      Effect.gen(function* () {
        const guard = yield* PeerGuard
        const honest = yield* joinIn(peer(100))
        const crowd = yield* Effect.forEach(Array.from({ length: greedy }), (_, index) =>
          Effect.gen(function* () {
            guard.spend(peer(index + 1), Limits.PEER_COST_BURST)
            const first = yield* joinIn(peer(index + 1))
            if (!reconnects) return first
            yield* first.close
            yield* settle
            return yield* joinIn(peer(index + 1))
          })
        )
        for (let time = 0; time < DEPTH; time++) {
          for (const remote of crowd) yield* remote.send({ _tag: "GetPeers" })
        }
        for (let turn = 0; turn < warmUp; turn++) yield* Effect.yieldNow
        const others = () => crowd.reduce((sum, remote) => sum + heard(remote, "PeersResponse").length, 0)
        const before = others()
        yield* honest.send({ _tag: "GetBlockHeight" })
        while (heard(honest, "BlockHeightResponse").length === 0) yield* Effect.yieldNow
        assert.isAtMost(others() - before, 2 * greedy)
        // They are served all the same.
        while (others() < greedy * DEPTH) yield* Effect.yieldNow
      }).pipe(Effect.provide(node(guarded), { local: true })),
    { arbitrary: { runs: 8 } }
  )

  /** More than a session handles before the scheduler interrupts it of itself. */
  const DEPTH = 200
})

describe("honest traffic", () => {
  it.effect(
    "is never dropped: rounds, a peer that syncs, and 1,000 transactions a second in bursts from each of three",
    () => {
      const submitted: Array<Transaction> = []
      const blocks = Array.from({ length: Limits.BLOCKS_PER_ANSWER }, () => new Uint8Array(1_300).fill(0x20))
      const chain = Blockchain.layerTest({ blocks: () => Effect.succeed(blocks) })
      const spend = transaction(1)
      const threeInputs = {
        ...spend,
        inputs: [0, 1, 2].map((vout) => ({
          ...spend.inputs[0]!,
          previousOutput: { ...spend.inputs[0]!.previousOutput, vout }
        }))
      }
      const round = examples.filter(({ _tag }) => ROUND.has(_tag))
      return Effect.gen(function* () {
        const handler = yield* PeerHandler
        const guard = yield* PeerGuard
        const everybody = [1, 2, 3].map((number) => connection({ peer: peer(number) }))
        for (let second = 0; second < SECONDS; second++) {
          for (const from of everybody) {
            if (second % 5 === 0) for (const message of round) yield* handler.handle(message, from)
            for (let time = 0; time < 1_000; time++) {
              yield* handler.handle({ _tag: "TransactionBroadcast", transaction: threeInputs }, from)
            }
          }
          // As fast as a timenode checks and stores what it gets: 7,000 blocks a second.
          for (let time = 0; time < 70; time++) {
            yield* handler.handle(
              examples.find(({ _tag }) => _tag === "GetBlocks")!,
              everybody[0]!
            )
          }
          yield* TestClock.adjust("1 seconds")
        }
        assert.strictEqual(yield* Clock.currentTimeMillis, SECONDS * 1_000)
        for (const { peer } of everybody) assert.strictEqual((yield* guard.spending(peer)).dropped, 0)
        assert.strictEqual(submitted.length, SECONDS * 3_000)
      }).pipe(
        Effect.provide(
          handling(deeds(), Layer.mergeAll(pool(submitted), chain, guarded)).pipe(Layer.provideMerge(guarded))
        )
      )
    }
  )

  const SECONDS = 10

  /** What a `timed` says every minute, or less often. */
  const ROUND = new Set([
    "Ping",
    "GetBlockHeight",
    "GetUTXOStateHash",
    "GetPendingTransactions",
    "GetMasternodes",
    "GetPeers",
    "PeersResponse",
    "MasternodeAnnouncement",
    "HeartbeatBroadcast",
    "HeartbeatAttestation",
    "BlockAnnouncement"
  ])
})
