/**
 * Amounts of money in satoshi, the smallest unit: 1 TIME is 100,000,000 satoshi.
 *
 * Sums are made in `bigint` and checked against 64 bits by the rules in `consensus`, never wrapped.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { MAX_U64, U64 } from "./Integer.ts"

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

/** Text that is no amount, and what is wrong with it. Trying again does not help. */
export class InvalidAmount extends Schema.TaggedError<InvalidAmount>()("InvalidAmount", {
  text: Schema.String,
  reason: Schema.Literals(["Syntax", "Precision", "Range", "Zero"])
}) {
  override get message(): string {
    return `${this.text} is no amount: ${REASONS[this.reason]}`
  }
}

/** Reads an amount in TIME, exactly: `"1.5"` is `150000000n`. Nothing is rounded, and a sign or exponent is refused. */
export const parseTime = (text: string): Result.Result<Satoshi, InvalidAmount> => {
  const invalid = (reason: InvalidAmount["reason"]) =>
    Result.fail(new InvalidAmount({ text: text.slice(0, SHOWN_CHARACTERS), reason }))
  const [, whole, places = ""] = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/.exec(text) ?? []
  if (whole === undefined) return invalid("Syntax")
  if (places.length > DECIMAL_PLACES) return invalid("Precision")
  if (whole.length > MAX_WHOLE_DIGITS) return invalid("Range")
  const amount = BigInt(whole + places.padEnd(DECIMAL_PLACES, "0"))
  return amount > MAX_U64 ? invalid("Range") : Result.succeed(satoshi(amount))
}

// --- internal ---

const DECIMAL_PLACES = 8
/** Of the largest amount that fits 64 bits, 184467440737.09551615 TIME. */
const MAX_WHOLE_DIGITS = 12
/** Of a text that is refused, in the error. */
const SHOWN_CHARACTERS = 40

const REASONS: Readonly<Record<InvalidAmount["reason"], string>> = {
  Syntax: "write digits with a point before the decimals, such as 1.5",
  Precision: "TIME has eight decimals",
  Range: "more than 64 bits of satoshi",
  Zero: "it must be more than nothing"
}
