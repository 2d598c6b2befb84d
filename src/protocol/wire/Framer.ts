/**
 * Splits a connection's bytes into lines, at LF only.
 *
 * It never holds more of an unfinished line than the line's limit, and the memory it holds is in proportion to
 * `pendingBytes`, in however small pieces the bytes arrive. Lines are handed over inside the chunk they came in; a line
 * that came in several is put together once, when its LF is there.
 */

/** A line went over its limit. The connection cannot go on: where the next line starts is not known. */
export class LineTooLong {
  readonly _tag = "LineTooLong"
  /** The limit, in bytes without the LF. */
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }
}

/**
 * Takes the line `buffer[start, end)`. `buffer[end]` is the LF, except for a last line cut off by the end of the stream.
 * The bytes are valid during the call only. Returning false stops the splitting after this line.
 */
export type OnLine = (buffer: Uint8Array, start: number, end: number) => boolean | void

/**
 * The longest line allowed, LF not counted, given its first bytes. Asked once for each line, when more than
 * `PREFIX_BYTES` of it have come; shorter lines always pass.
 */
export type LineLimit = (prefix: Uint8Array) => number

/** Enough for the name of any variant and some blanks. */
export const PREFIX_BYTES = 64

export class Framer {
  private readonly limitOf: LineLimit
  /** The beginning of the unfinished line. */
  private pieces: Array<Uint8Array> = []
  /** Bytes used of the last piece, which may have room for more; -1 when it has none. */
  private tailUsed = -1
  private unfinished = 0
  /** The limit of the unfinished line, once asked. */
  private limit = -1
  private isStopped = false
  /** What came after the line at which the splitting was stopped. */
  private rest: Uint8Array = EMPTY

  constructor(limitOf: LineLimit) {
    this.limitOf = limitOf
  }

  /** Bytes held: of an unfinished line, and those not yet looked at. */
  get pendingBytes(): number {
    return this.unfinished + this.rest.length
  }

  /** Splits one more chunk, which the framer may keep and nobody may change. While stopped, it only keeps it. */
  push(chunk: Uint8Array, onLine: OnLine): LineTooLong | undefined {
    if (!this.isStopped) return this.split(chunk, onLine)
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    return undefined
  }

  /** Goes on after `onLine` has stopped the splitting. */
  resume(onLine: OnLine): LineTooLong | undefined {
    const rest = this.rest
    this.rest = EMPTY
    this.isStopped = false
    return this.split(rest, onLine)
  }

  /** The stream has ended: an unfinished line is handed over as if it were whole. */
  finish(onLine: OnLine): void {
    if (this.unfinished === 0) return
    const line = this.takeLine(EMPTY)
    onLine(line, 0, line.length)
  }

  private split(chunk: Uint8Array, onLine: OnLine): LineTooLong | undefined {
    let start = 0
    while (start < chunk.length) {
      const lineFeed = chunk.indexOf(LF, start)
      const end = lineFeed < 0 ? chunk.length : lineFeed
      const refusal = this.admit(chunk, start, end)
      if (refusal !== undefined) return refusal
      if (lineFeed < 0) {
        this.keep(start === 0 ? chunk : chunk.subarray(start))
        return undefined
      }
      this.isStopped = this.handOver(chunk, start, end, onLine) === false
      start = lineFeed + 1
      if (this.isStopped) {
        this.rest = chunk.subarray(start)
        return undefined
      }
    }
    return undefined
  }

  private handOver(chunk: Uint8Array, start: number, end: number, onLine: OnLine): boolean | void {
    this.limit = -1
    if (this.unfinished === 0) return onLine(chunk, start, end)
    const line = this.takeLine(chunk.subarray(start, end + 1))
    return onLine(line, 0, line.length - 1)
  }

  /** Checks the line that `chunk[start, end)` continues against its limit. */
  private admit(chunk: Uint8Array, start: number, end: number): LineTooLong | undefined {
    const length = this.unfinished + end - start
    if (length <= PREFIX_BYTES) return undefined
    if (this.limit < 0) this.limit = this.limitOf(this.prefix(chunk, start))
    return length > this.limit ? new LineTooLong(this.limit) : undefined
  }

  private prefix(chunk: Uint8Array, start: number): Uint8Array {
    const rest = chunk.subarray(start, start + PREFIX_BYTES - this.unfinished)
    if (this.unfinished === 0) return rest
    this.closeTail()
    return Buffer.concat([...this.pieces, rest])
  }

  /** Keeps bytes by reference if they are most of the memory they keep alive, and otherwise copies them. */
  private keep(bytes: Uint8Array): void {
    this.unfinished += bytes.length
    if (bytes.length >= SMALL_PIECE && bytes.length * 2 >= bytes.buffer.byteLength) {
      this.closeTail()
      this.pieces.push(bytes)
      return
    }
    const tail = this.pieces.at(-1)
    if (this.tailUsed >= 0 && tail !== undefined && tail.length - this.tailUsed >= bytes.length) {
      tail.set(bytes, this.tailUsed)
      this.tailUsed += bytes.length
      return
    }
    this.closeTail()
    const room = Math.max(bytes.length, Math.min(this.unfinished, LARGEST_TAIL), SMALLEST_TAIL)
    const next = new Uint8Array(room)
    next.set(bytes)
    this.pieces.push(next)
    this.tailUsed = bytes.length
  }

  private closeTail(): void {
    if (this.tailUsed >= 0) this.pieces.push(this.pieces.pop()!.subarray(0, this.tailUsed))
    this.tailUsed = -1
  }

  private takeLine(last: Uint8Array): Uint8Array {
    this.closeTail()
    const line = Buffer.concat([...this.pieces, last], this.unfinished + last.length)
    this.pieces = []
    this.unfinished = 0
    return line
  }
}

// --- internal ---

const LF = 0x0a
const EMPTY = new Uint8Array(0)
const SMALL_PIECE = 4096
const SMALLEST_TAIL = 256
const LARGEST_TAIL = 64 * 1024
