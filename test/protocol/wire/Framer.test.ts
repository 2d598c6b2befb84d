/**
 * Lines out of bytes, however these are cut up.
 */
import { assert, describe, it } from "@effect/vitest"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import { Dice } from "./LineFuzzer.ts"
import { randomMessage } from "./RandomMessage.ts"

const NO_LIMIT = () => Number.MAX_SAFE_INTEGER

/** Cuts the bytes at random places: often into single bytes, sometimes not at all. */
const cut = (dice: Dice, bytes: Buffer): ReadonlyArray<Buffer> => {
  const longest = dice.pick([1, 3, 50, 5_000, bytes.length])
  const chunks: Array<Buffer> = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + dice.below(longest)
    // Each in memory of its own, as a socket would give it.
    chunks.push(Buffer.from(bytes.subarray(at, end)))
    at = end
  }
  return chunks
}

const collect =
  (lines: Array<string>): Wire.OnLine =>
  (buffer, start, end) => {
    lines.push(Buffer.from(buffer.subarray(start, end)).toString("latin1"))
  }

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** One byte that is the tail of a large block of memory, and a reference to the block that does not keep it. */
const tailOfBlock = () => {
  const block = new Uint8Array(8_192).fill(0x78)
  return { tail: block.subarray(8_191), block: new WeakRef(block.buffer) }
}

describe("Framer", () => {
  it("gives the same messages for any cutting of the stream", () => {
    for (let seed = 0; seed < 300; seed++) {
      const dice = new Dice(seed)
      const messages = Array.from({ length: 1 + dice.below(12) }, (_, index) => randomMessage(seed * 100 + index))
      const stream = Buffer.concat(messages.flatMap((message) => Wire.encode(message).chunks))
      const framer = new Wire.Framer(NO_LIMIT)
      const received: Array<unknown> = []
      for (const chunk of cut(dice, stream)) {
        const refusal = framer.push(chunk, (buffer, start, end) => {
          received.push(Wire.decode(buffer, start, end))
        })
        assert.isUndefined(refusal)
      }
      assert.deepStrictEqual(received, messages, `seed ${seed}`)
      assert.strictEqual(framer.pendingBytes, 0)
    }
  })

  it("ends lines at LF alone", () => {
    const lines: Array<string> = []
    const framer = new Wire.Framer(NO_LIMIT)
    framer.push(Buffer.from("a\rb\u2028c\u0085\u000b\u000c\0\n\r\n\nd", "utf8"), collect(lines))
    assert.deepStrictEqual(
      lines.map((line) => Buffer.from(line, "latin1").toString()),
      ["a\rb\u2028c\u0085\u000b\u000c\0", "\r", ""]
    )
    framer.finish(collect(lines))
    assert.strictEqual(lines.at(-1), "d")
    assert.strictEqual(framer.pendingBytes, 0)
  })

  it("refuses a line over its limit before it holds more, and no line within it", () => {
    for (let seed = 0; seed < 500; seed++) {
      const dice = new Dice(seed)
      const limit = 65 + dice.below(500)
      const lengths = Array.from({ length: 5 }, () => dice.pick([0, 10, 64, 65, limit - 1, limit, limit + 1, 5_000]))
      const tooLong = lengths.findIndex((length) => length > limit)
      const stream = Buffer.from(lengths.map((length) => "x".repeat(length) + "\n").join(""))
      const lines: Array<string> = []
      const framer = new Wire.Framer(() => limit)
      let refusal: Wire.LineTooLong | undefined
      for (const chunk of cut(dice, stream)) {
        refusal = framer.push(chunk, collect(lines))
        assert.isAtMost(framer.pendingBytes, limit)
        if (refusal !== undefined) break
      }
      assert.deepStrictEqual(refusal, tooLong < 0 ? undefined : new Wire.LineTooLong(limit), `seed ${seed}`)
      assert.deepStrictEqual(
        lines.map((line) => line.length),
        tooLong < 0 ? lengths : lengths.slice(0, tooLong)
      )
    }
  })

  it("asks for the limit once a long line, with its first bytes", () => {
    for (let seed = 0; seed < 50; seed++) {
      const asked: Array<string> = []
      const framer = new Wire.Framer((prefix) => {
        asked.push(Buffer.from(prefix).toString())
        return 1_000
      })
      const long = (tag: string) => `{"${tag}":[${"7".repeat(500)}\n`
      const stream = Buffer.from(`${long("BlocksResponse")}"GetPeers"\n${long("Ping")}`)
      for (const chunk of cut(new Dice(seed), stream)) framer.push(chunk, () => undefined)
      assert.deepStrictEqual(
        asked,
        [long("BlocksResponse"), long("Ping")].map((line) => line.slice(0, Wire.PREFIX_BYTES))
      )
    }
  })

  it("stops when told to, and goes on where it stopped", () => {
    for (let seed = 0; seed < 200; seed++) {
      const dice = new Dice(seed)
      const expected = Array.from({ length: 20 }, (_, index) => `${index}${"y".repeat(dice.below(100))}`)
      const framer = new Wire.Framer(NO_LIMIT)
      const lines: Array<string> = []
      let isStopped = false
      const onLine: Wire.OnLine = (buffer, start, end) => {
        assert.isFalse(isStopped, "a line came although the splitting was stopped")
        collect(lines)(buffer, start, end)
        isStopped = dice.oneIn(3)
        return !isStopped
      }
      const chunks = cut(dice, Buffer.from(expected.map((line) => `${line}\n`).join("")))
      for (const chunk of chunks) {
        framer.push(chunk, onLine)
        while (isStopped && dice.oneIn(2)) {
          isStopped = false
          framer.resume(onLine)
        }
      }
      while (isStopped) {
        isStopped = false
        framer.resume(onLine)
      }
      assert.deepStrictEqual(lines, expected, `seed ${seed}`)
      assert.strictEqual(framer.pendingBytes, 0)
    }
  })

  it("does not keep a block of memory alive for a few bytes of it", async () => {
    const framer = new Wire.Framer(NO_LIMIT)
    const blocks = Array.from({ length: 1_000 }, () => {
      const { tail, block } = tailOfBlock()
      framer.push(tail, () => undefined)
      return block
    })
    // A reference made in this turn keeps its block until the turn is over.
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    assert.strictEqual(framer.pendingBytes, 1_000)
    assert.strictEqual(blocks.filter((block) => block.deref() !== undefined).length, 0)
    const lines: Array<string> = []
    framer.push(Buffer.from("\n"), collect(lines))
    assert.strictEqual(lines[0], "x".repeat(1_000))
  })
})
