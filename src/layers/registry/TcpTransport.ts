/**
 * One TCP connection as a transport.
 *
 * Lines are split and decoded within the socket's `data` callback, up to a share of them; for the rest the connection
 * waits for its turn, so that a peer that never pauses for breath holds up nobody. What is written in one turn of the
 * event loop leaves in one system call, and no more than a window of it is handed to the socket at a time, so that a slow
 * reader's progress shows. A closed socket is really closed: what was written has a short while to leave. If the rest of a line
 * cannot leave, the connection is reset and not ended, because a peer takes what stands before the end for a line.
 */
import type * as Net from "node:net"
import * as Limits from "../../protocol/Limits.ts"
import type { Message } from "../../protocol/Message.ts"
import type { PeerAddress } from "../../protocol/PeerId.ts"
import type { Encoded } from "../../protocol/wire/Wire.ts"
import type { Direction, DisconnectReason } from "../../services/PeerRegistry.ts"
import type { PeerTransport, TransportSink } from "../../services/PeerTransport.ts"
import { LineReader } from "./LineReader.ts"
import type { ReadTurns } from "./ReadTurns.ts"

export class TcpTransport implements PeerTransport {
  readonly remote: PeerAddress
  readonly direction: Direction
  private readonly socket: Net.Socket
  private readonly turns: ReadTurns
  private sink: TransportSink | undefined
  private reader: LineReader | undefined
  /** Written, but not handed to the socket yet. */
  private queue: Array<Uint8Array> = []
  private queuedBytes = 0
  /** Handed to the socket, but not to the system yet. */
  private inFlight = 0
  private isFlushScheduled = false
  private waitsForTurn = false
  private endedFor: DisconnectReason | undefined

  constructor(socket: Net.Socket, remote: PeerAddress, direction: Direction, turns: ReadTurns) {
    this.socket = socket
    this.turns = turns
    this.remote = remote
    this.direction = direction
    // An error is always followed by `close`.
    socket.on("error", () => this.end("socketError"))
    socket.on("close", () => this.end("remoteClosed"))
  }

  readonly open = (sink: TransportSink): void => {
    this.sink = sink
    this.reader = new LineReader(sink)
    if (this.endedFor !== undefined) return sink.closed(this.endedFor)
    this.socket.on("data", this.onData)
    this.socket.on("end", this.onEnd)
    this.socket.resume()
  }

  readonly write = (line: Encoded<Message>): void => {
    if (this.endedFor !== undefined) return
    for (const chunk of line.chunks) this.queue.push(chunk)
    this.queuedBytes += line.byteLength
    if (this.isFlushScheduled) return
    this.isFlushScheduled = true
    process.nextTick(this.flush)
  }

  readonly outboundBytes = (): number => this.queuedBytes + this.inFlight

  readonly unfinishedBytes = (): number => this.reader?.pendingBytes ?? 0

  readonly pause = (): void => {
    this.reader?.pause()
    this.socket.pause()
  }

  readonly resume = (): void => {
    if (this.endedFor !== undefined) return
    this.check(this.reader?.resume(Limits.LINES_AT_ONCE))
    this.readOn()
  }

  readonly close = (reason: DisconnectReason): void => {
    if (this.endedFor !== undefined) return
    const rest = this.queue
    this.end(reason)
    if (ABRUPT.has(reason)) return this.abandon(rest.length > 0)
    for (const chunk of rest) this.socket.write(chunk)
    this.socket.destroySoon()
    const grace = setTimeout(() => this.abandon(true), Limits.CLOSE_GRACE)
    this.socket.once("close", () => clearTimeout(grace))
  }

  /** Closes the socket for good. With a reset the peer sees a failure, and not a line that ends too early. */
  private abandon(isUnfinished: boolean): void {
    if (isUnfinished || this.inFlight > 0) this.socket.resetAndDestroy()
    else this.socket.destroy()
  }

  private readonly onData = (chunk: Buffer): void => {
    this.check(this.reader?.push(chunk, Limits.LINES_AT_ONCE))
    // After a full chunk the socket would be read again at once, many times over.
    if (this.reader?.isHeld === true || chunk.byteLength >= FULL_CHUNK) this.waitForTurn()
  }

  private waitForTurn(): void {
    if (this.waitsForTurn || this.endedFor !== undefined) return
    this.waitsForTurn = true
    this.socket.pause()
    this.turns.wait(this.onTurn)
  }

  private readonly onTurn = (): void => {
    this.waitsForTurn = false
    this.check(this.reader?.release(Limits.LINES_PER_TURN))
    this.readOn()
  }

  /** Reads the socket again, if nothing is in the way. */
  private readOn(): void {
    if (this.endedFor !== undefined) return
    if (this.reader?.isHeld === true) this.waitForTurn()
    else if (this.reader?.isPaused === false && !this.waitsForTurn) this.socket.resume()
  }

  private readonly onEnd = (): void => {
    this.reader?.finish()
    this.close("remoteClosed")
  }

  private check(fault: DisconnectReason | undefined): void {
    if (fault !== undefined) this.close(fault)
  }

  private end(reason: DisconnectReason): void {
    if (this.endedFor !== undefined) return
    this.endedFor = reason
    this.reader?.stop()
    this.turns.leave(this.onTurn)
    this.queue = []
    this.queuedBytes = 0
    this.sink?.closed(reason)
  }

  private readonly flush = (): void => {
    this.isFlushScheduled = false
    const room = Limits.WRITE_WINDOW - this.inFlight
    if (this.endedFor !== undefined || this.queuedBytes === 0 || room <= 0) return
    const batch = this.takeQueued(room)
    const bytes = batch.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    this.inFlight += bytes
    const written = () => this.onWritten(bytes)
    if (batch.length === 1) {
      this.socket.write(batch[0]!, written)
    } else if (bytes <= COPIED_AT_MOST) {
      this.socket.write(Buffer.concat(batch, bytes), written)
    } else {
      this.socket.cork()
      for (const [index, chunk] of batch.entries()) {
        this.socket.write(chunk, index === batch.length - 1 ? written : undefined)
      }
      this.socket.uncork()
    }
  }

  private takeQueued(room: number): Array<Uint8Array> {
    if (this.queuedBytes <= room) {
      const all = this.queue
      this.queue = []
      this.queuedBytes = 0
      return all
    }
    const taken: Array<Uint8Array> = []
    let left = room
    let index = 0
    for (; left > 0; index++) {
      const chunk = this.queue[index]!
      if (chunk.byteLength > left) {
        taken.push(chunk.subarray(0, left))
        this.queue[index] = chunk.subarray(left)
        left = 0
        break
      }
      taken.push(chunk)
      left -= chunk.byteLength
    }
    this.queue.splice(0, index)
    this.queuedBytes -= room
    return taken
  }

  private onWritten(bytes: number): void {
    this.inFlight -= bytes
    if (this.endedFor !== undefined) return
    this.sink?.drained()
    if (this.queuedBytes > 0 && !this.isFlushScheduled) this.flush()
  }
}

// --- internal ---

/** Below this, one copy costs less than handing many small pieces to the system. */
const COPIED_AT_MOST = 16 * 1024

/** What the system hands over at a time when there is more. */
const FULL_CHUNK = 64 * 1024

/** The peer would not take what is left. */
const ABRUPT: ReadonlySet<DisconnectReason> = new Set(["notDraining", "outboundBudget", "superseded", "socketError"])
