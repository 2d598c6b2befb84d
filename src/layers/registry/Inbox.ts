/**
 * The messages that wait for one connection's session, in the order they came.
 *
 * The session takes all that are there and comes back when it is done with them; until then it is busy. A session that
 * waits is resumed within the transport's callback, which saves a turn of the event loop a message; one that got its
 * share of this turn is resumed in the next. When too much waits, the transport is paused, so that the peer is slowed
 * by its own window.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Limits from "../../protocol/Limits.ts"
import type { Inbound } from "../../services/PeerConnections.ts"
import type { Allowance, Turns } from "./Turns.ts"

/** Gets what was waited for; `undefined` when nothing comes any more. */
export type Taker = (batch: NonEmptyReadonlyArray<Inbound> | undefined) => void

/** What lets more in. */
export interface Valve {
  readonly pause: () => void
  readonly resume: () => void
}

export class Inbox {
  private readonly valve: Valve
  private readonly turns: Turns
  private readonly allowance: Allowance
  private queue: Array<Inbound> = []
  private queuedBytes = 0
  private takenBytes = 0
  private taker: Taker | undefined
  private isPaused = false
  private isWakeScheduled = false
  private hasEnded = false

  constructor(valve: Valve, turns: Turns, allowance: Allowance) {
    this.valve = valve
    this.turns = turns
    this.allowance = allowance
  }

  get size(): number {
    return this.queue.length
  }

  /** Bytes of the lines that wait or are being handled. */
  get bytes(): number {
    return this.queuedBytes + this.takenBytes
  }

  /** True while the session waits and nothing waits for it: what is answered now is answered in order. */
  get isIdle(): boolean {
    return this.taker !== undefined && this.queue.length === 0
  }

  put(message: Inbound, byteLength: number): void {
    if (this.hasEnded) return
    this.queue.push(message)
    this.queuedBytes += byteLength
    if (this.taker !== undefined && !this.isWakeScheduled) this.wakeInTurn()
    if (this.isOver && !this.isPaused) {
      this.isPaused = true
      this.valve.pause()
    }
  }

  /** Waits for messages; those taken before are done with. The taker may be called before this returns. */
  take(taker: Taker): void {
    this.takenBytes = 0
    this.taker = taker
    if (this.queue.length > 0 || this.hasEnded) this.wake()
  }

  /** The session waits no more. */
  withdraw(): void {
    this.taker = undefined
  }

  /** Nothing more comes. What has come is still handed out unless it is discarded. */
  end(discard: boolean): void {
    this.hasEnded = true
    if (discard) {
      this.queue = []
      this.queuedBytes = 0
    }
    this.wake()
  }

  private get isOver(): boolean {
    return this.queue.length >= Limits.INBOUND_QUEUE || this.queuedBytes >= Limits.INBOUND_QUEUE_BYTES
  }

  private wakeInTurn(): void {
    if (this.allowance.spend()) return this.wake()
    this.isWakeScheduled = true
    this.turns.later(this.wakeLater)
  }

  private readonly wakeLater = (): void => {
    this.isWakeScheduled = false
    if (this.queue.length > 0) this.wake()
  }

  private wake(): void {
    const taker = this.taker
    if (taker === undefined) return
    this.taker = undefined
    const batch = this.queue
    this.queue = []
    this.takenBytes = this.queuedBytes
    this.queuedBytes = 0
    if (this.isPaused) {
      this.isPaused = false
      this.turns.later(this.reopen)
    }
    taker(batch.length === 0 ? undefined : (batch as unknown as NonEmptyReadonlyArray<Inbound>))
  }

  /** In a turn of its own: what the transport kept comes at once and must not come before what was just taken. */
  private readonly reopen = (): void => {
    if (!this.isPaused && !this.hasEnded) this.valve.resume()
  }
}
