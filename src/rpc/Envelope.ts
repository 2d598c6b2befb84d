/**
 * The envelope of JSON-RPC 2.0: from a body to calls, and from outcomes to a body. Pure.
 *
 * It takes more than `timed` does: ids of any scalar, calls without `params`, batches and notifications. An id is
 * answered as it came.
 */
import * as Result from "effect/Result"
import { RPC_BATCH } from "../protocol/Limits.ts"
import { type RpcError, rpcError } from "./RpcError.ts"
import * as RpcJson from "./RpcJson.ts"

export type RpcId = string | number | bigint | boolean | null

export interface Call {
  /** Absent in a notification, which gets no answer. */
  readonly id?: RpcId
  readonly method: string
  /** Positions, names, or nothing. */
  readonly params: ReadonlyArray<unknown> | Readonly<Record<string, unknown>>
}

/** An entry that is no call, to be answered all the same. */
export interface BadCall {
  readonly id: RpcId
  readonly error: RpcError
}

export interface Body {
  readonly isBatch: boolean
  readonly entries: ReadonlyArray<Call | BadCall>
}

/** Reads the body of a request. Never fails: what is wrong with it becomes an entry. */
export const readBody = (text: string): Body => {
  if (text.trim() === "") return single(bad("ParseError", "No request body"))
  const json = RpcJson.parse(text)
  if (Result.isFailure(json)) return single(bad("ParseError", `Parse error: ${json.failure}`))
  if (!Array.isArray(json.success)) return single(readCall(json.success))
  const entries: ReadonlyArray<unknown> = json.success
  if (entries.length === 0) return single(bad("InvalidRequest", "Invalid request: a batch of no calls"))
  if (entries.length > RPC_BATCH) {
    return single(bad("InvalidRequest", `Invalid request: a batch of more than ${RPC_BATCH} calls`))
  }
  return { isBatch: true, entries: entries.map(readCall) }
}

/** Writes the answer to one call. */
export const writeAnswer = (id: RpcId, outcome: Result.Result<unknown, RpcError>): string => {
  const start = `{"jsonrpc":"2.0","id":${RpcJson.write(id)}`
  if (Result.isSuccess(outcome)) return `${start},"result":${RpcJson.write(outcome.success)}}`
  const { code, message } = outcome.failure
  return `${start},"error":{"code":${code},"message":${JSON.stringify(message)}}}`
}

/** Writes the body of a response; `undefined` when there is nothing to answer. */
export const writeBody = (isBatch: boolean, answers: ReadonlyArray<string>): string | undefined =>
  answers.length === 0 ? undefined : isBatch ? `[${answers.join(",")}]` : answers[0]

// --- internal ---

const single = (entry: Call | BadCall): Body => ({ isBatch: false, entries: [entry] })

const bad = (name: "ParseError" | "InvalidRequest", message: string, id: RpcId = null): BadCall => ({
  id,
  error: rpcError(name, message)
})

const readCall = (value: unknown): Call | BadCall => {
  if (!isRecord(value)) return bad("InvalidRequest", "Invalid request: a call is an object")
  const { id, jsonrpc, method, params } = value
  if (Object.hasOwn(value, "id") && !isId(id)) return bad("InvalidRequest", "Invalid request: id must be a scalar")
  const known = isId(id) ? id : null
  if (typeof jsonrpc !== "string") return bad("InvalidRequest", 'Invalid request: jsonrpc must be "2.0"', known)
  if (typeof method !== "string") return bad("InvalidRequest", "Invalid request: method must be a string", known)
  if (params !== undefined && params !== null && !Array.isArray(params) && !isRecord(params)) {
    return bad("InvalidRequest", "Invalid request: params must be an array or an object", known)
  }
  const call = { method, params: params ?? [] }
  return isId(id) ? { id, ...call } : call
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is RpcId => value === null || scalars.has(typeof value)

const scalars = new Set(["string", "number", "bigint", "boolean"])
