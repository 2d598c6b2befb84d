/**
 * Blocks that can never be accepted, by hash: the first bad block of a branch with its rejection, and those seen to
 * follow it. They are in memory and bounded; the one that was found first is forgotten first.
 *
 * Whoever likes can make bad blocks, which cost him nothing. Those of a branch that a vote was taken on do: a branch has to
 * be better, fetched, and what most peers are on before it comes to that, and having it all again is what must not happen.
 * So they give way to each other alone, and all others to them.
 *
 * A hash is given here only if the rejection is about every block that has it (`isFinal`): a forged body must not keep
 * the true one out.
 */
import { type BlockHeader, blockHash } from "../protocol/Block.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { BlockRejected } from "../services/Blockchain.ts"

export interface InvalidBlock {
  readonly header: BlockHeader
  readonly hash: Hash256
  /** Of the first bad block of the branch: this one, or one before it. */
  readonly rejected: BlockRejected
  /** It was found when a branch was about to become the best chain. */
  readonly wasVotedFor: boolean
}

export class InvalidBlocks {
  /** By hash in hex, in the order in which they were found. */
  readonly #blocks = new Map<string, InvalidBlock>()

  get size(): number {
    return this.#blocks.size
  }

  get(hash: Hash256): InvalidBlock | undefined {
    return this.#blocks.get(toHex(hash))
  }

  add(header: BlockHeader, rejected: BlockRejected, wasVotedFor = false): void {
    const hash = blockHash(header)
    const id = toHex(hash)
    if (this.#blocks.get(id)?.wasVotedFor === true) return
    this.#blocks.set(id, { header, hash, rejected, wasVotedFor })
    if (this.#blocks.size > Limits.INVALID_BLOCKS) this.#blocks.delete(this.#leastWanted())
  }

  /** Why a block cannot be accepted, if it is known or follows one that is; a descendant is noted as well. */
  refusal(header: BlockHeader): BlockRejected | undefined {
    const known = this.get(blockHash(header))
    if (known !== undefined) return known.rejected
    const parent = this.get(header.previousHash)
    if (parent !== undefined) this.add(header, parent.rejected)
    return parent?.rejected
  }

  #leastWanted(): string {
    for (const [id, { wasVotedFor }] of this.#blocks) if (!wasVotedFor) return id
    return this.#blocks.keys().next().value!
  }

  /** The branches that end here, each with the number of its blocks that are and the block before them. */
  ends(): ReadonlyArray<{ readonly last: InvalidBlock; readonly length: number; readonly parent: Hash256 }> {
    const continued = new Set<string>()
    for (const { header } of this.#blocks.values()) continued.add(toHex(header.previousHash))
    return [...this.#blocks].flatMap(([id, last]) => {
      if (continued.has(id)) return []
      let length = 0
      let parent = last.hash
      for (let at = this.get(parent); at !== undefined; at = this.get(parent)) {
        length++
        parent = at.header.previousHash
      }
      return [{ last, length, parent }]
    })
  }
}
