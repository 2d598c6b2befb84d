/**
 * How fast the chain has grown over the last seconds.
 */
import * as Limits from "../protocol/Limits.ts"

export class SyncSpeed {
  #samples: Array<{ readonly at: number; readonly height: bigint }> = []

  /** The chain has this height now. The first call after `clear` is where counting begins. */
  note(at: number, height: bigint): void {
    const last = this.#samples.at(-2)
    // Of the notes of one second the latest is kept, beside where it began.
    if (last !== undefined && at - last.at < SAMPLE) this.#samples.pop()
    this.#samples.push({ at, height })
    if (this.#samples.length > Limits.SYNC_SAMPLES) this.#samples.shift()
  }

  clear(): void {
    this.#samples = []
  }

  /** Blocks a second; 0 when nothing can be said. */
  perSecond(now: number): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || now <= first.at) return 0
    return (Number(last.height - first.height) * 1_000) / (now - first.at)
  }
}

// --- internal ---

const SAMPLE = 1_000
