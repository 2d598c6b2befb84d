import { assert, describe, it } from "@effect/vitest"
import { inOrder, leaderOf } from "../../src/consensus/LeaderSchedule.ts"
import { honestMinority, quorum } from "../../src/consensus/Quorum.ts"
import { height } from "../../src/protocol/Height.ts"
import { readVectors } from "../fixtures/Vectors.ts"

const recorded: ReadonlyArray<any> = readVectors("rewards.json").leaders.filter(
  (leader: any) => leader.function === "bft_consensus::BFTConsensus::select_leader"
)

describe("LeaderSchedule", () => {
  it("names the leaders that were recorded", () => {
    assert.isAbove(recorded.length, 50)
    for (const { height: at, leader, masternodes } of recorded) {
      assert.strictEqual(leaderOf(height(BigInt(at)), 0, inOrder(masternodes)) ?? null, leader, `${at} ${masternodes}`)
    }
  })

  it("orders addresses by their bytes and not by their numbers", () => {
    assert.deepStrictEqual(inOrder(["9.0.0.1", "10.0.0.2", "10.0.0.10", "é", "z"]), [
      "10.0.0.10",
      "10.0.0.2",
      "9.0.0.1",
      "z",
      "é"
    ])
  })

  it("gives every member its round", () => {
    const members = inOrder(["10.0.0.1", "10.0.0.2", "10.0.0.3", "9.0.0.1"])
    assert.deepStrictEqual(
      [0n, 1n, 2n, 3n, 4n, 5n].map((at) => leaderOf(height(at), 0, members)),
      ["10.0.0.1", "9.0.0.1", "10.0.0.2", "10.0.0.1", "9.0.0.1", "10.0.0.1"]
    )
    for (let from = 0; from < 10; from++) {
      const leaders = [0, 1, 2, 3].map((round) => leaderOf(height(7), from + round, members))
      assert.strictEqual(new Set(leaders).size, 4)
    }
    assert.strictEqual(leaderOf(height(7), 1_000_000, members), leaderOf(height(7), 0, members))
  })
})

describe("Quorum", () => {
  it("is two thirds, rounded up", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6, 7, 10].map(quorum), [1, 2, 2, 3, 4, 4, 5, 7])
  })

  it("overlaps in somebody honest, and the honest are enough", () => {
    for (let n = 1; n <= 2_000; n++) {
      const faulty = honestMinority(n) - 1
      assert.isTrue(faulty < n / 3 && faulty + 1 >= n / 3, `${n}`)
      assert.isAbove(2 * quorum(n) - n, faulty, `${n}`)
      assert.isAtLeast(n - faulty, quorum(n), `${n}`)
    }
  })
})
