/**
 * The fixed-width integers of the wire.
 *
 * 64-bit values are `bigint`: a ping nonce is a random u64, and a node that rounds it through a double is dropped after
 * 90 seconds. 32-bit values are `number`. Every schema here names its wire form in the `wire` annotation, which the
 * codec compiler reads (see {@link ./wire/Wire.ts}).
 */
import * as Schema from "effect/Schema"

export const MAX_U32 = 0xffff_ffff
export const MAX_U64 = 0xffff_ffff_ffff_ffffn
export const MAX_I64 = 0x7fff_ffff_ffff_ffffn
export const MIN_I64 = -0x8000_0000_0000_0000n

/** Unsigned 32-bit integer, 0 to 4294967295. */
export const U32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: MAX_U32 })).annotate({
  wire: { kind: "u32" }
})

/** Unsigned 64-bit integer (Rust's `u64` and `usize`), exact. */
export const U64 = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: MAX_U64 })).annotate({
  wire: { kind: "u64" }
})

/** Signed 64-bit integer, exact. */
export const I64 = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: MIN_I64, maximum: MAX_I64 })).annotate({
  wire: { kind: "i64" }
})

/** Unix time in whole seconds. Signed on the wire, so a peer can send a time before 1970. */
export const UnixSeconds = I64
export type UnixSeconds = bigint

/** The second that a time in milliseconds falls in. */
export const toUnixSeconds = (milliseconds: number): bigint => BigInt(Math.floor(milliseconds / 1_000))
