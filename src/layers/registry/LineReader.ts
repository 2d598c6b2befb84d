/**
 * From a connection's bytes to its sink: lines are split and decoded as they come, and handed over in order.
 *
 * A line over its limit, or one that is not UTF-8, ends the connection. The sink may pause in the middle of a chunk;
 * what is left of it comes when the reader is resumed. Likewise, the transport may give a share, in lines; beyond it the
 * reader holds what is left until it is given another.
 */
import * as Wire from "../../protocol/wire/Wire.ts"
import type { DisconnectReason } from "../../services/PeerRegistry.ts"
import type { TransportSink } from "../../services/PeerTransport.ts"

/** Why the reader cannot go on. */
export type Fault = Extract<DisconnectReason, "lineTooLong" | "invalidUtf8">

export class LineReader {
  private readonly sink: TransportSink
  private readonly framer: Wire.Framer
  private paused = false
  private hasStopped = false
  private isInvalid = false
  /** Lines of the share that are left. */
  private share = Infinity
  private held = false

  constructor(sink: TransportSink) {
    this.sink = sink
    this.framer = new Wire.Framer((prefix) => sink.lineLimit(prefix))
  }

  /** Bytes held. */
  get pendingBytes(): number {
    return this.framer.pendingBytes
  }

  get isPaused(): boolean {
    return this.paused
  }

  /** True while the share is used up. */
  get isHeld(): boolean {
    return this.held
  }

  push(chunk: Uint8Array, share = Infinity): Fault | undefined {
    if (this.hasStopped) return undefined
    if (!this.held) this.share = share
    return this.read(() => this.framer.push(chunk, this.onLine))
  }

  pause(): void {
    this.paused = true
  }

  /** Hands over what was kept; what is held for want of a share goes on being held. */
  resume(share = Infinity): Fault | undefined {
    if (!this.paused || this.hasStopped) return undefined
    this.paused = false
    return this.held ? undefined : this.goOn(share)
  }

  /** Gives another share. */
  release(share: number): Fault | undefined {
    if (!this.held || this.hasStopped) return undefined
    this.held = false
    return this.paused ? undefined : this.goOn(share)
  }

  /** The stream has ended: what is left counts as a line. */
  finish(): void {
    if (!this.hasStopped) this.framer.finish(this.onLine)
    this.hasStopped = true
  }

  /** Nothing is handed over any more. */
  stop(): void {
    this.hasStopped = true
  }

  private goOn(share: number): Fault | undefined {
    this.share = share
    return this.read(() => this.framer.resume(this.onLine))
  }

  private read(split: () => Wire.LineTooLong | undefined): Fault | undefined {
    const tooLong = split()
    if (this.isInvalid) return "invalidUtf8"
    if (tooLong !== undefined) return "lineTooLong"
    if (!this.hasStopped && this.framer.pendingBytes > WORTH_MENTIONING) this.sink.unfinished()
    return undefined
  }

  private readonly onLine = (buffer: Uint8Array, start: number, end: number): boolean => {
    const message = Wire.decode(buffer, start, end)
    const byteLength = end - start + 1
    if (message._tag !== "WireError") this.sink.message(message, byteLength)
    else if (message.reason !== "InvalidUtf8") this.sink.malformed(message, byteLength)
    else this.isInvalid = true
    this.held = --this.share <= 0
    return !this.paused && !this.held && !this.hasStopped && !this.isInvalid
  }
}

// --- internal ---

/** Less than this is not worth a budget's attention: a thousand connections may hold it. */
const WORTH_MENTIONING = 4096
