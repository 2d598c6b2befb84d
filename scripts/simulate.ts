/**
 * Lives of networks of masternodes, one a seed: `npm run simulate -- --runs 1000`. A seed that fails is lived again by
 * `npm run simulate -- --seed N --runs 1`.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { simulate } from "../test/testing/Simulation.ts"

const { values } = parseArgs({
  options: { runs: { type: "string", default: "100" }, seed: { type: "string", default: "1" } }
})
const runs = Number(values.runs)
const first = Number(values.seed)
if (![runs, first].every(Number.isSafeInteger) || runs < 1) {
  console.error("simulate [--runs N] [--seed N]: both are whole numbers, and there is one run at least")
  process.exit(2)
}

const began = performance.now()
const failed: Array<number> = []
let blocks = 0
for (let seed = first; seed < first + runs; seed++) {
  try {
    const { crashes, doubleSpends, height, partitions } = await Effect.runPromise(simulate(seed))
    blocks += height
    console.log(
      `seed ${seed}: ${height} blocks, ${crashes} crashes, ${partitions} partitions, ${doubleSpends} double spends`
    )
  } catch (error) {
    failed.push(seed)
    console.log(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`)
    console.log(`  again: npm run simulate -- --seed ${seed} --runs 1`)
  }
}
const seconds = Math.round((performance.now() - began) / 1000)
console.log(
  `${runs} runs, ${blocks} blocks, ${failed.length} failed${failed.length > 0 ? ` (${failed.join(", ")})` : ""}, ${seconds} s`
)
process.exitCode = failed.length > 0 ? 1 : 0
