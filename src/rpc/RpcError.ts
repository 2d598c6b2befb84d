/**
 * Errors that callers see: the codes of JSON-RPC 2.0, and those of `timed` where it has one.
 */
import * as Schema from "effect/Schema"

/** Every code that is used. What it means is part of the interface and never changes. */
export const codes = {
  ParseError: -32700,
  InvalidRequest: -32600,
  MethodNotFound: -32601,
  InvalidParams: -32602,
  InternalError: -32603,
  /** The call took longer than the server waits. It can be tried again. */
  TimedOut: -32000,
  /** A block, transaction or address that is not known here. */
  NotFound: -5,
  /** The parameter has the right type and no meaning. */
  InvalidValue: -8
} as const

export type RpcErrorName = keyof typeof codes

/** A call failed. `message` is for people, the code for programs. */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", {
  name: Schema.Literals(Object.keys(codes) as ReadonlyArray<RpcErrorName>),
  message: Schema.String
}) {
  get code(): number {
    return codes[this.name]
  }
}

/** The error of a name, with its message. */
export const rpcError = (name: RpcErrorName, message: string): RpcError => new RpcError({ name, message })
