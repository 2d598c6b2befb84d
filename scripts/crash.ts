/**
 * Kills a process that imports and reorganises, anywhere, and opens what it leaves; or damages files instead.
 *
 *   node scripts/crash.ts --runs 300
 *   node scripts/crash.ts --corrupt --runs 100
 *
 * After a kill the store must open and hold what a clean replay of its steps leaves. After damage it must open at some
 * such state, or refuse with what is damaged and what to do, without having changed a byte. Exits 1 on any fault; each
 * line names its seed, which `--seed N --runs 1` does again.
 */
import { parseArgs } from "node:util"
import { corruptRun, killRun } from "../test/support/crash/Crash.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    corrupt: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false }
  }
})
const { corrupt, verbose } = values
const runs = Number(values.runs ?? (corrupt ? 100 : 300))
const first = Number(values.seed ?? Math.floor(Math.random() * 1e9))
if (!(runs > 0) || !(first >= 0)) {
  console.error("--runs and --seed take numbers")
  process.exit(2)
}

console.log(`command  node scripts/crash.ts${corrupt ? " --corrupt" : ""} --seed ${first} --runs ${runs}`)
const startedAt = Date.now()
let faults = 0
for (let run = 0; run < runs; run++) {
  const seed = first + run
  const { fault, text } = await (corrupt ? corruptRun(seed) : killRun(seed))
  if (fault) faults++
  if (fault || verbose || runs === 1) console.log(`${fault ? "FAULT" : "ok"}  seed ${seed}: ${text}`)
  else if ((run + 1) % 25 === 0) console.log(`${run + 1} of ${runs} runs, ${faults} faults`)
}
console.log(`${runs} runs, ${faults} faults, ${Math.round((Date.now() - startedAt) / 1_000)} s`)
process.exit(faults === 0 ? 0 : 1)
