/**
 * Whoever says more at once than its share waits here; one is read on in each turn of the event loop.
 *
 * So what all talkative peers together may have in a turn is what one may have, and those who say little are read in
 * every turn. While nobody else speaks, turns are short and a talkative peer has the node to itself.
 */

export class ReadTurns {
  private readonly schedule: (task: () => void) => void
  /** In the order they came. */
  private readonly waiting = new Set<() => void>()
  private isScheduled = false

  /** `schedule` runs a task in the next turn. */
  constructor(schedule: (task: () => void) => void) {
    this.schedule = schedule
  }

  get size(): number {
    return this.waiting.size
  }

  /** Calls back once, when it is this one's turn. */
  wait(onTurn: () => void): void {
    this.waiting.add(onTurn)
    this.scheduleNext()
  }

  /** Waits no more. */
  leave(onTurn: () => void): void {
    this.waiting.delete(onTurn)
  }

  private scheduleNext(): void {
    if (this.isScheduled || this.waiting.size === 0) return
    this.isScheduled = true
    this.schedule(this.next)
  }

  private readonly next = (): void => {
    this.isScheduled = false
    for (const first of this.waiting) {
      this.waiting.delete(first)
      first()
      break
    }
    this.scheduleNext()
  }
}
