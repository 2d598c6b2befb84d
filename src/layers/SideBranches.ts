/**
 * Blocks that are not on the best chain but continue one of its blocks, in memory.
 *
 * What is kept is bounded in number, memory and distance from the tip. When there is too much, the block that came first
 * goes, with all that follow it; the ancestors of the block that has just come are spared.
 */
import { type Block, blockMemory } from "../protocol/Block.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"

export interface SideBlock {
  readonly block: Block
  readonly hash: Hash256
}

/** Blocks from the one after the fork to the last, and the hash of the block on the best chain before them. */
export interface SideBranch {
  readonly parent: Hash256
  readonly blocks: ReadonlyArray<SideBlock>
}

export class SideBranches {
  /** By hash in hex, in the order in which they came. */
  readonly #blocks = new Map<string, SideBlock>()
  #memory = 0

  get size(): number {
    return this.#blocks.size
  }

  get(hash: Hash256): SideBlock | undefined {
    return this.#blocks.get(toHex(hash))
  }

  /** The branch that ends with this block. */
  branch(tip: Hash256): SideBranch | undefined {
    const blocks: Array<SideBlock> = []
    let hash = tip
    for (let side = this.get(hash); side !== undefined; side = this.get(hash)) {
      blocks.push(side)
      hash = side.block.header.previousHash
    }
    return blocks.length === 0 ? undefined : { parent: hash, blocks: blocks.reverse() }
  }

  /** The blocks that no other one continues. */
  ends(): ReadonlyArray<SideBlock> {
    const continued = new Set<string>()
    for (const { block } of this.#blocks.values()) continued.add(toHex(block.header.previousHash))
    return [...this.#blocks].flatMap(([id, side]) => (continued.has(id) ? [] : [side]))
  }

  /**
   * Keeps a block whose parent is here or on the best chain; false if there is no room for it beside its ancestors. A
   * body that comes again under the same header replaces the first: the old merkle form does not bind all of it.
   */
  keep(side: SideBlock, tipHeight: bigint): boolean {
    const { header } = side.block
    if (distance(header.height, tipHeight) > Limits.SIDE_BLOCK_DISTANCE) return false
    const id = toHex(side.hash)
    const known = this.#blocks.get(id)
    this.#memory += blockMemory(side.block) - (known === undefined ? 0 : blockMemory(known.block))
    this.#blocks.set(id, side)
    if (this.#fits()) return true
    const spared = new Set(this.branch(side.hash)!.blocks)
    for (const oldest of this.#blocks.values()) {
      if (spared.has(oldest)) continue
      this.drop(oldest.hash)
      if (this.#fits()) return true
    }
    this.drop(side.hash)
    return false
  }

  /** Forgets a block and all that follow it. */
  drop(hash: Hash256): void {
    const gone = [toHex(hash)]
    for (let id = gone.pop(); id !== undefined; id = gone.pop()) {
      if (!this.#delete(id)) continue
      for (const [next, { block }] of this.#blocks) if (toHex(block.header.previousHash) === id) gone.push(next)
    }
  }

  /** Forgets blocks that are on the best chain now. What follows them stays. */
  promote(hashes: Iterable<Hash256>): void {
    if (this.#blocks.size > 0) for (const hash of hashes) this.#delete(toHex(hash))
  }

  /** Forgets blocks that are too far from the tip, and all that follow them. */
  prune(tipHeight: bigint): void {
    for (const { block, hash } of this.#blocks.values()) {
      if (distance(block.header.height, tipHeight) > Limits.SIDE_BLOCK_DISTANCE) this.drop(hash)
    }
  }

  #fits(): boolean {
    return this.#blocks.size <= Limits.SIDE_BLOCKS && this.#memory <= Limits.SIDE_BLOCK_BYTES
  }

  #delete(id: string): boolean {
    const known = this.#blocks.get(id)
    if (known === undefined) return false
    this.#memory -= blockMemory(known.block)
    return this.#blocks.delete(id)
  }
}

// --- internal ---

const distance = (one: bigint, other: bigint): bigint => (one < other ? other - one : one - other)
