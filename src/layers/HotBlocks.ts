/**
 * Wire bytes of stored blocks that were asked for lately, at most so many bytes of them.
 *
 * Many peers that sync ask for the same ranges, and reading a block from the store costs 30 times as much as finding it
 * here.
 */
export class HotBlocks {
  /** In order of last use. */
  readonly #blocks = new Map<number, Uint8Array>()
  readonly #capacity: number
  #size = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Bytes of all blocks that are kept. */
  get size(): number {
    return this.#size
  }

  get(height: number): Uint8Array | undefined {
    const bytes = this.#blocks.get(height)
    if (bytes === undefined) return undefined
    this.#blocks.delete(height)
    this.#blocks.set(height, bytes)
    return bytes
  }

  set(height: number, bytes: Uint8Array): void {
    this.delete(height)
    this.#blocks.set(height, bytes)
    this.#size += bytes.length
    for (const oldest of this.#blocks.keys()) {
      if (this.#size <= this.#capacity) return
      this.delete(oldest)
    }
  }

  delete(height: number): void {
    const bytes = this.#blocks.get(height)
    if (bytes === undefined) return
    this.#blocks.delete(height)
    this.#size -= bytes.length
  }
}
