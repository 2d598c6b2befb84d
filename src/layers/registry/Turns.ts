/**
 * Turns of the event loop: counted, so that one connection does not do all of its work in one of them, and timed, so
 * that the clock is read once a turn and not once a message.
 */
import type { Clock } from "effect/Clock"
import type { SchedulerDispatcher } from "effect/Scheduler"
import * as Limits from "../../protocol/Limits.ts"

export class Turns {
  private readonly clock: Clock
  private readonly dispatcher: SchedulerDispatcher
  private turn = 0
  private isScheduled = false
  private time = 0

  constructor(clock: Clock, dispatcher: SchedulerDispatcher) {
    this.clock = clock
    this.dispatcher = dispatcher
  }

  /** The number of the turn that runs now. */
  get current(): number {
    if (!this.isScheduled) this.begin()
    return this.turn
  }

  /** Monotonic milliseconds when this turn began. */
  get now(): number {
    if (!this.isScheduled) this.begin()
    return this.time
  }

  /** What the wall clock showed, or will show, at a monotonic time. */
  wallTime(monotonic: number): number {
    return this.clock.currentTimeMillisUnsafe() - (this.readClock() - monotonic)
  }

  /** Reads the clock anew, in a turn that may have lasted. */
  refresh(): number {
    this.time = this.readClock()
    return this.time
  }

  /** Runs a task after this turn. */
  later(task: () => void): void {
    this.dispatcher.scheduleTask(task, 0)
  }

  private begin(): void {
    this.isScheduled = true
    this.refresh()
    this.dispatcher.scheduleTask(this.next, 0)
  }

  private readonly next = (): void => {
    this.isScheduled = false
    this.turn++
  }

  private readClock(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe() / NANOS_PER_MILLI)
  }
}

/** What one connection may have done at once, within the transport's callback, in one turn. */
export class Allowance {
  private readonly turns: Turns
  private turn = -1
  private spent = 0

  constructor(turns: Turns) {
    this.turns = turns
  }

  /** False when the connection must wait for the next turn. */
  spend(): boolean {
    const turn = this.turns.current
    if (turn !== this.turn) {
      this.turn = turn
      this.spent = 0
    }
    return ++this.spent <= Limits.INLINE_ANSWERS_PER_TICK
  }
}

// --- internal ---

const NANOS_PER_MILLI = 1_000_000n
