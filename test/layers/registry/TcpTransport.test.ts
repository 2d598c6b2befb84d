/**
 * What a peer sees of a connection that we close: whole lines and an end, or a failure, and never an end within a line.
 * A `timed` counts half a line as a bad one and bans at the third.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import { ReadTurns } from "../../../src/layers/registry/ReadTurns.ts"
import { TcpTransport } from "../../../src/layers/registry/TcpTransport.ts"
import { Message } from "../../../src/protocol/Message.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import { shapeOf } from "../../../src/protocol/wire/Shape.ts"
import { readStrict } from "../../../src/protocol/wire/StrictReader.ts"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import type { DisconnectReason } from "../../../src/services/PeerRegistry.ts"
import { randomMessage } from "../../protocol/wire/RandomMessage.ts"
import { messages } from "../../protocol/wire/Vectors.ts"

const examples: ReadonlyArray<Message> = messages().flatMap(({ line }) => {
  const message = Wire.decode(Buffer.from(line))
  return message._tag === "WireError" ? [] : [message]
})

/** A transport and the peer's end of its socket, which reads nothing yet. */
const link = Effect.acquireRelease(
  Effect.callback<{ readonly transport: TcpTransport; readonly remote: Socket; readonly close: () => void }>(
    (resume) => {
      const peer = { peer: peerId("127.0.0.1")!, port: 1 }
      const turns = new ReadTurns(setImmediate)
      const server = createServer({ pauseOnConnect: true }, (socket) => {
        const transport = new TcpTransport(socket, peer, "inbound", turns)
        transport.open({
          lineLimit: () => 1_000,
          message: () => {},
          malformed: () => {},
          unfinished: () => {},
          drained: () => {},
          closed: () => {}
        })
        const close = () => {
          remote.destroy()
          socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ transport, remote, close }))
      })
      let remote: Socket
      server.listen(0, "127.0.0.1", () => {
        remote = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port })
        remote.pause()
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

/** Reads to the end: what came, and whether it was a proper end. */
const readAll = (remote: Socket) =>
  Effect.callback<{ readonly bytes: Buffer; readonly isProper: boolean }>((resume) => {
    const chunks: Array<Buffer> = []
    let isProper = false
    remote.on("data", (chunk: Buffer) => chunks.push(chunk))
    remote.on("end", () => (isProper = true))
    remote.on("error", () => {})
    remote.on("close", () => resume(Effect.succeed({ bytes: Buffer.concat(chunks), isProper })))
    remote.resume()
  })

/** More than is handed to a socket at a time. */
const MEDIUM: Message = { _tag: "PeersResponse", addresses: Array.from({ length: 10_000 }, () => "x".repeat(90)) }

/** More than the sockets of both ends hold. */
const LONG: Message = { _tag: "PeersResponse", addresses: Array.from({ length: 150_000 }, () => "x".repeat(90)) }

const whole = (bytes: Buffer): ReadonlyArray<string> => {
  const lines = bytes.toString().split("\n")
  assert.strictEqual(lines.pop(), "", "what follows the last LF")
  for (const line of lines) {
    assert.notStrictEqual(line, "")
    const buffer = Buffer.from(line)
    const message = readStrict(shapeOf(Message), buffer, 0, buffer.length) as Message | Wire.WireError
    assert.notStrictEqual(message._tag, "WireError", line.slice(0, 200))
  }
  return lines
}

describe("a connection that we close", () => {
  const Picks = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 })))
  it.live.prop(
    "ends after a whole line, whatever messages went before, if the peer reads",
    [Picks, Schema.Boolean, Schema.Int],
    ([picks, isLong, seed]) =>
      Effect.gen(function* () {
        const { remote, transport } = yield* link
        const said = [...examples, ...picks.map((index) => randomMessage(seed + index))]
        for (const message of said) transport.write(Wire.encode(message))
        if (isLong) transport.write(Wire.encode(MEDIUM))
        if (picks.length % 2 === 0) yield* Effect.yieldNow
        transport.close("requested")
        const { bytes, isProper } = yield* readAll(remote)
        assert.isTrue(isProper)
        assert.strictEqual(whole(bytes).length, said.length + (isLong ? 1 : 0))
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 6 } }
  )

  for (const [reason, millis] of [
    ["notDraining", 50],
    ["requested", 1_200]
  ] as ReadonlyArray<[DisconnectReason, number]>) {
    it.live(`fails within a line if the peer does not read (${reason})`, () =>
      Effect.gen(function* () {
        const { remote, transport } = yield* link
        transport.write(Wire.encode(LONG))
        yield* Effect.sleep("50 millis")
        assert.isAbove(transport.outboundBytes(), 0)
        transport.close(reason)
        yield* Effect.sleep(millis)
        const { bytes, isProper } = yield* readAll(remote)
        assert.isFalse(bytes.includes("\n"))
        assert.isFalse(isProper)
      }).pipe(Effect.scoped)
    )
  }

  it.live("that it waits for nothing on ends properly, however abruptly", () =>
    Effect.gen(function* () {
      const { remote, transport } = yield* link
      transport.write(Wire.encode(examples[0]!))
      yield* Effect.sleep("50 millis")
      transport.close("superseded")
      const { bytes, isProper } = yield* readAll(remote)
      assert.isTrue(isProper)
      assert.strictEqual(whole(bytes).length, 1)
    }).pipe(Effect.scoped)
  )
})
