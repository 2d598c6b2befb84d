/**
 * What the answers so far say about the next one: how long to wait for it (RFC 6298), and when it is late (the 95th
 * percentile of the last hundred). Candidates for the node that are only measured here.
 */
import type { TimeoutClass } from "../../src/protocol/Exchange.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"

/** A smoothed answer time and its deviation for each peer and class, in milliseconds. */
export class SmoothedTimes {
  private readonly times = new Map<string, { smoothed: number; deviation: number; backoff: number }>()
  private readonly floor: number

  constructor(floor: number) {
    this.floor = floor
  }

  timeout(peer: PeerId, kind: TimeoutClass, fixed: number): number {
    const known = this.times.get(`${peer} ${kind}`)
    if (known === undefined) return fixed
    return Math.min(fixed, Math.max(this.floor, known.smoothed + 4 * known.deviation) * known.backoff)
  }

  answered(peer: PeerId, kind: TimeoutClass, millis: number): void {
    const known = this.times.get(`${peer} ${kind}`)
    if (known === undefined) {
      this.times.set(`${peer} ${kind}`, { smoothed: millis, deviation: millis / 2, backoff: 1 })
      return
    }
    known.deviation += (Math.abs(known.smoothed - millis) - known.deviation) / 4
    known.smoothed += (millis - known.smoothed) / 8
    known.backoff = 1
  }

  /** Doubles what is waited next time, until an answer comes: an estimate that is too low must not stay. */
  timedOut(peer: PeerId, kind: TimeoutClass): void {
    const known = this.times.get(`${peer} ${kind}`)
    if (known !== undefined) known.backoff *= 2
  }
}

/** The last hundred answer times, whoever gave them, in milliseconds. */
export class RecentTimes {
  private readonly times: Array<number> = []
  private next = 0

  add(millis: number): void {
    this.times[this.next] = millis
    this.next = (this.next + 1) % 100
  }

  /** Undefined while there are too few to tell. */
  get percentile95(): number | undefined {
    return this.times.length < 20
      ? undefined
      : this.times.toSorted((a, b) => a - b)[Math.floor(this.times.length * 0.95)]
  }
}
