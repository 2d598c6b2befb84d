/**
 * What a block pays, and to whom: 100 TIME and fees, shared among the active masternodes by the weight of their tiers.
 */
import type { MasternodeTier } from "../protocol/Masternode.ts"
import { type Satoshi, satoshi, SATOSHI_PER_TIME } from "../protocol/Satoshi.ts"

/** The reward of every block before fees. It never changes, and there is no cap on the supply. */
export const BLOCK_REWARD: bigint = 100n * SATOSHI_PER_TIME

/**
 * How far the sum of a block's `masternodeRewards` may be from {@link BLOCK_REWARD}. Fees are paid through that list, so
 * fees beyond this make a block invalid; what cannot be paid is burned.
 */
export const REWARD_TOLERANCE = 1_000_000n

/** The share of each tier. */
export const REWARD_WEIGHT: Readonly<Record<MasternodeTier, bigint>> = {
  Free: 100n,
  Bronze: 1_000n,
  Silver: 10_000n,
  Gold: 100_000n
}

/** The most a block with so much in fees can pay out and be accepted by everybody. */
export const payableReward = (fees: bigint): Satoshi =>
  satoshi(BLOCK_REWARD + (fees < REWARD_TOLERANCE ? fees : REWARD_TOLERANCE))

/** Shares `total` by tier, in the order given. Each share is rounded down and the remainder is burned. */
export const splitReward = (total: bigint, tiers: ReadonlyArray<MasternodeTier>): ReadonlyArray<Satoshi> => {
  const weights = tiers.map((tier) => REWARD_WEIGHT[tier])
  const sum = weights.reduce((a, b) => a + b, 0n)
  return weights.map((weight) => satoshi((total * weight) / sum))
}
