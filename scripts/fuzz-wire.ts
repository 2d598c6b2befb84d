/**
 * Compares `timenode wire` with the Rust node's parser on lines nobody would send.
 *
 *   node scripts/fuzz-wire.ts --lines 1000000 --seed 1
 *
 * Prints the first differences and exits 1 if there are any. The same seed makes the same lines.
 */
import { parseArgs } from "node:util"
import { makeLineFuzzer } from "../test/protocol/wire/LineFuzzer.ts"
import { allLines } from "../test/protocol/wire/Vectors.ts"
import { compareWithOracle, oraclePath } from "../test/protocol/wire/WireOracle.ts"

const BATCH = 50_000
const SHOWN = 10

const { values } = parseArgs({ options: { lines: { type: "string" }, seed: { type: "string" } } })
const total = Number(values.lines ?? 100_000)
const seed = Number(values.seed ?? 1)

if (oraclePath === undefined) {
  console.error("peer/wire-oracle not found: set TIMENODE_SHARED")
  process.exit(2)
}

const fuzzer = makeLineFuzzer(seed, allLines())
let accepted = 0
let different = 0
for (let done = 0; done < total && different === 0; done += BATCH) {
  const lines = Array.from({ length: Math.min(BATCH, total - done) }, () => fuzzer.next())
  const result = compareWithOracle(oraclePath, lines)
  accepted += result.accepted
  different += result.differences.length
  for (const { line, oracle, timenode } of result.differences.slice(0, SHOWN)) {
    console.log(`line     ${JSON.stringify(line.toString("latin1"))}`)
    console.log(`oracle   ${oracle.slice(0, 400)}`)
    console.log(`timenode ${timenode.slice(0, 400)}`)
  }
}
console.log(`seed ${seed}: ${total} lines, ${accepted} accepted, ${different} differences`)
process.exit(different === 0 ? 0 : 1)
