import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { leaderOf } from "../../src/consensus/LeaderSchedule.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import { scriptText } from "../../src/protocol/Address.ts"
import { signBallot, signProposal } from "../../src/protocol/Bft.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import type { ConsensusMessage } from "../../src/services/Consensus.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { coin as coinOf, owner, spend } from "../fixtures/Blocks.ts"
import { dueMillis, peer } from "./Fixture.ts"
import {
  assertEqualChains,
  blockOn,
  contradictions,
  makeNode,
  minutely,
  untilDue,
  untilHeight
} from "./MasternodeNetwork.ts"
import { settle, wait } from "./Session.ts"

/** The number of the member that leads the first round of a height. */
const leader = (at: number) => MEMBERS.indexOf(leaderOf(height(at), 0, MEMBERS) as PeerId) + 1

const MEMBERS = [1, 2, 3, 4].map(peer)
const fresh = () => ({ members: 4, heard: [] as Array<ConsensusMessage> })

const onOneNetwork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(TestClock.setTime(dueMillis(0)), Effect.provide(effect, MemoryHub.layer, { local: true }))

describe("BftConsensus", () => {
  it.effect("makes a block whenever one is due, the same for all", () =>
    Effect.gen(function* () {
      const network = fresh()
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) => makeNode(number, network))
      const watcher = yield* makeNode(5, network, { isMasternode: false })
      yield* wait("10 seconds")
      for (let at = 1; at <= 20; at++) {
        yield* untilDue(at)
        assert.isAtMost(yield* untilHeight([...nodes, watcher], at), 1)
      }
      yield* settle
      yield* assertEqualChains([...nodes, watcher])
      assert.deepStrictEqual(contradictions(network.heard, MEMBERS), [])
      for (const node of [...nodes, watcher]) assert.strictEqual(node.consensus().certified()?.height, 20n)
      assert.isFalse(watcher.consensus().status().isMember)
    }).pipe(onOneNetwork)
  )

  it.effect("goes on with one of four away, which catches up when it is back", () =>
    Effect.gen(function* () {
      const network = fresh()
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) => makeNode(number, network))
      const away = nodes[leader(2) - 1]!
      const others = nodes.filter((node) => node !== away)
      yield* wait("10 seconds")
      yield* untilDue(1)
      yield* untilHeight(nodes, 1)
      yield* away.stop
      yield* untilDue(2)
      // The first leader says nothing, so that the second round decides.
      const firstRound = Duration.toSeconds(Policies.consensusStep("Propose", 0, minutely.blockSeconds))
      assert.isAtLeast(yield* untilHeight(others, 2), firstRound)
      yield* untilDue(3)
      yield* untilHeight(others, 3, 50)
      yield* away.start
      yield* untilHeight(nodes, 3, 90)
      yield* untilDue(6)
      yield* untilHeight(nodes, 6)
      yield* assertEqualChains(nodes)
      assert.deepStrictEqual(contradictions(network.heard, MEMBERS), [])
    }).pipe(onOneNetwork)
  )

  it.effect("makes the blocks that were missed, one after the other and not all at once", () =>
    Effect.gen(function* () {
      const network = fresh()
      yield* untilDue(5)
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) => makeNode(number, network))
      yield* wait("10 seconds")
      const seconds = yield* untilHeight(nodes, 5)
      // Four were missed, and the fifth is due.
      assert.isAtLeast(10 + seconds, (3 * 60) / Limits.CATCH_UP_BLOCKS_A_MINUTE)
      assert.isAtMost(10 + seconds, 50)
      yield* assertEqualChains(nodes)
      assert.deepStrictEqual(contradictions(network.heard, MEMBERS), [])
    }).pipe(onOneNetwork)
  )

  it.effect("makes none with two masternodes", () =>
    Effect.gen(function* () {
      const network = { ...fresh(), members: 2 }
      const nodes = yield* Effect.forEach([1, 2], (number) => makeNode(number, network))
      yield* untilDue(2)
      yield* wait("30 seconds")
      assert.deepStrictEqual(
        nodes.map((node) => [node.chain().tip().height, node.consensus().status().step]),
        nodes.map(() => [0n, "TooFew"])
      )
    }).pipe(onOneNetwork)
  )

  it.effect("signs nothing twice when it is stopped in the middle of a vote", () =>
    Effect.gen(function* () {
      const network = fresh()
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) => makeNode(number, network))
      yield* wait("10 seconds")
      // The leader and another are away: nobody proposes, and what the others say is no quorum.
      const first = nodes[leader(1) - 1]!
      const [second, third, fourth] = nodes.filter((node) => node !== first)
      yield* first.stop
      yield* second!.stop
      yield* untilDue(1)
      yield* wait("12 seconds")
      for (const node of [third!, fourth!]) assert.strictEqual(node.consensus().status().step, "Prevote")
      yield* third!.stop
      yield* third!.start
      yield* first.start
      yield* second!.start
      yield* untilHeight(nodes, 1, 180)
      yield* assertEqualChains(nodes)
      assert.deepStrictEqual(contradictions(network.heard, MEMBERS), [])
    }).pipe(onOneNetwork)
  )

  it.effect("agrees when a leader proposes different blocks to different members", () =>
    Effect.gen(function* () {
      const network = fresh()
      const evil = leader(2)
      const nodes = yield* Effect.forEach([1, 2, 3, 4], (number) =>
        makeNode(number, network, { takesPart: number !== evil })
      )
      const honest = nodes.filter(({ number }) => number !== evil)
      yield* wait("10 seconds")
      yield* untilDue(1)
      yield* untilHeight(nodes, 1)
      const { key } = owner(evil)
      const chain = nodes[evil - 1]!.chain()
      const coinbase = (yield* chain.block(height(1)))!.transactions[0]!
      const vout = coinbase.outputs.findIndex(({ scriptPubkey }) => scriptText(scriptPubkey) === owner(evil).address)
      const coin = {
        ...coinOf(owner(evil), coinbase.outputs[vout]!.value, 0),
        outpoint: { txid: txid(coinbase), vout }
      }
      const transaction = signSpends(spend([coin.outpoint], [[owner(6), 1_000n]]), key)
      const blocks = [blockOn(chain, 4), blockOn(chain, 4, [{ coin, transaction }])]
      yield* untilDue(2)
      for (const [index, node] of honest.entries()) {
        const block = blocks[index === 0 ? 0 : 1]!
        const hash = blockHash(block.header)
        const say = (message: Message) => nodes[evil - 1]!.registry().send(peer(node.number), message)
        const signature = signProposal(height(2), 0, hash, key)
        yield* say({ _tag: "BlockProposal", block, proposer: peer(evil), signature, round: 0n })
        const vote = signBallot({ kind: "Prevote", height: height(2), round: 0, blockHash: hash }, key)
        yield* say({ _tag: "BlockVote", ...vote, height: height(2), voter: peer(evil), approve: true })
      }
      yield* untilHeight(honest, 2)
      yield* untilDue(3)
      yield* untilHeight(nodes, 3)
      yield* assertEqualChains(nodes)
      const good = honest.map(({ number }) => peer(number))
      assert.deepStrictEqual(contradictions(network.heard, good), [])
      assert.isNotEmpty(contradictions(network.heard, [peer(evil)]))
    }).pipe(onOneNetwork)
  )
})
