/**
 * The codec against everything recorded from the Rust node, and its two readers and two encoders against each other.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { Block } from "../../../src/protocol/Block.ts"
import { Message, messageTags } from "../../../src/protocol/Message.ts"
import { MASTERNODES_PER_ANSWER } from "../../../src/protocol/Limits.ts"
import { canonicalLine } from "../../../src/protocol/wire/Canonical.ts"
import { makeFastReader } from "../../../src/protocol/wire/Decoder.ts"
import { compileEncoder } from "../../../src/protocol/wire/Encoder.ts"
import { interpretEncoder } from "../../../src/protocol/wire/InterpretedEncoder.ts"
import { shapeOf } from "../../../src/protocol/wire/Shape.ts"
import { readStrict } from "../../../src/protocol/wire/StrictReader.ts"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import { makeLineFuzzer } from "./LineFuzzer.ts"
import { randomMessage } from "./RandomMessage.ts"
import { accepts, allLines, messages, rejects } from "./Vectors.ts"

const shape = shapeOf(Message)
const readFast = makeFastReader<Message>(shape)!

const fast = (line: Buffer): Message | undefined => readFast(line, 0, line.length)
const strict = (line: Buffer): Message | Wire.WireError =>
  readStrict(shape, line, 0, line.length) as Message | Wire.WireError

const decodeText = (line: string): Message | Wire.WireError => Wire.decode(Buffer.from(line))
const bytesOf = (encoded: Wire.Encoded<Message>): Buffer => Buffer.concat(encoded.chunks)

const accepted = (result: Message | Wire.WireError, about: string): Message => {
  if (result._tag === "WireError") return assert.fail(`${about}: ${result.message}`)
  return result
}

describe("recorded lines", () => {
  it("reads and writes every message as the Rust node does", () => {
    const vectors = messages()
    assert.deepStrictEqual(new Set(vectors.map(({ variant }) => variant)), new Set(messageTags))
    for (const { line, variant } of vectors) {
      const message = accepted(decodeText(line), line)
      assert.strictEqual(message._tag, variant)
      assert.strictEqual(bytesOf(Wire.encode(message)).toString(), `${line}\n`)
    }
  })

  it("accepts every odd line that the Rust node accepts, as the same message", () => {
    for (const { note, line, canonical } of accepts()) {
      assert.strictEqual(canonicalLine(Buffer.from(line)), canonical, `${note}: ${line}`)
    }
  })

  it("refuses every line that the Rust node refuses", () => {
    for (const { note, line, error } of rejects()) {
      const result = decodeText(line)
      assert.strictEqual(result._tag, "WireError", `${note}: ${line}: ${error}`)
    }
  })

  it("never leaves the compiled reader for a canonical line", () => {
    const lines = [...messages().map(({ line }) => line), ...accepts().map(({ canonical }) => canonical)]
    const bailed = lines.filter((line) => fast(Buffer.from(line)) === undefined)
    assert.deepStrictEqual(bailed, [])
  })
})

describe("properties", () => {
  it("decoding undoes encoding", () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const message = randomMessage(seed)
      const line = bytesOf(Wire.encode(message))
      assert.deepStrictEqual(fast(line.subarray(0, -1)), message, `seed ${seed}, compiled`)
      assert.deepStrictEqual(strict(line.subarray(0, -1)), message, `seed ${seed}, strict`)
    }
  })

  it("the compiled and the interpreted encoder write the same", () => {
    const encoders = [compileEncoder(shape)!, interpretEncoder(shape)]
    for (let seed = 0; seed < 1_000; seed++) {
      const message = randomMessage(seed) as never
      const [compiled, interpreted] = encoders.map((encoder) => {
        const buffer = Buffer.alloc(encoder.bound(message))
        return buffer.toString("utf8", 0, encoder.write(buffer, 0, message))
      })
      assert.strictEqual(compiled, interpreted, `seed ${seed}`)
    }
  })

  it("what the compiled reader accepts, the strict one reads the same", () => {
    const fuzzer = makeLineFuzzer(7, allLines())
    let fastCount = 0
    for (let count = 0; count < 20_000; count++) {
      const line = fuzzer.next()
      const message = fast(line)
      if (message === undefined) continue
      fastCount++
      assert.deepStrictEqual(strict(line), message, line.toString())
    }
    assert.isAbove(fastCount, 1_000)
  })

  it("reads only the range it is given", () => {
    const line = `{"Ping":{"nonce":12,"timestamp":3}}`
    for (const [before, after] of [
      ["", "\n"],
      ["x\n", ""],
      ["}", "}"],
      ["{", "0"],
      ["", " "]
    ] as const) {
      const buffer = Buffer.from(before + line + after)
      const message = Wire.decode(buffer, before.length, before.length + line.length)
      assert.deepStrictEqual(message, { _tag: "Ping", nonce: 12n, timestamp: 3n })
      const cut = Wire.decode(buffer, before.length, before.length + line.length - 1)
      assert.strictEqual(cut._tag, "WireError")
    }
  })

  it("keeps no reference to the line's memory", () => {
    for (const { line } of messages()) {
      const buffer = Buffer.from(line)
      const message = accepted(Wire.decode(buffer), line)
      buffer.fill(0)
      assert.strictEqual(Wire.encodeText(message), line)
    }
  })
})

describe("refusals", () => {
  const cases: ReadonlyArray<readonly [line: string, message: string]> = [
    ["", "Malformed at byte 0: expected the name of a variant, or an object around it"],
    [
      `{"Ping":{"nonce":-1,"timestamp":0}}`,
      "InvalidValue at byte 17 in Ping.nonce: expected an integer from 0 to 18446744073709551615"
    ],
    [
      `{"Ping":{"nonce":1.0,"timestamp":0}}`,
      "InvalidValue at byte 17 in Ping.nonce: expected an integer from 0 to 18446744073709551615"
    ],
    [`{"Ping":{"nonce":1}}`, "InvalidValue at byte 19 in Ping: expected a field timestamp"],
    [`{"Ping":{"nonce":1,"nonce":1,"timestamp":0}}`, "InvalidValue at byte 27 in Ping: expected nonce only once"],
    [`{"PeersResponse":["a",5]}`, "InvalidValue at byte 22 in PeersResponse[1]: expected a string"],
    [`{"Ping":{"nonce":1,"timestamp":0}} x`, "Malformed at byte 35: expected the end of the line"]
  ]
  it("say what is wrong and where", () => {
    for (const [line, message] of cases) {
      const result = decodeText(line)
      assert.strictEqual(result._tag === "WireError" ? result.message : result._tag, message, line)
    }
  })

  it("name the reason", () => {
    const reasonOf = (line: Uint8Array): string => {
      const result = Wire.decode(line)
      return result._tag === "WireError" ? result.reason : "accepted"
    }
    assert.strictEqual(reasonOf(Buffer.from([0x22, 0xff, 0x22])), "InvalidUtf8")
    assert.strictEqual(reasonOf(Buffer.from(`"Nope"`)), "UnknownVariant")
    assert.strictEqual(reasonOf(Buffer.from(`{"Unsubscribe":"\\ud800"}`)), "Malformed")
    assert.strictEqual(reasonOf(Buffer.from(`{"Unsubscribe":null}`)), "InvalidValue")
  })

  it("count a list before its keys are looked at", () => {
    const record = `{"address":"a","reward_address":"b","tier":"Free","public_key":[2${",0".repeat(31)}]}`
    const answer = (count: number) => decodeText(`{"MasternodesResponse":[${new Array(count).fill(record).join(",")}]}`)
    const tooMany = answer(MASTERNODES_PER_ANSWER + 1)
    const atLimit = answer(MASTERNODES_PER_ANSWER)
    assert.strictEqual(tooMany._tag === "WireError" && tooMany.reason, "TooManyItems")
    assert.strictEqual(atLimit._tag === "WireError" && atLimit.expected, "a point of the curve")
  })

  it("come without an exception from nesting without end", () => {
    for (const text of ["[", `{"a":`, `[{"a":`]) {
      assert.strictEqual(decodeText(`{"Ping":{"x":${text.repeat(200_000)}`)._tag, "WireError")
    }
    const nested = `{"Ping":{"x":${"[".repeat(200_000)}${"]".repeat(200_000)},"nonce":1,"timestamp":2}}`
    assert.deepStrictEqual(decodeText(nested), { _tag: "Ping", nonce: 1n, timestamp: 2n })
  })

  it("let no key of a peer become a property", () => {
    const message = decodeText(`{"Ping":{"__proto__":{"polluted":1},"constructor":1,"nonce":1,"timestamp":2}}`)
    assert.deepStrictEqual(message, { _tag: "Ping", nonce: 1n, timestamp: 2n })
    assert.isUndefined(({} as { readonly polluted?: number }).polluted)
  })
})

describe("answers made of stored bytes", () => {
  const blocksOf = (): ReadonlyArray<Block> =>
    Array.from({ length: 5_000 }, (_, seed) => randomMessage(seed)).flatMap((message) =>
      message._tag === "BlockAnnouncement" ? [message.block] : []
    )

  it("are the lines that encoding the blocks would give", () => {
    const blocks = blocksOf().slice(0, 3)
    const stored = blocks.map(Wire.encodeBlock)
    for (const tag of ["BlocksResponse", "BlockRangeResponse"] as const) {
      for (const count of [0, 1, 3]) {
        const encoded = Wire.encodedBlocks(tag, stored.slice(0, count))
        assert.deepStrictEqual(bytesOf(encoded), bytesOf(Wire.encode({ _tag: tag, blocks: blocks.slice(0, count) })))
        assert.strictEqual(encoded.byteLength, bytesOf(encoded).length)
      }
    }
    assert.deepStrictEqual(
      bytesOf(Wire.encodedBlock(stored[0]!)),
      bytesOf(Wire.encode({ _tag: "BlockResponse", block: blocks[0]! }))
    )
    assert.deepStrictEqual(Wire.decodeBlock(stored[1]!), blocks[1])
  })

  it("hold as many items as fit, and say when some did not", () => {
    const addresses = Array.from({ length: 5_000 }, (_, seed) => randomMessage(seed))
    const masternodes = addresses.flatMap((message) =>
      message._tag === "MasternodesResponse" ? message.masternodes : []
    )
    const whole = bytesOf(Wire.encode({ _tag: "MasternodesResponse", masternodes }))
    for (const maxBytes of [whole.length, whole.length - 1, 2_000, 30]) {
      const { encoded, truncated } = Wire.encodedList("MasternodesResponse", masternodes, maxBytes)
      const line = bytesOf(encoded)
      assert.isAtMost(line.length, Math.max(maxBytes, 27))
      assert.strictEqual(truncated, maxBytes < whole.length)
      const read = accepted(Wire.decode(line.subarray(0, -1)), "a truncated list")
      const kept = read._tag === "MasternodesResponse" ? read.masternodes : []
      assert.deepStrictEqual(kept, masternodes.slice(0, kept.length))
      const next = { _tag: "MasternodesResponse", masternodes: masternodes.slice(0, kept.length + 1) } as const
      if (truncated) assert.isAbove(bytesOf(Wire.encode(next)).length, maxBytes)
    }
  })
})

describe("where code generation is forbidden", () => {
  it("decodes and encodes all the same", () => {
    const script = `
      import { canonicalLine } from ${JSON.stringify(join(import.meta.dirname, "../../../src/protocol/wire/Canonical.ts"))}
      const lines = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"))
      process.stdout.write(JSON.stringify(lines.map((line) => canonicalLine(Buffer.from(line)))))`
    const lines = accepts().map(({ line }) => line)
    const options = ["--disallow-code-generation-from-strings", "--input-type=module", "--eval", script]
    const output = execFileSync(process.execPath, options, { input: JSON.stringify(lines) }).toString()
    assert.deepStrictEqual(
      JSON.parse(output),
      accepts().map(({ canonical }) => canonical)
    )
  })
})
