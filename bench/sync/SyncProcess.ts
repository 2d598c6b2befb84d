/**
 * A whole node in a process of its own, which says on its channel how far it is: one that serves a chain, or one that
 * copies it into a file with full validation. Its clock is moved to when the chain's last block is due.
 */
import { Clock, Effect, Layer, References, Schedule } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { type PeerAddress, peerId } from "../../src/protocol/PeerId.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { Sync } from "../../src/services/Sync.ts"

export interface NodeOptions {
  readonly host: string
  readonly dataDir: string
  /** The height that is due by the node's clock when it starts. */
  readonly due: number
  readonly peers: ReadonlyArray<PeerAddress>
}

/** How far a node is: its height, milliseconds since its start, CPU in milliseconds, memory in bytes. */
export interface Sample {
  readonly height: number
  readonly at: number
  readonly cpu: number
  readonly memory: NodeJS.MemoryUsage
  readonly peers: number
}

/** The child, and where it listens, once it does. It ends when its channel is closed, and leaves its CPU profile there. */
export const startNode = async (options: NodeOptions, profile?: string) => {
  const execArgv = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]
  const child = fork(import.meta.filename, [CHILD, JSON.stringify(options)], { execArgv })
  const listening = await next<PeerAddress>(child)
  return { child, listening }
}

/** The next message of a child, which must not end before. */
export const next = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a node's process ended with ${code}`))
    child.once("exit", onExit)
    child.once("message", (message) => {
      child.off("exit", onExit)
      resolve(message as A)
    })
  })

/** A clock at which the block of that height is just due. */
export const clockAt = (due: number): Layer.Layer<never> =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (clock): Clock.Clock => {
      const shift = Number(dueTime(testnet, height(due))) * 1_000 + 1_000 - clock.currentTimeMillisUnsafe()
      const millis = () => clock.currentTimeMillisUnsafe() + shift
      const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(shift) * 1_000_000n
      return {
        ...clock,
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
    })
  )

// --- internal ---

const CHILD = "--node"
const INTERVAL = 50

const runChild = ({ dataDir, due, host, peers }: NodeOptions): void => {
  const startedAt = performance.now()
  const program = Effect.gen(function* () {
    const chain = yield* Blockchain
    const sync = yield* Sync
    const { listening } = yield* PeerNetwork
    process.send!({ peer: peerId(host)!, port: listening!.port } satisfies PeerAddress)
    const tell = Effect.map(sync.status, (status) => {
      const { system, user } = process.cpuUsage()
      process.send!({
        height: Number(chain.tip().height),
        at: performance.now() - startedAt,
        cpu: (system + user) / 1_000,
        memory: process.memoryUsage(),
        peers: status.peers.length
      } satisfies Sample)
    })
    if (peers.length === 0) yield* Effect.never
    yield* Effect.repeat(tell, Schedule.spaced(INTERVAL))
  })
  const config = NodeConfig.layer({
    listen: { host, port: 0 },
    localAddress: peerId(host)!,
    externalAddress: peerId(host)!,
    rpcListen: null,
    discovery: false,
    dataDir,
    peers
  })
  const quiet = Layer.succeed(References.MinimumLogLevel, "Error")
  const node = TimeNode.layer.pipe(Layer.provide(config), Layer.provideMerge(Layer.mergeAll(quiet, clockAt(due))))
  process.on("disconnect", () => process.exit())
  Effect.runFork(Effect.provide(program, node))
}

if (process.argv[2] === CHILD) runChild(JSON.parse(process.argv[3]!) as NodeOptions)
