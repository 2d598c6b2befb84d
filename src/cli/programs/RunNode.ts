/**
 * A node with its operator's surface, from its configuration to its end.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as HttpServer from "effect/http/HttpServer"
import * as NetAddress from "effect/net/NetAddress"
import type { IdentityError } from "../../layers/LocalNodeIdentity.ts"
import * as NodeRpcListener from "../../layers/NodeRpcListener.ts"
import * as TimeNode from "../../layers/TimeNode.ts"
import { formatPeerAddress } from "../../protocol/PeerId.ts"
import * as RpcServer from "../../rpc/RpcServer.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import type { StoreError } from "../../services/ChainStore.ts"
import { NodeConfig, type NodeConfigValues } from "../../services/NodeConfig.ts"
import { NodeLifecycle } from "../../services/NodeLifecycle.ts"
import { type ListenError, PeerNetwork } from "../../services/PeerTransport.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { NodeFlagValues } from "../config/Flags.ts"
import * as StopDeadline from "../StopDeadline.ts"
import { readConfig } from "../config/ReadConfig.ts"
import * as Logging from "./Logging.ts"
import { paidToWallet } from "./RewardAddress.ts"
import { StatusLine } from "./StatusLine.ts"
import { storeFailure } from "./StoppedChain.ts"
import { drawSyncProgress, logSyncProgress } from "./SyncProgress.ts"

/** Runs a node until it is asked to stop or interrupted, which is how signals end it. */
export const runNode = (flags: NodeFlagValues) =>
  Effect.gen(function* () {
    const { logging, node: configured, warnings } = yield* readConfig(flags)
    const node = yield* paidToWallet(configured)
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning)).pipe(
      Effect.andThen(Effect.provide(untilStopped, operated(node))),
      Effect.mapError((error) => startFailure(node, error)),
      Effect.provide(Logging.layer(logging))
    )
  }).pipe(
    // A signal is the proper end of a node.
    Effect.onInterrupt(() => Effect.sync(() => (process.exitCode = 0)))
  )

// --- internal ---

/** A node with its JSON-RPC server, if it has one. */
const operated = ({ rpcListen, ...config }: NodeConfigValues) => {
  const node = TimeNode.layer.pipe(
    Layer.provideMerge(NodeLifecycle.layer),
    Layer.provideMerge(NodeConfig.layer({ ...config, rpcListen }))
  )
  const rpc =
    rpcListen === null ? Layer.empty : RpcServer.layer.pipe(Layer.provideMerge(NodeRpcListener.layer(rpcListen)))
  return rpc.pipe(Layer.provideMerge(node))
}

const untilStopped = Effect.gen(function* () {
  const chain = yield* Blockchain
  const { listening } = yield* PeerNetwork
  const http = yield* Effect.serviceOption(HttpServer.HttpServer)
  const p2p = listening === null ? "off" : formatPeerAddress(listening)
  const rpc = Option.match(http, {
    onNone: () => "off",
    onSome: ({ address }) => NetAddress.formatSocketAddress(address)
  })
  yield* Console.log(`ready network=${chain.network.name} height=${chain.tip().height} p2p=${p2p} rpc=${rpc}`)
  const { stopRequested } = yield* NodeLifecycle
  const { isDrawn } = yield* StatusLine
  yield* Effect.raceFirst(stopRequested, isDrawn ? drawSyncProgress : logSyncProgress)
  yield* Effect.sync(() => StopDeadline.arm("the request to stop"))
})

type StartError = StoreError | IdentityError | ListenError | NodeRpcListener.RpcListenError

const startFailure = (node: NodeConfigValues, error: StartError): CommandFailure => {
  switch (error._tag) {
    case "StoreError":
      return storeFailure(node.dataDir, error)
    case "IdentityError":
      return failure("dataDirectory", `${error.file}: ${error.detail}`)
    case "RpcListenError":
      return failure("failed", `cannot serve JSON-RPC: ${error.message}; choose another --rpc-listen`)
    case "ListenError":
      return failure("failed", `cannot listen for peers: ${error.message}; choose another --listen`)
  }
}
