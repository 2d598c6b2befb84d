import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { toHex } from "../../src/protocol/Hash.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import * as TestNetwork from "../../src/testing/TestNetwork.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { blockAt } from "../fixtures/Blocks.ts"

const BLOCKS: Array<Block> = []
for (let at = 1n, before = genesis(testnet).hash; at <= 12n; at++) {
  const block = blockAt(at, before)
  BLOCKS.push(block)
  before = blockHash(block.header)
}

const heights = (nodes: ReadonlyArray<TestNetwork.TestNode>) =>
  Effect.forEach(nodes, (node) => node.use(Effect.map(Blockchain, (chain) => Number(chain.tip().height))))

const peersOf = (node: TestNetwork.TestNode) =>
  node.use(Effect.flatMap(PeerRegistry, (registry) => Effect.map(registry.peers, (peers) => peers.length)))

const feed = (node: TestNetwork.TestNode, count: number) =>
  node.use(Effect.flatMap(Blockchain, (chain) => Effect.orDie(chain.connect(BLOCKS.slice(0, count)))))

/** So old that all the blocks are due. */
const age = "2 hours"

describe("a network of whole nodes", () => {
  it.live("meshes, and copies a chain in spite of faults", () =>
    TestNetwork.within(
      { seed: 1, age, nodes: 4, faults: { delay: [5, 400], lost: 0.2, doubled: 0.2, heldUp: 0.2 } },
      (network) =>
        Effect.gen(function* () {
          yield* network.run("30 seconds")
          assert.deepStrictEqual(yield* Effect.forEach(network.nodes, peersOf), [3, 3, 3, 3])
          yield* feed(network.nodes[0]!, 12)
          yield* network.run("3 minutes")
          assert.deepStrictEqual(yield* heights(network.nodes), [12, 12, 12, 12])
        })
    )
  )

  it.live("is cut in two and heals", () =>
    TestNetwork.within({ seed: 2, age, nodes: 4 }, (network) =>
      Effect.gen(function* () {
        const [a, b, c, d] = network.nodes
        yield* network.run("30 seconds")
        yield* network.hub.separate([
          [a!.peer, b!.peer],
          [c!.peer, d!.peer]
        ])
        yield* feed(a!, 5)
        yield* network.run("70 seconds")
        assert.deepStrictEqual(yield* heights(network.nodes), [5, 5, 0, 0])
        yield* network.hub.heal
        yield* network.run("3 minutes", "5 seconds")
        assert.deepStrictEqual(yield* heights(network.nodes), [5, 5, 5, 5])
      })
    )
  )

  it.live("keeps what a disk keeps when a node crashes", () =>
    TestNetwork.within({ seed: 3, age, nodes: 2 }, (network) =>
      Effect.gen(function* () {
        const [a, b] = network.nodes
        yield* network.run("30 seconds")
        yield* feed(a!, 7)
        yield* a!.crash
        assert.isFalse(a!.isUp())
        yield* network.run("10 seconds")
        assert.strictEqual(yield* peersOf(b!), 0)
        yield* a!.start
        assert.deepStrictEqual(yield* heights([a!]), [7])
        yield* network.run("3 minutes")
        assert.deepStrictEqual(yield* heights(network.nodes), [7, 7])
      })
    )
  )

  it.live("is the same run for the same seed", () => {
    const trace = (seed: number) =>
      TestNetwork.within(
        { seed, age, nodes: 3, faults: { delay: [1, 900], lost: 0.1, doubled: 0.1, heldUp: 0.3 } },
        (network) =>
          Effect.gen(function* () {
            yield* network.run("30 seconds")
            yield* feed(network.nodes[2]!, 12)
            const seen: Array<unknown> = []
            for (let second = 0; second < 90; second++) {
              yield* network.run("1 second")
              seen.push(yield* heights(network.nodes))
            }
            for (const node of network.nodes) {
              const infos = yield* node.use(Effect.flatMap(PeerRegistry, ({ peers }) => peers))
              seen.push(infos.map(({ bytesReceived, bytesSent, peer }) => [peer, bytesReceived, bytesSent]))
            }
            return seen
          })
      )
    return Effect.gen(function* () {
      const one = yield* trace(11)
      assert.deepStrictEqual(yield* trace(11), one)
      assert.notDeepEqual(yield* trace(12), one)
    })
  })

  it.live("ends with its seed when an invariant does not hold", () =>
    Effect.gen(function* () {
      const tip = (node: TestNetwork.TestNode) => node.use(Effect.map(Blockchain, (chain) => toHex(chain.tip().hash)))
      const allEqual: TestNetwork.Invariant = (nodes) =>
        Effect.flatMap(Effect.forEach(nodes, tip), (tips) =>
          new Set(tips).size === 1 ? Effect.void : Effect.fail(new Error("two tips"))
        )
      const broken = yield* Effect.flip(
        TestNetwork.within({ seed: 77, age, nodes: 2, invariants: [allEqual] }, (network) =>
          Effect.gen(function* () {
            yield* network.run("30 seconds")
            yield* feed(network.nodes[0]!, 3)
            yield* network.run("1 second")
          })
        )
      )
      assert.include(broken.message, "Broken with seed 77 at")
      assert.include(broken.message, "two tips")
    })
  )
})
