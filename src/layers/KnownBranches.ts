/**
 * The branches beside the best chain, kept or known to be invalid, as they lie on it now.
 *
 * Where a branch forks is never remembered: it changes with the best chain, and is looked up in its index every time.
 */
import type { BlockHeader } from "../protocol/Block.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import { type Height, height } from "../protocol/Height.ts"
import type { Branch } from "../services/Blockchain.ts"
import type { ChainTip } from "../services/ChainStore.ts"
import type { ChainIndex } from "./ChainIndex.ts"
import { InvalidBlocks } from "./InvalidBlocks.ts"
import { type SideBlock, SideBranches } from "./SideBranches.ts"

/** Blocks after the last one that is shared with the best chain. */
export interface PlacedBranch {
  readonly blocks: ReadonlyArray<SideBlock>
  readonly fork: Height
}

export class KnownBranches {
  readonly side = new SideBranches()
  readonly invalid = new InvalidBlocks()
  readonly #index: ChainIndex

  constructor(index: ChainIndex) {
    this.#index = index
  }

  /** The kept branch that a block ends. */
  to(hash: Hash256): PlacedBranch | undefined {
    const found = this.side.branch(hash)
    const fork = found && this.#index.heightOf(found.parent)
    return fork === undefined ? undefined : { blocks: found!.blocks, fork: height(fork) }
  }

  all(): ReadonlyArray<Branch> {
    const kept = this.side.ends().flatMap(({ block, hash }) => {
      const branch = this.to(hash)
      const tip = tipOf(block.header, hash)
      return branch === undefined ? [] : [{ tip, fork: branch.fork, length: branch.blocks.length, rejected: null }]
    })
    const refused = this.invalid.ends().flatMap(({ last: { hash, header, rejected }, length, parent }) => {
      const before = this.to(parent)
      const fork = before?.fork ?? this.#index.heightOf(parent)
      if (fork === undefined) return []
      const all = length + (before?.blocks.length ?? 0)
      return [{ tip: tipOf(header, hash), fork: height(fork), length: all, rejected }]
    })
    return [...kept, ...refused]
  }
}

// --- internal ---

const tipOf = ({ height, timestamp }: BlockHeader, hash: Hash256): ChainTip => ({ height, hash, timestamp })
