/**
 * Whether a batch continues the chain it is for: the one thing about blocks that every chain store checks itself,
 * because a gap could not be seen later. And whether outputs are those of its transactions, as the indexes take for granted.
 */
import { bytesEqual } from "../protocol/ByteArray.ts"
import { createdBy } from "./BlockTouches.ts"
import { GENESIS_HEIGHT } from "../protocol/Height.ts"
import type { ChainTip, ConnectedBlock } from "../services/ChainStore.ts"

/** What is wrong with the first block that does not follow the one before it, or `undefined`. */
export const brokenLink = (tip: ChainTip | null, connect: ReadonlyArray<ConnectedBlock>): string | undefined => {
  let previous: Pick<ChainTip, "height" | "hash"> | null = tip
  for (const { delta } of connect) {
    const expected = previous === null ? GENESIS_HEIGHT : previous.height + 1n
    if (delta.height !== expected) return `block ${delta.height} where ${expected} was expected`
    if (previous !== null && !bytesEqual(delta.previousHash, previous.hash)) {
      return `block ${delta.height} does not name the block before it`
    }
    if (createdBy(delta).includes(-1))
      return `block ${delta.height} creates an output of a transaction it does not have`
    previous = delta
  }
  return undefined
}
