/**
 * The hashes of the best chain by height, and heights by hash, in memory: 40 to 50 bytes a block.
 *
 * Blocks come and go at the end alone. That makes removal from the open-addressed table simple: the last entry was
 * never stepped over by another, so that its slot may just be emptied.
 */
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { Hash256 } from "../protocol/Hash.ts"

export class ChainIndex {
  #length = 0
  #hashes = new Uint8Array(INITIAL_CAPACITY * HASH_BYTES)
  /** Height plus one by the hash's first bytes, 0 for an empty slot; twice as many slots as hashes fit. */
  #slots = new Uint32Array(INITIAL_CAPACITY * 2)

  get length(): number {
    return this.#length
  }

  push(hash: Hash256): void {
    if (this.#length * HASH_BYTES === this.#hashes.length) this.#grow()
    this.#hashes.set(hash, this.#length * HASH_BYTES)
    this.#length++
    this.#slots[this.#slotOf(hash)] = this.#length
  }

  /** Takes the last hash off. */
  pop(): void {
    this.#slots[this.#slotOf(this.#view(this.#length - 1))] = 0
    this.#length--
  }

  /** A copy, because the bytes here change with the chain. */
  hashAt(height: bigint): Hash256 | undefined {
    return height < 0n || height >= BigInt(this.#length) ? undefined : (this.#view(Number(height)).slice() as Hash256)
  }

  heightOf(hash: Hash256): number | undefined {
    const found = this.#slots[this.#slotOf(hash)]!
    return found === 0 ? undefined : found - 1
  }

  #view(height: number): Hash256 {
    return this.#hashes.subarray(height * HASH_BYTES, (height + 1) * HASH_BYTES) as Hash256
  }

  /** The slot that holds the hash, or the empty one where it belongs. */
  #slotOf(hash: Hash256): number {
    const mask = this.#slots.length - 1
    // Hashes are evenly spread: any of their bytes are as good as a hash of them.
    let slot = (hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24)) & mask
    while (this.#slots[slot] !== 0 && !bytesEqual(this.#view(this.#slots[slot]! - 1), hash)) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const hashes = new Uint8Array(this.#hashes.length * 2)
    hashes.set(this.#hashes)
    this.#hashes = hashes
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (let height = 0; height < this.#length; height++) this.#slots[this.#slotOf(this.#view(height))] = height + 1
  }
}

// --- internal ---

const HASH_BYTES = 32
const INITIAL_CAPACITY = 4_096
