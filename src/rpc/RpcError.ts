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
  InvalidValue: -8,
  /** The wallet has too little that it may spend. */
  InsufficientFunds: -6,
  /** The wallet does not do what would do harm; the message says how to insist. */
  WalletRefused: -4,
  /** The wallet has to be unlocked first. */
  WalletLocked: -13,
  WrongPassphrase: -14,
  /** The node has no wallet, or cannot use it. */
  NoWallet: -18,
  /** The pool does not take the transaction. */
  Rejected: -26
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
