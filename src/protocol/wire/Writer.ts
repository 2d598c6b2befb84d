/**
 * Writes single values the way serde_json does: compact, integers in decimal, bytes as arrays of them.
 *
 * Each writer takes the buffer and a position in it, and returns the position after what it wrote. Room for the bound
 * that stands beside it has been made before: nothing here checks.
 */

export type Write<A> = (buffer: Buffer, at: number, value: A) => number

/** Writes values of one type. */
export interface EncoderOf<A> {
  /** An upper bound of the bytes that `write` will write. */
  readonly bound: (value: A) => number
  readonly write: Write<A>
}

/** Digits of the largest integers, and a sign. */
export const INTEGER_BOUND = 20

export const bytesBound = (value: Uint8Array): number => value.length * 4 + 2

/** A character takes at most six bytes: as an escape. */
export const stringBound = (value: string): number => value.length * 6 + 2

export const writeInteger: Write<number> = (buffer, at, value) => {
  if (value < 10) {
    buffer[at] = 0x30 + value
    return at + 1
  }
  let end = at
  for (let rest = value; rest >= 1; rest = Math.floor(rest / 10)) end++
  let rest = value
  for (let i = end - 1; i >= at; i--) {
    const next = Math.floor(rest / 10)
    buffer[i] = rest - next * 10 + 0x30
    rest = next
  }
  return end
}

export const writeBigInteger: Write<bigint> = (buffer, at, value) => {
  if (value >= 0n && value <= 0x1f_ffff_ffff_ffffn) return writeInteger(buffer, at, Number(value))
  const digits = value.toString()
  for (let i = 0; i < digits.length; i++) buffer[at + i] = digits.charCodeAt(i)
  return at + digits.length
}

export const writeBytes: Write<Uint8Array> = (buffer, start, value) => {
  let at = start
  buffer[at++] = 0x5b
  for (let i = 0; i < value.length; i++) {
    const byte = value[i]!
    const text = BYTE_TEXT[byte]!
    // Always four bytes, of which the next value overwrites what is not needed: a branch costs more than the bytes.
    buffer[at] = text
    buffer[at + 1] = text >> 8
    buffer[at + 2] = text >> 16
    buffer[at + 3] = 0x2c
    at += BYTE_LENGTH[byte]!
  }
  if (value.length > 0) at--
  buffer[at++] = 0x5d
  return at
}

export const writeString: Write<string> = (buffer, start, value) => {
  let at = start
  buffer[at++] = 0x22
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return writeUnusualString(buffer, start, value)
    buffer[at++] = unit
  }
  buffer[at++] = 0x22
  return at
}

/** A surrogate without its partner has no UTF-8 and is written as U+FFFD. `JSON.stringify` escapes what serde_json does. */
const writeUnusualString: Write<string> = (buffer, at, value) =>
  at + buffer.write(JSON.stringify(value.toWellFormed()), at)

export const writeBoolean: Write<boolean> = (buffer, at, value) => writeAscii(buffer, at, value ? "true" : "false")

export const writeAscii: Write<string> = (buffer, start, text) => {
  for (let i = 0; i < text.length; i++) buffer[start + i] = text.charCodeAt(i)
  return start + text.length
}

// --- internal ---

const BYTE_TEXTS = Array.from({ length: 256 }, (_, byte) => `${byte},`)
/** The first three characters of `255,`, `47,` or `8,`, the first in the lowest byte. */
const BYTE_TEXT = Int32Array.from(BYTE_TEXTS, (text) => Buffer.from(text.padEnd(4)).readUIntLE(0, 3))
const BYTE_LENGTH = Uint8Array.from(BYTE_TEXTS, (text) => text.length)
