/**
 * Amounts of money in satoshi, the smallest unit: 1 TIME is 100,000,000 satoshi.
 *
 * Sums are made in `bigint` and checked against 64 bits by the rules in `consensus`, never wrapped.
 */
import * as Schema from "effect/Schema"
import { U64 } from "./Integer.ts"

export const Satoshi = U64.pipe(Schema.brand("Satoshi"))
export type Satoshi = typeof Satoshi.Type

/** Brands an amount that is known to fit 64 bits. */
export const satoshi = (value: bigint | number): Satoshi => BigInt(value) as Satoshi

export const SATOSHI_PER_TIME = 100_000_000n

/** Writes an amount in TIME with eight decimals, exactly: `150000000n` is `"1.50000000"`. */
export const formatTime = (amount: bigint): string => {
  const sign = amount < 0n ? "-" : ""
  const digits = (amount < 0n ? -amount : amount).toString().padStart(9, "0")
  return `${sign}${digits.slice(0, -8)}.${digits.slice(-8)}`
}
