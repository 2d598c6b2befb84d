/**
 * A node's own layers in a process of their own, in memory, with the first blocks of a chain to ask for.
 */
import { Effect, Layer, References } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import * as TimeNode from "../../../src/layers/TimeNode.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import { Blockchain } from "../../../src/services/Blockchain.ts"
import { NodeConfig } from "../../../src/services/NodeConfig.ts"
import { PeerRegistry } from "../../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../../src/services/PeerTransport.ts"
import { readChain } from "../../fixtures/Vectors.ts"
import type { Target } from "./RawPeer.ts"

/** A node that runs. */
export interface RunningNode {
  readonly target: Target
  /** CPU time it has used, in milliseconds, and the peers for which more waits than may. */
  readonly state: Effect.Effect<NodeState>
}

interface NodeState {
  readonly cpu: number
  readonly stuck: number
}

/** Starts a node that listens at an address of loopback; it is killed when the scope ends. */
export const startNode = (host: string) =>
  Effect.acquireRelease(
    Effect.sync(() => fork(import.meta.filename, [CHILD, host])),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  ).pipe(Effect.flatMap(listening))

// --- internal ---

const listening = (child: ChildProcess): Effect.Effect<RunningNode> =>
  Effect.map(next<Target>(child), (target) => ({
    target,
    state: Effect.suspend(() => {
      child.send("state")
      return next<NodeState>(child)
    })
  }))

const next = <A>(child: ChildProcess): Effect.Effect<A> =>
  Effect.callback((resume) => {
    const onExit = (code: number | null) => resume(Effect.die(new Error(`the node's process ended with ${code}`)))
    child.once("exit", onExit)
    child.once("message", (message) => {
      child.off("exit", onExit)
      resume(Effect.succeed(message as A))
    })
  })

const CHILD = "--node"
const BLOCKS = 300

const runChild = (host: string): void => {
  const program = Effect.gen(function* () {
    const blocks = readChain().slice(1, BLOCKS)
    const chain = yield* Blockchain
    yield* chain.connect(blocks)
    const { listening } = yield* PeerNetwork
    const registry = yield* PeerRegistry
    process.on("message", () => {
      const { system, user } = process.cpuUsage()
      const peers = Effect.runSync(registry.peers)
      const stuck = peers.filter(({ outboundBytes }) => outboundBytes >= Limits.OUTBOUND_PER_PEER).length
      process.send!({ cpu: (user + system) / 1_000, stuck } satisfies NodeState)
    })
    process.send!({ host, port: listening!.port } satisfies Target)
    yield* Effect.never
  })
  const config = NodeConfig.layerTest({ listen: { host, port: 0 }, localAddress: peerId(host)! })
  const quiet = Layer.succeed(References.MinimumLogLevel, "Error")
  process.on("disconnect", () => process.exit())
  Effect.runFork(program.pipe(Effect.provide(TimeNode.layer.pipe(Layer.provide(config), Layer.provideMerge(quiet)))))
}

if (process.argv[2] === CHILD) runChild(process.argv[3]!)
