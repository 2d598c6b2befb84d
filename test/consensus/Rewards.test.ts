import { assert, describe, it } from "@effect/vitest"
import { BLOCK_REWARD, payableReward, REWARD_WEIGHT, splitReward } from "../../src/consensus/Rewards.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import type { MasternodeTier } from "../../src/protocol/Masternode.ts"
import { readVectors } from "../fixtures/Vectors.ts"

const splits: ReadonlyArray<any> = readVectors("rewards.json").splits.filter(
  (split: any) => split.function === "blockchain.calculate_rewards_with_amount"
)

describe("Rewards", () => {
  it("are shared as recorded", () => {
    assert.strictEqual(splits.length, 61)
    for (const { masternodes, rewards, total_reward } of splits) {
      const total = BigInt(total_reward)
      const tiers: ReadonlyArray<MasternodeTier> = masternodes.map(({ tier }: any) => tier)
      const recorded = rewards.map(([, amount]: [string, number | string]) => BigInt(amount))
      const shares: ReadonlyArray<bigint> = splitReward(total, tiers)
      const at = `${total} among ${tiers.join()}`
      // The recording program multiplies in 64 bits. No reward comes near, and ours would still be right.
      const wrapped = tiers.some((tier) => total * REWARD_WEIGHT[tier] > MAX_U64)
      if (!wrapped) assert.deepStrictEqual(shares, recorded, at)
      const sum = shares.reduce((a, b) => a + b, 0n)
      if (tiers.length > 0) assert.isTrue(sum <= total && total - sum < BigInt(tiers.length), at)
    }
  })

  it("pay fees up to what every node accepts", () => {
    assert.deepStrictEqual(
      [0n, 999_999n, 1_000_000n, 1_000_001n].map((fees) => payableReward(fees) - BLOCK_REWARD),
      [0n, 999_999n, 1_000_000n, 1_000_000n]
    )
  })
})
