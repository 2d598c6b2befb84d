/**
 * The Rust node's verdict on lines, from its own parser, for comparison with ours.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { canonicalLine } from "../../../src/protocol/wire/Canonical.ts"

const shared = process.env["TIMENODE_SHARED"] ?? join(import.meta.dirname, "../../../../shared")

/** The oracle's program, or `undefined` on a machine without it. */
export const oraclePath: string | undefined = [join(shared, "peer/wire-oracle")].find((path) => existsSync(path))

/** A line on which the two disagree. */
export interface Difference {
  readonly line: Buffer
  readonly oracle: string
  readonly timenode: string
}

/** What both make of a batch: the differences, and how many lines were accepted. */
export const compareWithOracle = (
  oracle: string,
  lines: ReadonlyArray<Buffer>
): { readonly differences: ReadonlyArray<Difference>; readonly accepted: number } => {
  const input = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]))
  const { stdout, status } = spawnSync(oracle, { input, maxBuffer: 1 << 30 })
  const answers = stdout.toString().split("\n").slice(0, -1)
  if (status !== 0 || answers.length !== lines.length)
    throw new Error(`the oracle gave ${answers.length} answers, exit ${status}`)
  const differences: Array<Difference> = []
  let accepted = 0
  let start = 0
  lines.forEach((line, index) => {
    const ours = canonicalLine(input, start, start + line.length)
    start += line.length + 1
    const theirs = answers[index]!
    if (!theirs.startsWith("error: ")) accepted++
    const isSame = theirs.startsWith("error: ") ? ours.startsWith("error: ") : ours === theirs
    if (!isSame) differences.push({ line, oracle: theirs, timenode: ours })
  })
  return { differences, accepted }
}
