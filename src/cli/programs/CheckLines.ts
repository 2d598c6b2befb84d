/**
 * Lines of the peer protocol on standard input, each answered on standard output.
 */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { LINE_UTXO_SET } from "../../protocol/Limits.ts"
import { canonicalLine } from "../../protocol/wire/Canonical.ts"
import { Framer, type LineTooLong } from "../../protocol/wire/Wire.ts"
import { failure } from "../CommandFailure.ts"
import { printAll } from "./Output.ts"

/** Prints the canonical form of each line, or why it has none; fails in the end if there was one without. */
export const checkLines = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  const lines = new CanonicalLines()
  yield* stdin.pipe(
    Stream.map((chunk) => lines.push(chunk)),
    Stream.concat(Stream.sync(() => lines.finish())),
    Stream.filter((text) => text !== ""),
    printAll
  )
  if (lines.refused === 0) return
  return yield* failure("failed", `${lines.refused} of ${lines.total} lines were refused; each says why in its place`)
})

// --- internal ---

/** Answers lines as their bytes come, and goes on after one that is too long to hold. */
class CanonicalLines {
  total = 0
  refused = 0
  #framer = makeFramer()
  #isSkipping = false

  /** The answers to the lines that end in this chunk. */
  push(chunk: Uint8Array): string {
    if (this.#isSkipping) return this.#skip(chunk, 0)
    let answers = ""
    let next = 0
    const tooLong = this.#framer.push(chunk, (buffer, start, end) => {
      answers += this.#answer(buffer, start, end)
      next = buffer === chunk ? end + 1 : chunk.indexOf(LF) + 1
    })
    return tooLong === undefined ? answers : answers + this.#refuse(tooLong) + this.#skip(chunk, next)
  }

  /** The answer to a last line without LF. */
  finish(): string {
    let answers = ""
    this.#framer.finish((buffer, start, end) => {
      answers += this.#answer(buffer, start, end)
    })
    return answers
  }

  #answer(buffer: Uint8Array, start: number, end: number): string {
    const line = canonicalLine(buffer, start, end)
    this.total += 1
    if (line.startsWith("error: ")) this.refused += 1
    return `${line}\n`
  }

  #refuse({ limit }: LineTooLong): string {
    this.total += 1
    this.refused += 1
    this.#framer = makeFramer()
    return `error: the line is longer than ${limit} bytes\n`
  }

  #skip(chunk: Uint8Array, from: number): string {
    const end = chunk.indexOf(LF, from)
    this.#isSkipping = end < 0
    return end < 0 ? "" : this.push(chunk.subarray(end + 1))
  }
}

const makeFramer = (): Framer => new Framer(() => LINE_UTXO_SET)

const LF = 0x0a
