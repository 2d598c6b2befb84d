// Adds up vitest's JSON reports and prints `N passed, N failed[, N skipped]` as its last line.
// Arguments: the folder of the reports, then `step=exit code` for each step. A step that failed without a failed test
// in its report counts as one failure. Plain JavaScript, because it also runs where the install has failed and `node`
// is whatever the machine has.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const [folder, ...outcomes] = process.argv.slice(2)
const total = { passed: 0, failed: 0, skipped: 0 }

for (const outcome of outcomes) {
  const [step, code] = outcome.split("=")
  const path = join(folder, `${step}.json`)
  const report = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined
  const failedTests = report?.numFailedTests ?? 0
  total.passed += report?.numPassedTests ?? 0
  total.failed += failedTests
  total.skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0)
  if (code !== "0" && failedTests === 0) {
    console.log(`step failed: ${step}`)
    total.failed++
  }
}

console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`)
process.exitCode = total.failed > 0 ? 1 : 0
