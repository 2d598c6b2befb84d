/**
 * The real `timed`, and this node as a process of its own, on loopback addresses that nobody else uses.
 */
import { Effect, Schedule } from "effect"
import { execFile, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root, shared } from "./Shared.ts"

/** One clock for all processes of a test: Unix seconds at `anchor`, real Unix seconds, running `speed` times faster. */
export interface SharedClock {
  readonly epoch: number
  readonly anchor: number
  readonly speed: number
}

/** The two commits of `timed` there are programs of; the second answers nothing as acceptor, docs/protocol.md, C-53. */
export type TimedBuild = "1e6d414" | "e9e4319"

/** What makes a process live by such a clock. */
export const clockEnvironment = ({ anchor, epoch, speed }: SharedClock): Readonly<Record<string, string>> => ({
  LD_PRELOAD: join(shared, "peer/timed-shim.so"),
  TIMED_EPOCH: `${epoch}`,
  TIMED_ANCHOR: `${anchor}`,
  TIMED_SPEED: `${speed}`
})

/** A directory that is gone when the scope ends. */
export const scratchDir = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "timenode-interop-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

/** A `timed` on `ip:24100`, with RPC on `ip:24101`; killed when the scope ends. Given a `dir`, it goes on with that. */
export const timed = Effect.fn("timed")(function* (options: {
  readonly ip: string
  readonly clock: SharedClock
  readonly chain?: string
  readonly peers?: ReadonlyArray<string>
  readonly build?: TimedBuild
  readonly masternode?: boolean
  readonly dir?: string
}) {
  const dir = options.dir ?? (yield* scratchDir)
  if (options.chain !== undefined) execFileSync("tar", ["-C", dir, "-xf", options.chain])
  const { anchor, epoch, speed } = options.clock
  const args = ["--ip", options.ip, "--dir", dir, "--masternode", `${options.masternode ?? false}`]
  if (options.build !== undefined) args.push("--bin", `timed-${options.build}`)
  args.push("--epoch", `${epoch}`, "--anchor", `${anchor}`, "--speed", `${speed}`)
  if (options.peers !== undefined) args.push("--peers", options.peers.join(","))
  const pid = yield* Effect.acquireRelease(
    Effect.callback<number, Error>((resume) => {
      execFile(join(shared, "peer/run-peer.sh"), args, (error, stdout) =>
        resume(error === null ? Effect.succeed(Number(stdout)) : Effect.fail(error))
      )
    }),
    (pid) =>
      Effect.sync(() => {
        if (isRunning(pid)) process.kill(pid, "SIGKILL")
      }).pipe(
        Effect.andThen(
          Effect.repeat(Effect.void, { schedule: Schedule.spaced("10 millis"), while: () => isRunning(pid) })
        )
      )
  )
  return { pid, rpc: `http://${options.ip}:24101`, log: join(dir, "log.txt") }
})

/** `timenode start` in a process of its own, with the clock of the others; stopped when the scope ends. */
export const timenode = Effect.fn("timenode")(function* (options: {
  readonly ip: string
  readonly clock: SharedClock
  readonly peers: ReadonlyArray<string>
  readonly dataDir?: string
  readonly masternode?: boolean
}) {
  const dir = options.dataDir ?? (yield* scratchDir)
  const args = ["src/bin.ts", "start", "--listen", options.ip, "--external-address", options.ip, "--data-dir", dir]
  args.push("--rpc-listen", `${options.ip}:24101`, "--no-discovery", "--log-format", "logfmt")
  for (const peer of options.peers) args.push("--peer", peer)
  const env = {
    ...process.env,
    ...clockEnvironment(options.clock),
    TIME_MASTERNODE_ENABLED: `${options.masternode ?? false}`
  }
  const log: Array<string> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => log.push(`${chunk}`))
      return child
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGTERM")
      })
  )
  const node = { pid: child.pid!, rpc: `http://${options.ip}:24101`, log: () => log.join(""), child, dataDir: dir }
  yield* until(
    "the node is ready",
    Effect.sync(() => /^ready\b/m.test(node.log())),
    20
  ).pipe(Effect.tapError(() => Effect.sync(() => process.stderr.write(node.log()))))
  return node
})

/** Calls a JSON-RPC method of either node. */
export const rpc = (url: string, method: string, params: ReadonlyArray<unknown> = []) =>
  Effect.tryPromise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: "interop", method, params }),
      signal: AbortSignal.timeout(10_000)
    })
    const { error, result } = (await response.json()) as { result?: any; error?: unknown }
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  })

/** Asks again every 200 ms until it is so, for at most so many real seconds. */
export const until = <E, R>(what: string, condition: Effect.Effect<boolean, E, R>, seconds: number) =>
  condition.pipe(
    Effect.orElseSucceed(() => false),
    Effect.flatMap((is) => (is ? Effect.void : Effect.fail(new Error(`not within ${seconds} s: ${what}`)))),
    Effect.retry(Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: `${seconds} seconds` })))
  )

// --- internal ---

/** False also when it has ended and nobody has asked yet how. */
const isRunning = (pid: number): boolean => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return false
  }
}
