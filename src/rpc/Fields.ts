/**
 * Values that several methods take or give, each with the sentence that describes it to callers.
 */
import * as Schema from "effect/Schema"
import { hashFromHex, type Hash256 } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import { U64 } from "../protocol/Integer.ts"
import { peerId, type PeerId } from "../protocol/PeerId.ts"

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

export const HeightResult = Schema.BigInt.annotate({ description: "a block height" })
export const HashResult = Schema.String.annotate({ description: "a hash as 64 lower-case hex digits" })
export const SatoshiResult = Schema.BigInt.annotate({ description: "an amount in satoshi" })
export const SecondsResult = Schema.BigInt.annotate({ description: "Unix time in seconds" })
export const Count = Schema.Int.annotate({ description: "a count" })
