/**
 * From the body of a request to the body of its response. Calls of a batch run one after the other.
 *
 * Whatever a method does, its caller gets an answer in time; what went wrong inside the node is logged here and not told.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { PEER_TEXT, RPC_TIMEOUT } from "../protocol/Limits.ts"
import { type Call, readBody, writeAnswer, writeBody } from "./Envelope.ts"
import type { Method } from "./Method.ts"
import * as Addresses from "./methods/Addresses.ts"
import * as Bans from "./methods/Bans.ts"
import * as Chain from "./methods/Chain.ts"
import * as Coins from "./methods/Coins.ts"
import * as Masternodes from "./methods/Masternodes.ts"
import * as Node from "./methods/Node.ts"
import * as Peers from "./methods/Peers.ts"
import * as Transactions from "./methods/Transactions.ts"
import * as Wallet from "./methods/Wallet.ts"
import { type RpcError, rpcError } from "./RpcError.ts"

/** Every method, in the order in which they are described. */
export const methods = [
  Chain.getblockchaininfo,
  Chain.getblockcount,
  Chain.getbestblockhash,
  Chain.getblockhash,
  Chain.getblock,
  Chain.getchaintips,
  Coins.gettxoutsetinfo,
  Transactions.gettransaction,
  Transactions.getrawtransaction,
  Addresses.listunspent,
  Addresses.getbalance,
  Addresses.getaddresshistory,
  Wallet.validateaddress,
  Wallet.getnewaddress,
  Wallet.getwalletinfo,
  Wallet.listtransactions,
  Wallet.sendtoaddress,
  Wallet.mergeutxos,
  Wallet.walletpassphrase,
  Wallet.walletlock,
  Peers.getpeerinfo,
  Peers.disconnectnode,
  Peers.getlimits,
  Masternodes.masternodelist,
  Masternodes.masternodestatus,
  Masternodes.getconsensusinfo,
  Masternodes.getattestationstats,
  Masternodes.getheartbeathistory,
  Bans.listbanned,
  Bans.setban,
  Bans.clearbanned,
  Node.uptime,
  Node.stop
] as const

/** What the methods need. */
export type MethodServices = (typeof methods)[number] extends Method<infer R> ? R : never

/** Answers the body of a request; `undefined` when nothing in it is to be answered. */
export const dispatch: (body: string) => Effect.Effect<string | undefined, never, MethodServices> = Effect.fnUntraced(
  function* (body) {
    const { entries, isBatch } = readBody(body)
    const deadline = (yield* Clock.currentTimeMillis) + RPC_TIMEOUT
    const answers: Array<string> = []
    for (const entry of entries) {
      const outcome = "error" in entry ? Result.fail(entry.error) : yield* Effect.result(run(entry, deadline))
      if (entry.id !== undefined) answers.push(writeAnswer(entry.id, outcome))
    }
    return writeBody(isBatch, answers)
  }
)

// --- internal ---

const byName: ReadonlyMap<string, Method<MethodServices>> = new Map(methods.map((method) => [method.name, method]))

const run = Effect.fnUntraced(function* ({ method: name, params }: Call, deadline: number) {
  const method = byName.get(name)
  if (method === undefined) {
    return yield* rpcError("MethodNotFound", `Method not found: ${name.slice(0, PEER_TEXT)}`)
  }
  const call = yield* Effect.fromResult(method.call(params))
  const now = yield* Clock.currentTimeMillis
  return yield* call.pipe(
    Effect.timeoutOrElse({ duration: Math.max(0, deadline - now), orElse: () => Effect.fail(timedOut) }),
    Effect.catchTag("StoreError", (error) => internalError(name, error)),
    Effect.catchDefect((defect) => internalError(name, defect))
  )
})

const timedOut = rpcError("TimedOut", `Not answered within ${RPC_TIMEOUT / 1000} seconds`)

const internalError = (method: string, cause: unknown): Effect.Effect<never, RpcError> =>
  Effect.logError(`RPC method ${method} failed`, cause).pipe(
    Effect.andThen(Effect.fail(rpcError("InternalError", "Internal error; the log of the node says more")))
  )
