/**
 * Shows that the tests find what they are for: plants each of `test/project/Mutants.ts` in a copy of the project and
 * runs its test files there.
 *
 *   npm run test:mutants
 *
 * First the tests must pass in an unchanged copy. A mutant is found by a file in which a test fails; a file that could
 * not run has found nothing. Exits 1 if a file finds nothing.
 */
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { mutants, plant } from "../test/project/Mutants.ts"
import { node, root, temporaryFolder } from "../test/project/Project.ts"

const COPIED = ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"]
const TIME_LIMIT = 120_000

interface Counts {
  readonly passed: number
  readonly failed: number
}

/** Runs one test file of a copy; undefined when it did not get as far as its tests. */
const count = async (copy: string, test: string): Promise<Counts | undefined> => {
  const report = join(copy, "report.json")
  rmSync(report, { force: true })
  const args = [
    "node_modules/vitest/vitest.mjs",
    "run",
    test,
    "--reporter=json",
    `--outputFile=${report}`,
    "--no-cache"
  ]
  await node(args, { cwd: copy, timeout: TIME_LIMIT })
  if (!existsSync(report)) return undefined
  const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, "utf8"))
  return numFailedTests + numPassedTests === 0 ? undefined : { passed: numPassedTests, failed: numFailedTests }
}

const copy = temporaryFolder("mutants")
let isGood = true
const say = (good: boolean, line: string): void => {
  isGood &&= good
  console.log(`${good ? "ok    " : "NOT OK"} ${line}`)
}
try {
  for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  for (const test of new Set(mutants.flatMap(({ tests }) => tests))) {
    const counts = await count(copy, test)
    say(counts?.failed === 0, `unchanged: ${test} ${counts === undefined ? "did not run" : `${counts.failed} failed`}`)
  }
  for (const mutant of isGood ? mutants : []) {
    const path = join(copy, mutant.file)
    const source = readFileSync(path, "utf8")
    writeFileSync(path, plant(mutant, source))
    for (const test of mutant.tests) {
      const failed = (await count(copy, test))?.failed ?? 0
      say(failed > 0, `${mutant.name}: ${failed > 0 ? "found" : "NOT FOUND"} by ${test}`)
    }
    writeFileSync(path, source)
  }
} finally {
  rmSync(copy, { recursive: true })
}
process.exitCode = isGood ? 0 : 1
