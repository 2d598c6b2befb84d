import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { LINE_UTXO_SET } from "../../src/protocol/Limits.ts"
import { scratch, timenode } from "../support/timenode.ts"

const VECTORS = join(import.meta.dirname, "../vectors/messages.jsonl")

const wire = (stdin: string | Uint8Array) => Effect.flatMap(scratch, (home) => timenode(home, ["wire"], { stdin }))

describe("timenode wire", { concurrent: true }, () => {
  it.live("prints canonical lines as they came", () =>
    Effect.gen(function* () {
      const lines = readFileSync(VECTORS, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => `${(JSON.parse(line) as { readonly line: string }).line}\n`)
        .join("")
      const { code, stderr, stdout } = yield* wire(lines)
      assert.strictEqual(stdout, lines)
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
    })
  )

  it.live("answers every line in its place, refused ones and the unfinished last one too", () =>
    Effect.gen(function* () {
      const ping = '{"Ping":{"timestamp":-1,"nonce":18446744073709551615}}'
      const { code, stderr, stdout } = yield* wire(
        Buffer.concat([Buffer.from(`nothing\n\n${ping}\r\n`), Buffer.from([0xff, 0x0a]), Buffer.from('"GetPeers"')])
      )
      const lines = stdout.split("\n")
      assert.match(lines[0]!, /^error: Malformed at byte 0/)
      assert.match(lines[1]!, /^error: /)
      assert.strictEqual(lines[2], '{"Ping":{"nonce":18446744073709551615,"timestamp":-1}}')
      assert.match(lines[3]!, /^error: InvalidUtf8/)
      assert.deepStrictEqual(lines.slice(4), ['"GetPeers"', ""])
      assert.strictEqual(stderr, "timenode: 3 of 5 lines were refused; each says why in its place\n")
      assert.strictEqual(code, 1)
    })
  )

  it.live("goes on after a line that is too long to hold", () =>
    Effect.gen(function* () {
      const long = Buffer.alloc(LINE_UTXO_SET + 1, "x")
      const { code, stdout } = yield* wire(
        Buffer.concat([Buffer.from('"GetPeers"\n'), long, Buffer.from('\n"GetBlockHeight"\n')])
      )
      assert.strictEqual(
        stdout,
        `"GetPeers"\nerror: the line is longer than ${LINE_UTXO_SET} bytes\n"GetBlockHeight"\n`
      )
      assert.strictEqual(code, 1)
    })
  )

  it.live("nothing in, nothing out", () =>
    Effect.map(wire(""), (ended) => assert.deepStrictEqual(ended, { code: 0, stdout: "", stderr: "" }))
  )
})
