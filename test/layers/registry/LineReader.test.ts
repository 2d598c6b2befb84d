import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { LineReader } from "../../../src/layers/registry/LineReader.ts"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import type { TransportSink } from "../../../src/services/PeerTransport.ts"
import { ping } from "../../support/Sessions.ts"

/** A sink that notes what it gets, and may do something on each message. */
const sink = (onMessage: (nonce: bigint) => void = () => {}) => {
  const got: Array<bigint | string> = []
  const note: TransportSink = {
    lineLimit: () => 1_000_000,
    message: (message) => {
      if (message._tag !== "Ping") return
      got.push(message.nonce)
      onMessage(message.nonce)
    },
    malformed: ({ reason }) => got.push(reason),
    unfinished: () => got.push("unfinished"),
    drained: () => {},
    closed: () => {}
  }
  return { got, note }
}

const lines = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, nonce) => Wire.encode(ping(BigInt(nonce))).chunks[0]!))

const upTo = (count: number): Array<bigint | string> => Array.from({ length: count }, (_, nonce) => BigInt(nonce))

describe("LineReader", () => {
  it("stops in the middle of a chunk when it is paused, and goes on from there", () => {
    let reader: LineReader
    const { got, note } = sink((nonce) => nonce === 2n && reader.pause())
    reader = new LineReader(note)
    reader.push(lines(5))
    assert.deepStrictEqual(got, upTo(3))
    reader.push(Wire.encode(ping(5n)).chunks[0]!)
    assert.deepStrictEqual(got, upTo(3))
    reader.resume()
    assert.deepStrictEqual(got, upTo(6))
  })

  it("hands over no more than its share, in order, with pauses in between", () => {
    let reader: LineReader
    const { got, note } = sink((nonce) => nonce === 6n && reader.pause())
    reader = new LineReader(note)
    reader.push(lines(10), 4)
    assert.isTrue(reader.isHeld)
    assert.deepStrictEqual(got, upTo(4))
    reader.release(2)
    assert.deepStrictEqual(got, upTo(6))
    // Its share comes while it is paused: it is not used, and the next one begins when the pause ends.
    reader.release(2)
    assert.deepStrictEqual(got, upTo(7))
    reader.release(2)
    assert.deepStrictEqual(got, upTo(7))
    reader.resume(2)
    assert.deepStrictEqual(got, upTo(9))
    // What comes in one chunk too many is kept behind what is held.
    reader.push(Wire.encode(ping(10n)).chunks[0]!, 4)
    assert.deepStrictEqual(got, upTo(9))
    reader.release(4)
    assert.deepStrictEqual(got, upTo(11))
    assert.isFalse(reader.isHeld)
    assert.strictEqual(reader.pendingBytes, 0)
  })

  it("goes on by itself when it is paused and resumed within one message", () => {
    let reader: LineReader
    const { got, note } = sink(() => {
      reader.pause()
      reader.resume()
    })
    reader = new LineReader(note)
    reader.push(lines(5))
    assert.deepStrictEqual(got, upTo(5))
  })

  it("hands over nothing once stopped", () => {
    let reader: LineReader
    const { got, note } = sink((nonce) => nonce === 1n && reader.stop())
    reader = new LineReader(note)
    reader.push(lines(5))
    reader.push(lines(5))
    reader.resume()
    reader.finish()
    assert.deepStrictEqual(got, upTo(2))
  })

  it("ends at a line that is not UTF-8, after those before it", () => {
    const { got, note } = sink()
    const reader = new LineReader(note)
    const fault = reader.push(Buffer.concat([lines(2), Buffer.from([0x22, 0xc0, 0x22, 0x0a]), lines(1)]))
    assert.strictEqual(fault, "invalidUtf8")
    assert.deepStrictEqual(got, upTo(2))
  })

  it("ends at a line over its limit before it is whole", () => {
    const { note } = sink()
    const reader = new LineReader({ ...note, lineLimit: () => 100 })
    assert.isUndefined(reader.push(Buffer.from("x".repeat(100))))
    assert.strictEqual(reader.push(Buffer.from("x")), "lineTooLong")
  })

  it("tells that a long line is growing", () => {
    const { got, note } = sink()
    const reader = new LineReader(note)
    reader.push(Buffer.from("x".repeat(100)))
    assert.deepStrictEqual(got, [])
    reader.push(Buffer.from("x".repeat(10_000)))
    assert.deepStrictEqual(got, ["unfinished"])
    assert.strictEqual(reader.pendingBytes, 10_100)
  })

  const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 })))
  const Pauses = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 19 })))

  it.prop("loses and reorders nothing, however it is cut and paused", [Cuts, Pauses], ([cuts, pauses]) => {
    let reader: LineReader
    const paused = new Set(pauses.map(BigInt))
    const { got, note } = sink((nonce) => paused.has(nonce) && reader.pause())
    reader = new LineReader(note)
    const bytes = lines(20)
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      reader.push(bytes.subarray(at, Math.min(at + cut, bytes.length)))
      at = Math.min(at + cut, bytes.length)
      if (cut % 2 === 0) reader.resume()
    }
    while (reader.isPaused) reader.resume()
    assert.deepStrictEqual(got, upTo(20))
  })
})
