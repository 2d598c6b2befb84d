/**
 * The project as its own tests see it: where it is, and how to run a program on it.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { join, relative } from "node:path"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** The script behind a command of `node_modules/.bin`, to be run with `node`. */
export const tool = {
  oxlint: join(root, "node_modules/oxlint/bin/oxlint"),
  tsc: join(root, "node_modules/typescript/bin/tsc"),
  publint: join(root, "node_modules/publint/src/cli.js"),
  attw: join(root, "node_modules/@arethetypeswrong/cli/dist/index.js")
}

export interface Outcome {
  /** The exit code; null when the program was killed, which is what happens at the time limit. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end and never throws: how it ended is in the outcome. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly timeout?: number } = {}
): Promise<Outcome> =>
  new Promise((resolve) => {
    const { cwd = root, timeout = 60_000 } = options
    execFile(program, args, { cwd, timeout, killSignal: "SIGKILL", maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : null
      resolve({ code, stdout, stderr: error !== null && code === null ? `${error.message}\n${stderr}` : stderr })
    })
  })

/** Runs a script with the Node that runs the tests. */
export const node = (args: ReadonlyArray<string>, options?: Parameters<typeof run>[2]): Promise<Outcome> =>
  run(process.execPath, args, options)

export const temporaryFolder = (name: string): string => mkdtempSync(join(tmpdir(), `timenode-${name}-`))

/** The folders below `src` that hold sources, as paths relative to it; `""` is `src` itself. */
export const sourceFolders = (): ReadonlyArray<string> => {
  const src = join(root, "src")
  const files = readdirSync(src, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return [...new Set(files.map((file) => relative(src, file.parentPath)))].sort()
}
