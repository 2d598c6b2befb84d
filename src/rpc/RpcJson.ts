/**
 * JSON as the RPC server reads and writes it: integers of any size stay exact, and members are in alphabetical order,
 * as `timed` writes them.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { formatTime } from "../protocol/Satoshi.ts"

/** A number written with all its decimal places. */
export class Decimal {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** An amount of satoshi, written in TIME. */
export const timeAmount = (satoshi: bigint): Decimal => new Decimal(formatTime(satoshi))

/** An amount in TIME, exact to the last of eight decimal places. */
export const TimeAmount = Schema.declare((value: unknown): value is Decimal => value instanceof Decimal).annotate({
  description: "an amount in TIME"
})

/** The value of a JSON text. Integers that a double cannot hold are `bigint`s. Fails with what is wrong with the text. */
export const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: (): unknown => JSON.parse(text, exactIntegers as (key: string, value: unknown) => unknown),
    catch: (error) => (error instanceof SyntaxError ? error.message : "nested too deeply")
  })

/** The JSON text of a value. Members that are `undefined` are left out. */
export const write = (value: unknown): string => {
  if (typeof value === "bigint") return value.toString()
  if (value instanceof Decimal) return value.text
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(",")}}`
}

// --- internal ---

const exactIntegers = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === "number" &&
  !Number.isSafeInteger(value) &&
  context?.source !== undefined &&
  /^-?[0-9]+$/.test(context.source)
    ? BigInt(context.source)
    : value
