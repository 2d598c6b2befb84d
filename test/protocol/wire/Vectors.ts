/**
 * The recorded lines of the Rust node.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

const read = <A>(name: string): ReadonlyArray<A> =>
  readFileSync(join(import.meta.dirname, "../../vectors", name), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as A)

export const messages = () => read<{ readonly variant: string; readonly line: string }>("messages.jsonl")
export const accepts = () =>
  read<{ readonly note: string; readonly line: string; readonly canonical: string }>("accepts.jsonl")
export const rejects = () =>
  read<{ readonly note: string; readonly line: string; readonly error: string }>("rejects.jsonl")

/** All of them, to start damaging from. */
export const allLines = (): ReadonlyArray<string> => [...messages(), ...accepts(), ...rejects()].map(({ line }) => line)
