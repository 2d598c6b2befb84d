/**
 * Where the real node and its tools are: `../shared` beside the project, or `$TIMENODE_SHARED`.
 */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

export const root = resolve(import.meta.dirname, "../..")
export const shared = resolve(process.env["TIMENODE_SHARED"] ?? join(root, "../shared"))

/** The path of a shared file, or null, said aloud, where it is missing. */
export const sharedFile = (name: string): string | null => {
  const file = join(shared, name)
  if (existsSync(file)) return file
  process.stderr.write(`skipped: ${file} is not there (set TIMENODE_SHARED to the folder that has ${name})\n`)
  return null
}
