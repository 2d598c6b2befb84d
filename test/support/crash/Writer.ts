/**
 * A process that works on a chain's file until it is killed, and says before and after each step how far it is.
 *
 *   node test/support/crash/Writer.ts FILE KIND SEED
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import * as SqliteChainStore from "../../../src/layers/SqliteChainStore.ts"
import { testnet } from "../../../src/protocol/Network.ts"
import { work, type WorkKind, workLayer } from "./Work.ts"

const [file, kind, seed] = process.argv.slice(2) as [string, WorkKind, string]
// Synchronously, so that what was said before a kill was said.
const say = (text: string) => Effect.sync(() => writeSync(1, `${text}\n`))

await Effect.runPromise(
  Effect.gen(function* () {
    yield* say("ready")
    let number = 0
    for (const step of work(kind, Number(seed))) {
      yield* say(`begun ${++number}`)
      yield* step
      yield* say(`done ${number}`)
      yield* Effect.yieldNow
    }
    yield* Effect.never
  }).pipe(Effect.provide(workLayer(kind, SqliteChainStore.layer({ file, network: testnet }))))
)
