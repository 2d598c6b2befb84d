/**
 * Two ends of a connection in memory: bytes written at one end come at the other, in order, in a later microtask.
 *
 * No clock and no timer is involved, so that tests on a virtual clock decide alone when time passes.
 */

/** What one end is told. */
export interface MemoryListener {
  readonly data: (chunk: Uint8Array) => void
  /** The other end took some of what was sent. */
  readonly taken: () => void
  /** The other end sends nothing more, and all that it sent has come. */
  readonly ended: () => void
}

export class MemorySocket {
  private other: MemorySocket | undefined
  private listener: MemoryListener | undefined
  private arrived: Array<Uint8Array> = []
  private arrivedBytes = 0
  private isReading = false
  private isScheduled = false
  private hasEnded = false
  private isClosed = false
  private hasOtherEnded = false
  private hasToldEnd = false

  static pair(): [MemorySocket, MemorySocket] {
    const one = new MemorySocket()
    const two = new MemorySocket()
    one.other = two
    two.other = one
    return [one, two]
  }

  /** Bytes sent that the other end has not read. */
  get unreadBytes(): number {
    return this.other?.arrivedBytes ?? 0
  }

  open(listener: MemoryListener): void {
    this.listener = listener
    this.resume()
  }

  send(chunk: Uint8Array): void {
    if (this.hasEnded || this.other === undefined || this.other.isClosed) return
    this.other.arrived.push(chunk)
    this.other.arrivedBytes += chunk.byteLength
    this.other.schedule()
  }

  pause(): void {
    this.isReading = false
  }

  resume(): void {
    this.isReading = true
    this.schedule()
  }

  /** Sends nothing more; what was sent before still arrives. */
  end(): void {
    if (this.hasEnded || this.other === undefined) return
    this.hasEnded = true
    this.other.hasOtherEnded = true
    this.other.schedule()
  }

  /** Sends and reads nothing more. */
  close(): void {
    this.end()
    this.isClosed = true
    this.arrived = []
    this.arrivedBytes = 0
  }

  private schedule(): void {
    if (this.isScheduled) return
    this.isScheduled = true
    queueMicrotask(this.deliver)
  }

  private readonly deliver = (): void => {
    this.isScheduled = false
    while (this.isReading && !this.isClosed && this.listener !== undefined) {
      const chunk = this.arrived.shift()
      if (chunk === undefined) break
      this.arrivedBytes -= chunk.byteLength
      this.listener.data(chunk)
      this.other?.listener?.taken()
    }
    const isOver = this.hasOtherEnded && this.arrived.length === 0 && !this.hasToldEnd
    if (isOver && this.isReading && !this.isClosed) {
      this.hasToldEnd = true
      this.listener?.ended()
    }
  }
}
