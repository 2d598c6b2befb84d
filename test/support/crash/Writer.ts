/**
 * A process that works on a chain until it is killed, composed as a node is, and says before and after each step how far
 * it is. Now and then it closes the chain and opens it again.
 *
 *   node test/support/crash/Writer.ts FOLDER SEED STEPS_DONE_BEFORE
 */
import { say } from "./Hooks.ts"
import { Effect } from "effect"
import { toHex } from "../../../src/protocol/Hash.ts"
import { Blockchain } from "../../../src/services/Blockchain.ts"
import { chainIn, description } from "./Stored.ts"
import { work } from "./Work.ts"

const STEPS_PER_OPENING = 4

const [folder, seed, before] = process.argv.slice(2) as [string, string, string]
const steps = work(Number(seed))
let number = 0
for (; number < Number(before); number++) steps.next()

const someSteps = Effect.gen(function* () {
  for (let left = STEPS_PER_OPENING; left > 0; left--) {
    say(`begun ${++number}`)
    yield* steps.next().value.run
    say(`done ${number}`)
    yield* Effect.yieldNow
  }
}).pipe(
  // What memory says after a failure has to be what the file says.
  Effect.tapError(() => Effect.map(Blockchain, (chain) => say(`tip ${toHex(chain.tip().hash)}`))),
  Effect.provide(chainIn(folder), { local: true })
)

await Effect.runPromise(
  Effect.forever(someSteps).pipe(
    Effect.catch((error) => Effect.sync(() => say(`failed ${description(folder, error)}`)))
  )
)
