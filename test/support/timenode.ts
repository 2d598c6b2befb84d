/**
 * The program `timenode` as a child process, in a scratch directory that is its home.
 */
import { Effect, FileSystem } from "effect"
import { NodeFileSystem } from "@effect/platform-node"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { join } from "node:path"

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const BIN = join(import.meta.dirname, "../../src/bin.ts")

/** A directory that is gone when the scope ends. */
export const scratch = Effect.flatMap(FileSystem.FileSystem, (files) =>
  files.makeTempDirectoryScoped({ prefix: "timenode-test-" })
).pipe(Effect.provide(NodeFileSystem.layer), Effect.orDie)

/** Starts the program; it is killed when the scope ends. */
export const startTimenode = (home: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [BIN, ...args], { env: { PATH: process.env["PATH"], HOME: home, ...env } })
    ),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )

/** Waits for the end of a child and all it wrote. */
export const ended = (child: ChildProcessWithoutNullStreams): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()))
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
  })

/** Runs the program to its end. */
export const timenode = (
  home: string,
  args: ReadonlyArray<string>,
  options: { readonly stdin?: string | Uint8Array; readonly env?: Readonly<Record<string, string>> } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* startTimenode(home, args, options.env)
      child.stdin.on("error", () => {})
      child.stdin.end(options.stdin ?? "")
      return yield* ended(child)
    })
  )
