/**
 * A `timed` and a timenode that know of each other, and all that can happen to one of them or to what is between them.
 */
import { Effect, Exit, Scope } from "effect"
import { spawn } from "node:child_process"
import { connect, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { testnet } from "../../src/protocol/Network.ts"
import type { Order, PeerView } from "./DrivenNode.ts"
import { clockEnvironment, scratchDir, type SharedClock, timed, type TimedBuild, until } from "./Processes.ts"
import { root } from "./Shared.ts"
import { peerSockets } from "./Sockets.ts"

/** Who dials by himself, by configuration or by the peer database. */
export type Dialler = "timenode" | "timed" | "both"

export interface PairOptions {
  readonly ours: string
  readonly theirs: string
  readonly build: TimedBuild
  readonly dialler: Dialler
  readonly clock: SharedClock
}

export type Pair = Effect.Success<ReturnType<typeof pair>>

/** Starts both; stopped when the scope ends. */
export const pair = Effect.fn("pair")(function* (options: PairOptions) {
  const { build, clock, dialler, ours, theirs } = options
  const node = yield* drivenNode(options)
  const dir = yield* scratchDir
  const scope = yield* Scope.Scope
  const start = Effect.gen(function* () {
    const life = yield* Scope.fork(scope)
    const peers = dialler === "timenode" ? {} : { peers: [ours] }
    const { pid } = yield* timed({ ip: theirs, clock, build, dir, ...peers }).pipe(Scope.provide(life))
    return { pid, life }
  })
  let current = yield* start
  let frozen = 0
  const stopped = <A, E, R>(pid: () => number | undefined, meanwhile: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        frozen++
        process.kill(pid()!, "SIGSTOP")
      }),
      () => meanwhile,
      () =>
        Effect.sync(() => {
          process.kill(pid()!, "SIGCONT")
          frozen--
        })
    )
  return {
    ...options,
    log: node.log,
    /** False while one of the two cannot act: then nothing can be expected of them. */
    isAwake: () => frozen === 0,
    dial: node.order("dial"),
    /** Given while our node is stopped, it is obeyed when that goes on. */
    dialLater: Effect.asVoid(Effect.forkScoped(node.order("dial"), { startImmediately: true })),
    drop: node.order("drop"),
    peers: node.order("peers") as Effect.Effect<ReadonlyArray<PeerView>>,
    ping: node.order("ping") as Effect.Effect<boolean>,
    /** Sockets between the two: all the system knows of, and those that are established at our end and at theirs. */
    sockets: () => {
      const all = peerSockets([ours, theirs])
      const established = all.filter((socket) => socket.established)
      return {
        all,
        ours: established.filter(({ local, remote }) => local === ours && remote === theirs),
        theirs: established.filter(({ local, remote }) => local === theirs && remote === ours)
      }
    },
    /** Stops the `timed`, or our node, for as long as something takes. */
    whileItIsStopped: <A, E, R>(meanwhile: Effect.Effect<A, E, R>) => stopped(() => current.pid, meanwhile),
    whileWeAreStopped: <A, E, R>(meanwhile: Effect.Effect<A, E, R>) => stopped(() => node.pid, meanwhile),
    kill: Effect.suspend(() => Scope.close(current.life, Exit.void)),
    restart: Effect.map(start, (fresh) => void (current = fresh)),
    impostor: (manner: Impostor) => impostor(options, manner)
  }
})

/** How far a socket that nobody stands behind has got before it fell silent. */
export type Impostor = "connected" | "shaken hands"

// --- internal ---

const drivenNode = Effect.fnUntraced(function* ({ clock, dialler, ours, theirs }: PairOptions) {
  const log: Array<string> = []
  const waiting = new Map<number, (result: unknown) => void>()
  let isReady = false
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const args = ["test/interop/DrivenNode.ts", ours, theirs, dialler === "timed" ? "waits" : "dials"]
      return spawn(process.execPath, args, {
        cwd: root,
        env: { ...process.env, ...clockEnvironment(clock) },
        stdio: ["pipe", "pipe", "pipe"]
      })
    }),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  child.stdin.on("error", () => {})
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line)
    if (log.length > LOG_LINES) log.shift()
  })
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "ready") return void (isReady = true)
    const { id, result } = JSON.parse(line) as { id: number; result: unknown }
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  yield* until(
    "the node is ready",
    Effect.sync(() => isReady),
    60
  ).pipe(Effect.tapError(() => Effect.sync(() => console.error(log.join("\n")))))
  let orders = 0
  const order = (what: Order["what"]): Effect.Effect<unknown> =>
    Effect.callback((resume) => {
      const id = ++orders
      waiting.set(id, (result) => resume(Effect.succeed(result)))
      child.stdin.write(`${JSON.stringify({ id, what } satisfies Order)}\n`)
    })
  return { pid: child.pid, order, log: () => log }
})

const LOG_LINES = 200

/** A socket in the name of the `timed` that says nothing more and never closes by itself; gone when the scope ends. */
const impostor = ({ ours, theirs }: PairOptions, manner: Impostor) =>
  Effect.acquireRelease(
    Effect.sync(() => new Set<Socket>()),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  ).pipe(
    Effect.flatMap((sockets) =>
      Effect.callback<void>((resume) => {
        const socket = connect({ host: ours, port: testnet.p2pPort, localAddress: theirs, allowHalfOpen: true })
        sockets.add(socket)
        const done = () => resume(Effect.void)
        // Refused or closed is what can happen to an impostor, too.
        socket.on("error", done)
        socket.on("end", done)
        socket.on("data", done)
        socket.once("connect", () => {
          if (manner === "shaken hands") socket.write(HANDSHAKE)
          else done()
        })
      })
    )
  )

const HANDSHAKE = '{"Handshake":{"magic":[84,73,77,69],"protocol_version":1,"network":"Testnet"}}\n'
