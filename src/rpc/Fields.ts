/**
 * Values that several methods take or give, each with the sentence that describes it to callers.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { hashFromHex, type Hash256 } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import { U64 } from "../protocol/Integer.ts"
import { peerId, type PeerId } from "../protocol/PeerId.ts"
import { parseTime, type Satoshi } from "../protocol/Satoshi.ts"
import { type RpcError, rpcError } from "./RpcError.ts"

const WholeNumber = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A height as a parameter: a JSON integer of any spelling but none with a sign or a fraction. */
export const HeightParam = Schema.Union([WholeNumber, U64]).annotate({ description: "a block height" })

/** A block as a parameter. */
export const BlockParam = Schema.Union([
  WholeNumber,
  U64,
  Schema.String.check(Schema.isPattern(/^[0-9a-fA-F]{64}$/))
]).annotate({ description: "a block height or the 64 hex digits of a block hash" })

/** The block that a parameter names: by height, or by hash. */
export const namedBlock = (param: typeof BlockParam.Type): Height | Hash256 =>
  typeof param === "string" ? hashFromHex(param)! : height(param)

/** A peer as a parameter. */
export const PeerParam = Schema.String.check(Schema.makeFilter((text) => peerId(text) !== undefined)).annotate({
  description: "an IP address"
})

/** The peer that a parameter names. */
export const namedPeer = (param: typeof PeerParam.Type): PeerId => peerId(param)!

/** An amount in TIME as a parameter; text is exact whatever its size. */
export const AmountParam = Schema.Union([Schema.String, Schema.Finite]).annotate({
  description: "an amount in TIME, as text or a number"
})

/** The satoshi that a parameter spells. A number that may have been another before it became a double is refused. */
export const namedAmount = (param: typeof AmountParam.Type): Result.Result<Satoshi, RpcError> => {
  const text = typeof param === "string" ? param : param.toFixed(8)
  if (typeof param === "number" && (param >= EXACT_AMOUNTS || Number(text) !== param)) {
    return Result.fail(rpcError("InvalidValue", `${param} is not exact; write it as text, with at most eight decimals`))
  }
  return Result.mapError(parseTime(text), ({ message }) => rpcError("InvalidValue", message))
}

export const HeightResult = Schema.BigInt.annotate({ description: "a block height" })
export const HashResult = Schema.String.annotate({ description: "a hash as 64 lower-case hex digits" })
export const SatoshiResult = Schema.BigInt.annotate({ description: "an amount in satoshi" })
export const SecondsResult = Schema.BigInt.annotate({ description: "Unix time in seconds" })
export const Count = Schema.Int.annotate({ description: "a count" })

// --- internal ---

/** Below this, numbers with eight decimals are all different doubles. */
const EXACT_AMOUNTS = 2 ** 26
