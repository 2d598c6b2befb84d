/**
 * Block 0 of each network, made from constants.
 *
 * It is never validated, only compared: a chain with another genesis hash is another network.
 */
import { type Block, blockHash } from "./Block.ts"
import { type Hash256, ZERO_HASH } from "./Hash.ts"
import { GENESIS_HEIGHT } from "./Height.ts"
import { merkleRoot } from "./Merkle.ts"
import type { Network } from "./Network.ts"
import { type Transaction, txid } from "./Transaction.ts"

export interface Genesis {
  readonly block: Block
  readonly hash: Hash256
  /** Ids of the block's transactions. */
  readonly txids: ReadonlyArray<Hash256>
}

/** The genesis of a network. */
export const genesis = (network: Network): Genesis => {
  const known = made.get(network)
  if (known !== undefined) return known
  const value = make(network)
  made.set(network, value)
  return value
}

// --- internal ---

const made = new WeakMap<Network, Genesis>()

const make = (network: Network): Genesis => {
  const transaction: Transaction = {
    version: 1,
    inputs: [],
    outputs: [{ value: network.genesisReward, scriptPubkey: new TextEncoder().encode("genesis") }],
    lockTime: 0,
    timestamp: network.genesisTime
  }
  const txids = [txid(transaction)]
  const block: Block = {
    header: {
      version: 2,
      height: GENESIS_HEIGHT,
      previousHash: ZERO_HASH,
      merkleRoot: merkleRoot(txids),
      timestamp: network.genesisTime,
      blockReward: network.genesisReward
    },
    transactions: [transaction],
    masternodeRewards: []
  }
  return { block, hash: blockHash(block.header), txids }
}
