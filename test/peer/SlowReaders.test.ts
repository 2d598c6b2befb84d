/**
 * Peers that ask and never read: what they cost the others, over real sockets and with a node's own layers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { readChain } from "../fixtures/Vectors.ts"
import { badKinds, BadPeers } from "../support/hostile/BadPeers.ts"
import { startNode } from "../support/hostile/NodeProcess.ts"
import { type Crowd, PeersProcess } from "../support/hostile/PeersProcess.ts"
import { loopbackNet } from "../support/loopback.ts"

const ROUNDS = 3
/** Of one round; it ends sooner when there are enough answers. */
const ROUND_MILLIS = 10_000
const ANSWERS = 2_000

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const start = (crowd: Crowd) =>
  Effect.acquireRelease(
    Effect.promise(() => PeersProcess.start(crowd)),
    (peers) => Effect.promise(() => peers.stop())
  )

/** A network of clients, three octets. */
const clientNet = Effect.map(loopbackNet, (net) => net.ip(1).split(".").slice(0, 3).join("."))

describe("peers that never read", () => {
  it.live("leave the others at least half of what they had", () =>
    Effect.gen(function* () {
      const node = yield* startNode((yield* loopbackNet).ip(1))
      const { target } = node
      const honest = yield* start({ target, net: yield* clientNet, peers: 20 })
      // By the node's own time: what a machine that is busy with other things keeps from it is not its doing.
      const measure = Effect.gen(function* () {
        const before = yield* node.state
        const { answers, lost } = yield* Effect.promise(() => honest.measure(ROUND_MILLIS, ANSWERS))
        assert.isAtLeast(answers, ANSWERS)
        assert.strictEqual(lost, 0)
        return answers / ((yield* node.state).cpu - before.cpu)
      })
      const besideStuck = Effect.gen(function* () {
        yield* start({ target, net: yield* clientNet, peers: "blocks" })
        yield* Effect.repeat(node.state, {
          schedule: Schedule.spaced("20 millis"),
          until: ({ stuck }) => stuck === badKinds.blocks.count
        })
        return yield* measure
      })
      const alone: Array<number> = []
      const beside: Array<number> = []
      for (let round = 0; round < ROUNDS; round++) {
        alone.push(yield* measure)
        beside.push(yield* Effect.scoped(besideStuck))
      }
      const share = median(beside) / median(alone)
      assert.isAtLeast(share, 0.5, `answers a millisecond: alone ${alone}, beside ${beside}`)
    }).pipe(Effect.scoped)
  )

  it.effect("are all cut off when they have taken nothing for as long as they may", () =>
    Effect.gen(function* () {
      const host = yield* loopbackNet
      const blocks = readChain().slice(1, 200)
      yield* TestClock.setTime(Number(dueTime(testnet, blocks.at(-1)!.header.height)) * 1_000)
      const config = NodeConfig.layerTest({ listen: { host: host.ip(1), port: 0 } })
      yield* Effect.gen(function* () {
        yield* (yield* Blockchain).connect(blocks)
        const { listening } = yield* PeerNetwork
        const registry = yield* PeerRegistry
        const target = { host: host.ip(1), port: listening!.port }
        const net = yield* clientNet
        yield* Effect.acquireRelease(
          Effect.promise(() => BadPeers.connect(target, net, "blocks")),
          (bad) => Effect.sync(() => bad.close())
        )
        const waiting = Effect.map(registry.peers, (peers) => peers.map(({ outboundBytes }) => outboundBytes))
        // Stuck: more waits for each than may, and stays as much.
        let before: ReadonlyArray<number> = []
        while (before.length < 20 || before.some((bytes) => bytes < Limits.OUTBOUND_PER_PEER)) {
          yield* TestClock.withLive(Effect.sleep("50 millis"))
          before = yield* waiting
        }
        yield* TestClock.withLive(Effect.sleep("100 millis"))
        yield* TestClock.adjust(Limits.DRAIN_TIMEOUT - 2 * Limits.SWEEP_INTERVAL)
        assert.deepStrictEqual(yield* waiting, before)
        yield* TestClock.adjust(3 * Limits.SWEEP_INTERVAL)
        assert.deepStrictEqual(yield* waiting, [])
      }).pipe(Effect.provide(TimeNode.layer.pipe(Layer.provide(config), Layer.provideMerge(quiet))))
    }).pipe(Effect.scoped)
  )
})

const quiet = Layer.succeed(References.MinimumLogLevel, "Error")
