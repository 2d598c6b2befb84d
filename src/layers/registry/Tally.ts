/**
 * How many there are of each kind. A kind of which there are none takes no room.
 */
export class Tally<K> {
  private readonly counts = new Map<K, number>()
  private sum = 0

  /** Of all kinds together. */
  get total(): number {
    return this.sum
  }

  /** Kinds of which there is at least one. */
  get kinds(): number {
    return this.counts.size
  }

  of(kind: K): number {
    return this.counts.get(kind) ?? 0
  }

  add(kind: K): void {
    this.sum++
    this.counts.set(kind, this.of(kind) + 1)
  }

  /** One that was added before. */
  remove(kind: K): void {
    this.sum--
    const left = this.of(kind) - 1
    if (left === 0) this.counts.delete(kind)
    else this.counts.set(kind, left)
  }
}
