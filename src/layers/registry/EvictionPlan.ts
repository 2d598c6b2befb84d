/**
 * Who may be closed for a newcomer, kept for a while.
 *
 * To find out who is set apart takes a look at all connections, which a flood of newcomers must not cause each time.
 * Between two looks the plan follows what happens: who leaves is struck off, and who comes may be closed like any other.
 * To refuse a newcomer changes nothing and costs next to nothing.
 */
import * as Limits from "../../protocol/Limits.ts"
import { type Candidate, evictable, mustYield, weakest } from "./Eviction.ts"
import type { Origin } from "./Origin.ts"
import { Tally } from "./Tally.ts"

export class EvictionPlan<C extends Candidate> {
  private readonly all = new Set<C>()
  private readonly sizes = new Tally<string>()
  private candidates = new Set<C>()
  private weakest: C | undefined
  private isWeakestKnown = false
  private madeAt = -Infinity

  /** Connections that came and have not left. */
  get size(): number {
    return this.all.size
  }

  came(connection: C): void {
    this.all.add(connection)
    this.candidates.add(connection)
    this.sizes.add(connection.origin.network)
    this.isWeakestKnown = false
  }

  /** Nothing happens if it left before, or never came. */
  left(connection: C): void {
    if (!this.all.delete(connection)) return
    this.candidates.delete(connection)
    this.sizes.remove(connection.origin.network)
    this.isWeakestKnown = false
  }

  /** The connection to close for a newcomer; `undefined` when the newcomer must go. `now` is in monotonic milliseconds. */
  victim(newcomer: Origin, now: number): C | undefined {
    if (now - this.madeAt >= Limits.EVICTION_REFRESH) {
      this.madeAt = now
      this.candidates = new Set(evictable(this.all))
      this.isWeakestKnown = false
    }
    if (!this.isWeakestKnown) {
      this.weakest = weakest(this.candidates, this.sizes)
      this.isWeakestKnown = true
    }
    return this.weakest !== undefined && mustYield(this.weakest, newcomer, this.sizes) ? this.weakest : undefined
  }
}
