/**
 * A program that logs while it draws, takes the line away to print one of its own, and ends with a drawn line.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logging from "../../src/cli/programs/Logging.ts"
import { StatusLine } from "../../src/cli/programs/StatusLine.ts"

const program = Effect.gen(function* () {
  const line = yield* StatusLine
  const draw = (height: number) =>
    line.draw({ verb: "Syncing", height: BigInt(height), target: 9n, share: height / 9, blocksPerSecond: 1, peers: 7 })
  for (let height = 1; height < 9; height++) {
    yield* draw(height)
    yield* draw(height)
    yield* Effect.logInfo(`log line ${height}`)
  }
  yield* draw(9)
  yield* line.erase
  yield* Console.error("printed")
  yield* draw(9)
})

const logging = Logging.layer({ level: "info", format: "logfmt" })
Effect.runFork(Effect.provide(program, logging.pipe(Layer.provideMerge(StatusLine.layer))))
