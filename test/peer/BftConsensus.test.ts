import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import type { ConsensusMessage } from "../../src/services/Consensus.ts"
import { dueMillis, peer } from "./Fixture.ts"
import { assertEqualChains, contradictions, makeNode, untilDue, untilHeight } from "./MasternodeNetwork.ts"
import { wait } from "./Session.ts"

const MEMBERS = [1, 2, 3, 4].map(peer)
const fresh = () => ({ members: 4, heard: [] as Array<ConsensusMessage> })

const onOneNetwork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(TestClock.setTime(dueMillis(0)), Effect.provide(effect, MemoryHub.layer, { local: true }))

describe("BftConsensus", () => {
  it.effect("makes a block whenever one is due, the same for all", () =>
    Effect.gen(function* () {
      const network = fresh()
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) => makeNode(number, network))
      yield* wait("10 seconds")
      for (let at = 1; at <= 20; at++) {
        yield* untilDue(at)
        assert.isAtMost(yield* untilHeight(nodes, at), 1)
      }
      yield* assertEqualChains(nodes)
      assert.deepStrictEqual(contradictions(network.heard, MEMBERS), [])
      for (const node of nodes) assert.strictEqual(node.consensus().certified()?.height, 20n)
    }).pipe(onOneNetwork)
  )
})
