/**
 * The merkle root that a block header carries over the ids of the block's transactions.
 */
import { type Hash256, sha256, ZERO_HASH } from "./Hash.ts"

/**
 * Root over the ids in block order. A level of odd length repeats its last hash, one id is its own root, and the root
 * of none is the zero hash.
 */
export const merkleRoot = (txids: ReadonlyArray<Hash256>): Hash256 => {
  if (txids.length === 0) return ZERO_HASH
  const pair = new Uint8Array(64)
  let level = txids
  while (level.length > 1) {
    const parents: Array<Hash256> = []
    for (let i = 0; i < level.length; i += 2) {
      pair.set(level[i]!)
      pair.set(level[i + 1] ?? level[i]!, 32)
      parents.push(sha256(pair))
    }
    level = parents
  }
  return level[0]!
}
