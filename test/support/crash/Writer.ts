/**
 * A process that works on a chain until it is killed, composed as a node is, and says before and after each step how far
 * it is.
 *
 *   node test/support/crash/Writer.ts FOLDER SEED STEPS_DONE_BEFORE
 */
import { say } from "./Hooks.ts"
import { Effect } from "effect"
import { chainIn, description } from "./Stored.ts"
import { work } from "./Work.ts"

const [folder, seed, before] = process.argv.slice(2) as [string, string, string]

await Effect.runPromise(
  Effect.gen(function* () {
    say("ready")
    let number = 0
    for (const { run } of work(Number(seed))) {
      if (++number <= Number(before)) continue
      say(`begun ${number}`)
      yield* run
      say(`done ${number}`)
      yield* Effect.yieldNow
    }
  }).pipe(
    Effect.provide(chainIn(folder)),
    Effect.catch((error) => Effect.sync(() => say(`failed ${description(folder, error)}`)))
  )
)
