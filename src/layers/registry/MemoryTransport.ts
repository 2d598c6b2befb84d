/**
 * A connection in memory as a transport. Real bytes go through it, so that lines are split and limited as on a socket.
 */
import type { Message } from "../../protocol/Message.ts"
import type { PeerAddress } from "../../protocol/PeerId.ts"
import type { Encoded } from "../../protocol/wire/Wire.ts"
import type { Direction, DisconnectReason } from "../../services/PeerRegistry.ts"
import type { PeerTransport, TransportSink } from "../../services/PeerTransport.ts"
import { LineReader } from "./LineReader.ts"
import type { MemorySocket } from "./MemorySocket.ts"

export class MemoryTransport implements PeerTransport {
  readonly remote: PeerAddress
  readonly direction: Direction
  private readonly socket: MemorySocket
  private sink: TransportSink | undefined
  private reader: LineReader | undefined
  private endedFor: DisconnectReason | undefined

  constructor(socket: MemorySocket, remote: PeerAddress, direction: Direction) {
    this.socket = socket
    this.remote = remote
    this.direction = direction
  }

  readonly open = (sink: TransportSink): void => {
    this.sink = sink
    if (this.endedFor !== undefined) return sink.closed(this.endedFor)
    const reader = new LineReader(sink)
    this.reader = reader
    this.socket.open({
      data: (chunk) => this.check(reader.push(chunk)),
      taken: () => {
        if (this.endedFor === undefined) sink.drained()
      },
      ended: () => {
        reader.finish()
        this.close("remoteClosed")
      }
    })
  }

  readonly write = (line: Encoded<Message>): void => {
    if (this.endedFor !== undefined) return
    for (const chunk of line.chunks) this.socket.send(chunk)
  }

  readonly outboundBytes = (): number => (this.endedFor === undefined ? this.socket.unreadBytes : 0)

  readonly unfinishedBytes = (): number => this.reader?.pendingBytes ?? 0

  readonly pause = (): void => {
    this.reader?.pause()
    this.socket.pause()
  }

  readonly resume = (): void => {
    if (this.endedFor !== undefined) return
    this.check(this.reader?.resume())
    if (this.reader?.isPaused === false) this.socket.resume()
  }

  readonly close = (reason: DisconnectReason): void => {
    if (this.endedFor !== undefined) return
    this.endedFor = reason
    this.reader?.stop()
    this.socket.close()
    this.sink?.closed(reason)
  }

  private check(fault: DisconnectReason | undefined): void {
    if (fault !== undefined) this.close(fault)
  }
}
