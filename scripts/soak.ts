/**
 * Lets two `timed` and two timenodes live together on loopback, their clocks 20 times faster, and judges how that went.
 *
 *   npm run soak -- --minutes 30
 *
 * A line a minute, then a report. Exits 1 when something is wrong, 2 where the Rust node is missing. Nothing is drawn at
 * random but the network of addresses.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { sharedFile } from "../test/interop/Shared.ts"
import { reportText, soak } from "../test/interop/Soak.ts"

const { values } = parseArgs({ options: { minutes: { type: "string", default: "30" } } })
const minutes = Number(values.minutes)
if (!(minutes > 0)) {
  console.error("--minutes takes a number of minutes")
  process.exit(2)
}
if (sharedFile("peer/timed-e9e4319") === null) process.exit(2)

console.log(`command      node scripts/soak.ts --minutes ${minutes}`)
soak(minutes, (line) => console.log(line)).pipe(
  Effect.map((report) => {
    console.log(reportText(report))
    if (report.faults.length > 0) process.exitCode = 1
  }),
  // Interrupted, too, it leaves no process behind.
  NodeRuntime.runMain
)
