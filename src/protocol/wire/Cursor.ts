/**
 * Reads single values in the form serde_json writes them, and gives up on any other.
 *
 * The compiled reader is made of these. They stop at the first byte they do not expect, and none expects an LF: so a
 * line that is followed by one needs no other check of its end. Whether a line that was given up on is wrong, or only
 * unusual, is for the strict reader to say.
 */

import { growScratch, scratch, takeScratch } from "./ByteScratch.ts"

/** Where the reading is. The readers move it. */
export interface Cursor {
  bytes: Buffer
  at: number
  /** Public keys read so far, not yet checked. */
  keys: Array<Uint8Array>
}

/** Made once: throwing it must cost nothing that grows with the stack. */
export const BAIL = new Error("not in canonical form")

export const bail = (): never => {
  throw BAIL
}

export const readU32 = (cursor: Cursor): number => {
  const value = readDigits(cursor)
  return value <= 0xffff_ffff ? value : bail()
}

export const readU64 = (cursor: Cursor): bigint => {
  const start = cursor.at
  const value = readDigits(cursor)
  return cursor.at - start < 16 ? BigInt(value) : readLong(cursor, start)
}

export const readI64 = (cursor: Cursor): bigint => {
  if (cursor.bytes[cursor.at] !== 0x2d) {
    const value = readU64(cursor)
    return value <= 0x7fff_ffff_ffff_ffffn ? value : bail()
  }
  cursor.at++
  const value = readU64(cursor)
  return value <= 0x8000_0000_0000_0000n && value !== 0n ? -value : bail()
}

export const readBoolean = (cursor: Cursor): boolean => {
  const { bytes, at } = cursor
  if (bytes[at] === 0x74 && bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65) {
    cursor.at = at + 4
    return true
  }
  if (bytes[at] !== 0x66 || bytes[at + 1] !== 0x61 || bytes[at + 2] !== 0x6c || bytes[at + 3] !== 0x73) bail()
  if (bytes[at + 4] !== 0x65) bail()
  cursor.at = at + 5
  return false
}

export const readString = (cursor: Cursor): string => {
  const { bytes } = cursor
  const start = cursor.at + 1
  if (bytes[start - 1] !== 0x22) bail()
  let at = start
  let byte = bytes[at]!
  while (byte !== 0x22) {
    if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return readUnusualString(cursor, start, at)
    byte = bytes[++at]!
  }
  cursor.at = at + 1
  return at === start ? "" : bytes.toString("latin1", start, at)
}

export const readBytes = (cursor: Cursor, length: number): Uint8Array => {
  const { bytes } = cursor
  const value = new Uint8Array(length)
  let at = cursor.at
  if (bytes[at++] !== 0x5b) bail()
  for (let i = 0; i < length; i++) {
    let byte = bytes[at++]! - 0x30
    if (byte >>> 0 > 9) bail()
    let next = bytes[at++]! - 0x30
    if (next >>> 0 <= 9) {
      if (byte === 0) bail()
      byte = byte * 10 + next
      next = bytes[at++]! - 0x30
      if (next >>> 0 <= 9) {
        byte = byte * 10 + next
        if (byte > 255) bail()
        next = bytes[at++]! - 0x30
      }
    }
    if (next !== COMMA && (next !== CLOSE || i !== length - 1)) bail()
    value[i] = byte
  }
  if (bytes[at - 1] !== 0x5d) bail()
  cursor.at = at
  return value
}

export const readByteVector = (cursor: Cursor): Uint8Array => {
  const { bytes } = cursor
  let at = cursor.at
  if (bytes[at++] !== 0x5b) bail()
  if (bytes[at] === 0x5d) {
    cursor.at = at + 1
    return takeScratch(0)
  }
  let collected = scratch.bytes
  let length = 0
  let next = COMMA
  while (next === COMMA) {
    let byte = bytes[at++]! - 0x30
    if (byte >>> 0 > 9) bail()
    next = bytes[at++]! - 0x30
    if (next >>> 0 <= 9) {
      if (byte === 0) bail()
      byte = byte * 10 + next
      next = bytes[at++]! - 0x30
      if (next >>> 0 <= 9) {
        byte = byte * 10 + next
        if (byte > 255) bail()
        next = bytes[at++]! - 0x30
      }
    }
    if (length === collected.length) collected = growScratch()
    collected[length++] = byte
  }
  if (next !== CLOSE) bail()
  cursor.at = at
  return takeScratch(length)
}

export const readPublicKey = (cursor: Cursor): Uint8Array => {
  const key = readBytes(cursor, 32)
  cursor.keys.push(key)
  return key
}

// --- internal ---

const COMMA = 0x2c - 0x30
const CLOSE = 0x5d - 0x30

/** The integer at the cursor; exact below 16 digits. */
const readDigits = (cursor: Cursor): number => {
  const { bytes } = cursor
  let at = cursor.at
  let value = bytes[at]! - 0x30
  if (value >>> 0 > 9) bail()
  let digit = bytes[++at]! - 0x30
  if (value === 0 && digit >>> 0 <= 9) bail()
  while (digit >>> 0 <= 9) {
    value = value * 10 + digit
    digit = bytes[++at]! - 0x30
  }
  cursor.at = at
  return value
}

const readLong = (cursor: Cursor, start: number): bigint => {
  if (cursor.at - start > 20) bail()
  const value = BigInt(cursor.bytes.toString("latin1", start, cursor.at))
  return value <= 0xffff_ffff_ffff_ffffn ? value : bail()
}

/** A string with a character that is escaped or not ASCII: `from` is the first such. */
const readUnusualString = (cursor: Cursor, start: number, from: number): string => {
  const { bytes } = cursor
  let at = from
  let hasEscape = false
  for (let byte = bytes[at]!; byte !== 0x22; byte = bytes[++at]!) {
    if (byte < 0x20) bail()
    if (byte === 0x5c) {
      hasEscape = true
      // Whatever is escaped, it does not end the string; but an LF is no more allowed here than elsewhere.
      if (bytes[++at]! < 0x20) bail()
    }
  }
  cursor.at = at + 1
  try {
    if (!hasEscape) return utf8.decode(bytes.subarray(start, at))
    const text = JSON.parse(utf8.decode(bytes.subarray(start - 1, at + 1))) as string
    if (text.isWellFormed()) return text
  } catch {
    // Not UTF-8 or not an escape: the strict reader says what it is.
  }
  return bail()
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
