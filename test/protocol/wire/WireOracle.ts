/**
 * The Rust node's verdict on lines, from its own parser, beside that of `timenode wire`.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../..")
const shared = process.env["TIMENODE_SHARED"] ?? join(root, "../shared")

/** The oracle's program, or `undefined` on a machine without it. */
export const oraclePath: string | undefined = [join(shared, "peer/wire-oracle")].find((path) => existsSync(path))

/** A line on which the two disagree. */
export interface Difference {
  readonly line: Buffer
  readonly oracle: string
  readonly timenode: string
}

/** What the oracle and `timenode wire` make of a batch: the differences, and how many lines were accepted. */
export const compareWithOracle = (
  oracle: string,
  lines: ReadonlyArray<Buffer>
): { readonly differences: ReadonlyArray<Difference>; readonly accepted: number } => {
  const input = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]))
  const theirs = answersOf(oracle, [], input, lines.length)
  const ours = answersOf(process.execPath, [join(root, "src/bin.ts"), "wire"], input, lines.length)
  const isError = (answer: string): boolean => answer.startsWith("error: ")
  const differences = lines.flatMap((line, index): ReadonlyArray<Difference> => {
    const [oracle, timenode] = [theirs[index]!, ours[index]!]
    return oracle === timenode || (isError(oracle) && isError(timenode)) ? [] : [{ line, oracle, timenode }]
  })
  return { differences, accepted: theirs.filter((answer) => !isError(answer)).length }
}

const answersOf = (program: string, args: ReadonlyArray<string>, input: Buffer, count: number): Array<string> => {
  const { error, stderr, stdout } = spawnSync(program, args, { input, maxBuffer: 1 << 30 })
  const answers = stdout.toString().split("\n").slice(0, -1)
  if (error === undefined && answers.length === count) return answers
  throw new Error(`${program} gave ${answers.length} answers to ${count} lines: ${error?.message ?? stderr.toString()}`)
}
