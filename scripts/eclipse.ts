/**
 * How many outbound slots an attacker gets who floods a node with addresses for a day.
 *
 *   node scripts/eclipse.ts --seeds 5 --hours 24 --groups 20
 *
 * See `test/peer/EclipseAttempt.ts` for what it does.
 */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { parseArgs } from "node:util"
import { attempt } from "../test/peer/EclipseAttempt.ts"

const { values } = parseArgs({
  options: { seeds: { type: "string" }, hours: { type: "string" }, groups: { type: "string" } }
})
const percent = (share: number) => `${Math.round(100 * share)} %`

console.log("seed | first start | restart | least | end | book: attacker (reached), honest")
for (let seed = 1; seed <= Number(values.seeds ?? 5); seed++) {
  const outcome = await Effect.runPromise(
    attempt({
      seed,
      hours: Number(values.hours ?? 24),
      groups: Number(values.groups ?? 20),
      honest: { groups: 100, addresses: 200, masternodes: 40 }
    }).pipe(Effect.provide(TestClock.layer()), Effect.scoped)
  )
  const { book, ended, least, restarted, started } = outcome
  const shares = [started, restarted, least, ended].map(percent).join(" | ")
  console.log(`${seed} | ${shares} | ${book.attacker} (${book.reached}), ${book.honest}`)
}
