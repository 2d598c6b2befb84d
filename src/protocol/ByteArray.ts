/**
 * Byte strings of the wire: fixed-length arrays and vectors of bytes, both JSON arrays of integers 0 to 255.
 *
 * In memory they are `Uint8Array`s. Nobody may change one after it was put into a message.
 */
import * as Schema from "effect/Schema"

/** Schema of exactly `length` bytes. */
export const fixedBytes = (length: number) =>
  Schema.Uint8Array.check(
    Schema.makeFilter((bytes: Uint8Array) => bytes.length === length || `expected ${length} bytes`)
  ).annotate({ wire: { kind: "bytes", length } })

/** Schema of any number of bytes. */
export const ByteVector = Schema.Uint8Array.annotate({ wire: { kind: "bytes", length: null } })

/** Compares two byte strings by content. */
export const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Orders byte strings as unsigned bytes, the shorter first when one is a prefix of the other. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** The parts, one after the other. */
export const concatBytes = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}
