/**
 * A peer that a test plays by hand: it says exactly what it is told to, and keeps what it hears.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type { Message, MessageOf, MessageTag } from "../../protocol/Message.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import type { MemoryListener } from "./MemorySocket.ts"

/** What carries the peer's bytes: a socket in memory, or another one dressed as such. */
export interface ByteLink {
  readonly open: (listener: MemoryListener) => void
  readonly send: (chunk: Uint8Array) => void
  readonly pause: () => void
  readonly resume: () => void
  readonly end: () => void
  readonly close: () => void
}

/** The node has closed the connection, and nothing more is to be read from it. */
export class LinkClosed extends Schema.TaggedError<LinkClosed>()("LinkClosed", {}) {}

export class RemotePeer {
  /** Everything heard so far, oldest first. */
  readonly received: Array<Message> = []
  private readonly socket: ByteLink
  private readonly unread = Effect.runSync(Queue.unbounded<Message, Cause.Done>())
  private readonly ending = Deferred.makeUnsafe<void>()
  private readonly framer = new Wire.Framer(() => Infinity)

  constructor(socket: ByteLink) {
    this.socket = socket
    socket.open({
      data: (chunk) => void this.framer.push(chunk, this.hear),
      taken: () => {},
      ended: () => this.finish()
    })
  }

  send(message: Message): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const chunk of Wire.encode(message).chunks) this.socket.send(chunk)
    })
  }

  /** Sends bytes as they are: part of a line, or none of the protocol's. */
  sendBytes(bytes: Uint8Array | string): Effect.Effect<void> {
    return Effect.sync(() => this.socket.send(Buffer.from(bytes)))
  }

  /** Waits for the next message that was not waited for yet. */
  get next(): Effect.Effect<Message, LinkClosed> {
    return Effect.mapError(Queue.take(this.unread), () => new LinkClosed())
  }

  /** Waits for a message of that variant and passes over all others. */
  expect<Tag extends MessageTag>(tag: Tag): Effect.Effect<MessageOf<Tag>, LinkClosed> {
    return Effect.flatMap(this.next, (message) =>
      message._tag === tag ? Effect.succeed(message as MessageOf<Tag>) : this.expect(tag)
    )
  }

  /** Sends nothing more, and goes on to hear. */
  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.socket.end())
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.socket.close()
      this.finish()
    })
  }

  /** Waits for the end of the connection, whoever closes it. */
  get closed(): Effect.Effect<void> {
    return Deferred.await(this.ending)
  }

  get isClosed(): boolean {
    return Deferred.isDoneUnsafe(this.ending)
  }

  /** Reads nothing any more, so that what the node sends waits with the node. */
  get stopReading(): Effect.Effect<void> {
    return Effect.sync(() => this.socket.pause())
  }

  get startReading(): Effect.Effect<void> {
    return Effect.sync(() => this.socket.resume())
  }

  private finish(): void {
    Queue.endUnsafe(this.unread)
    Deferred.doneUnsafe(this.ending, Exit.void)
  }

  private readonly hear = (buffer: Uint8Array, start: number, end: number): void => {
    const message = Wire.decode(buffer, start, end)
    // A node that says what is no message is broken, and no test should go on with it.
    if (message._tag === "WireError") throw new Error(`The node sent a line that is no message: ${message.message}`)
    this.received.push(message)
    Queue.offerUnsafe(this.unread, message)
  }
}
