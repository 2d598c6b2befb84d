/**
 * Blocks from lines onto a chain.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Block } from "../../protocol/Block.ts"
import { BLOCKS_PER_COMMIT, LINE_BLOCKS } from "../../protocol/Limits.ts"
import { decodeBlock, Framer } from "../../protocol/wire/Wire.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import { failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { openInput } from "./Input.ts"
import { makeProgress } from "./Progress.ts"
import { writeStoppedChain } from "./StoppedChain.ts"

/** Puts the blocks of a file on the chain; `-` is standard input. Ends at the first that cannot be put on. */
export const importChain = (flags: StorageFlagValues, file: string) => writeStoppedChain(flags, importBlocks(file))

// --- internal ---

const importBlocks = Effect.fnUntraced(function* (file: string) {
  const chain = yield* Blockchain
  const { bytes, share } = yield* openInput(file)
  const progress = yield* makeProgress("imported", { share })
  const name = file === "-" ? "standard input" : file

  const connect = Effect.fnUntraced(function* (lines: ReadonlyArray<Line>) {
    const bad = lines.findIndex(({ block }) => typeof block === "string")
    const good = bad < 0 ? lines : lines.slice(0, bad)
    const before = chain.tip().height
    const verdicts = yield* chain.connect(good.map(({ block }) => block as Block)).pipe(
      Effect.catchTag("BlockRejected", (rejected) => Effect.fail(failure("failed", `${name}: ${rejected.message}`))),
      Effect.onExit(() => progress.advance(Number(chain.tip().height - before), chain.tip().height))
    )
    const last = verdicts.length - 1
    if (verdicts[last]?._tag === "Orphan" || verdicts[last]?._tag === "SideBranch") {
      return yield* failure("failed", `${name}, line ${good[last]!.line}: ${misplaced(good[last]!.block as Block)}`)
    }
    if (bad >= 0) {
      return yield* failure(
        "failed",
        `${name}, line ${lines[bad]!.line} is not a block: ${lines[bad]!.block as string}`
      )
    }
  })

  yield* bytes.pipe(
    Stream.mapError(({ message }) => failure("failed", `cannot read ${name}: ${message}`)),
    Stream.mapAccum(
      () => new LineReader(),
      (reader, chunk) => [reader, reader.push(chunk)],
      { onHalt: (reader) => reader.finish() }
    ),
    Stream.grouped(BLOCKS_PER_COMMIT),
    Stream.runForEach(connect),
    Effect.ensuring(progress.finish)
  )
})

/** A block, or what is wrong with the line. */
interface Line {
  readonly line: number
  readonly block: Block | string
}

class LineReader {
  #line = 0
  readonly #framer = new Framer(() => LINE_BLOCKS)

  push(chunk: Uint8Array): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    const tooLong = this.#framer.push(chunk, (buffer, start, end) => this.#read(lines, buffer.subarray(start, end)))
    if (tooLong !== undefined) lines.push({ line: this.#line + 1, block: `it is longer than ${tooLong.limit} bytes` })
    return lines
  }

  finish(): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    this.#framer.finish((buffer, start, end) => this.#read(lines, buffer.subarray(start, end)))
    return lines
  }

  #read(lines: Array<Line>, bytes: Uint8Array): void {
    this.#line += 1
    if (bytes.length === 0) return
    const block = decodeBlock(bytes)
    lines.push({ line: this.#line, block: "_tag" in block ? block.message : block })
  }
}

const misplaced = ({ header }: Block): string =>
  `the parent of block ${header.height} is not the end of this chain, so that it was not put on`
