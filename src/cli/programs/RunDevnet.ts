/**
 * A network in this process: where its nodes are, then what happens, until it is stopped.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Devnet from "../../layers/Devnet.ts"
import * as NodeRpcListener from "../../layers/NodeRpcListener.ts"
import { toHex } from "../../protocol/Hash.ts"
import { dueTime, type Network } from "../../protocol/Network.ts"
import { formatTime, satoshi } from "../../protocol/Satoshi.ts"
import * as RpcServer from "../../rpc/RpcServer.ts"
import { Blockchain, type ChainEvent } from "../../services/Blockchain.ts"
import { Mempool, type PoolEvent } from "../../services/Mempool.ts"
import { failure } from "../CommandFailure.ts"
import * as StopDeadline from "../StopDeadline.ts"
import * as Logging from "./Logging.ts"

export interface DevnetFlags extends Devnet.DevnetOptions {
  /** JSON-RPC of the first node; each of the others has the next port. */
  readonly rpcPort: number
}

/** Runs the network until a signal or the RPC method `stop` of one of its nodes ends it. */
export const runDevnet = (flags: DevnetFlags) =>
  Effect.gen(function* () {
    const { lifecycle, network, nodes } = yield* Devnet.make(flags)
    for (const { address, number, services } of nodes) {
      const port = flags.rpcPort + number - 1
      yield* Layer.build(
        RpcServer.layer.pipe(
          Layer.provide(NodeRpcListener.layer({ host: "127.0.0.1", port })),
          Layer.provide(Layer.succeedContext(services))
        )
      )
      yield* Console.log(`node ${number} rpc=http://127.0.0.1:${port} wallet=${address}`)
    }
    yield* Console.log(`ready network=${network.name} nodes=${nodes.length} block-time=${network.blockSeconds}s`)
    const first = nodes[0]!.services
    yield* Effect.raceFirst(lifecycle.stopRequested, Effect.provideContext(follow(network), first))
    yield* Effect.sync(() => StopDeadline.arm("the request to stop"))
  }).pipe(
    Effect.scoped,
    Effect.catchTag("RpcListenError", ({ message }) =>
      Effect.fail(failure("failed", `cannot serve JSON-RPC: ${message}; choose another --rpc-port`))
    ),
    Effect.catchTag(["StoreError", "IdentityError", "ListenError"], (error) =>
      Effect.fail(failure("failed", `the network cannot start: ${error.message}`))
    ),
    Effect.provide(Logging.layer({ level: "warn", format: "pretty" })),
    // A signal is the proper end of a network.
    Effect.onInterrupt(() => Effect.sync(() => (process.exitCode = 0)))
  )

// --- internal ---

/** Prints blocks and what becomes of transactions, as the node that is provided sees them. */
const follow = Effect.fnUntraced(function* (network: Network) {
  const chain = yield* Blockchain
  const pool = yield* Mempool
  const blocks = Stream.map(chain.changes, (event) => describeChange(network, event))
  const transactions = Stream.map(pool.events, describeTransaction)
  return yield* Stream.merge(blocks, transactions).pipe(
    Stream.filter((line) => line !== undefined),
    Stream.runForEach((line) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Console.log(`${timeOf(now)} ${line}`))
    ),
    Effect.andThen(Effect.never)
  )
})

const timeOf = (now: number): string => new Date(now).toISOString().slice(11, 19)

const describeChange = (network: Network, event: ChainEvent): string | undefined => {
  switch (event._tag) {
    case "Connected": {
      const { block, tip } = event
      const paid = block.transactions.length - 1
      const due = dueTime(network, tip.height) === tip.timestamp ? "" : " off schedule"
      return `block ${tip.height} ${toHex(tip.hash).slice(0, 16)} with ${paid} payments${due}`
    }
    case "Disconnected":
      return `block ${event.height} came off`
    case "Lagged":
      return undefined
  }
}

const describeTransaction = (event: PoolEvent): string | undefined => {
  const { transaction, txid } = event.pooled
  const id = toHex(txid).slice(0, 16)
  switch (event._tag) {
    case "Accepted":
      return `payment ${id} of ${formatTime(satoshi(transaction.outputs[0]!.value))} TIME is on its way`
    case "Advanced":
      return event.step === "Finalize" ? `payment ${id} is final` : undefined
    case "Mined":
      return `payment ${id} is in block ${event.height}`
    case "Released":
    case "Overruled":
      return `payment ${id} is given up`
  }
}
