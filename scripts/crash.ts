/**
 * Kills a process that imports and reorganises, anywhere, and opens what it leaves; or damages files instead.
 *
 *   node scripts/crash.ts --runs 300
 *   node scripts/crash.ts --corrupt --runs 100
 *
 * Killed are nodes, nodes that bring an old file to this schema, and repairs; at the end it says in which phase how many.
 * After a kill the chain must open and equal a clean replay in memory, with all that was done before. After damage it must
 * do so too, or be refused with what is damaged and what to do, without a byte changed, and a repaired copy must. Exits 1
 * on any fault; each names its seed, which `--seed N --runs 1` does again, and keeps its folder.
 */
import { parseArgs } from "node:util"
import { corruptRun } from "../test/support/crash/Corrupt.ts"
import { killRun } from "../test/support/crash/Kill.ts"

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
const phases: Record<string, number> = {}
for (let run = 0; run < runs; run++) {
  const seed = first + run
  const { fault, phase, text } = await (corrupt ? corruptRun(seed) : killRun(seed))
  if (fault) faults++
  phases[phase] = (phases[phase] ?? 0) + 1
  if (fault || verbose || runs === 1) console.log(`${fault ? "FAULT" : "ok"}  seed ${seed}: ${text}`)
  else if ((run + 1) % 25 === 0) console.log(`${run + 1} of ${runs} runs, ${faults} faults`)
}
for (const [phase, count] of Object.entries(phases).sort()) console.log(`${String(count).padStart(5)}  ${phase}`)
console.log(`${runs} runs, ${faults} faults, ${Math.round((Date.now() - startedAt) / 1_000)} s`)
process.exit(faults === 0 ? 0 : 1)
