/**
 * Where bytes stop being UTF-8.
 */

/** Position of the first byte that does not belong to well-formed UTF-8, or -1. */
export const firstInvalidByte = (bytes: Uint8Array, start: number, end: number): number =>
  isUtf8(bytes.subarray(start, end)) ? -1 : findInvalid(bytes, start, end)

// --- internal ---

const decoder = new TextDecoder("utf-8", { fatal: true })

/** The platform decides much faster than a loop here, but does not say where. */
const isUtf8 = (bytes: Uint8Array): boolean => {
  try {
    decoder.decode(bytes)
    return true
  } catch {
    return false
  }
}

const findInvalid = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  while (at < end) {
    const lead = bytes[at]!
    if (lead < 0x80) {
      at++
      continue
    }
    const length = sequenceLength(lead)
    if (length === 0 || at + length > end || !isSecond(lead, bytes[at + 1]!)) return at
    for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return at
    at += length
  }
  return -1
}

const sequenceLength = (lead: number): number =>
  lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0

/** The second byte alone tells overlong forms, surrogates and points beyond U+10FFFF. */
const isSecond = (lead: number, second: number): boolean => {
  switch (lead) {
    case 0xe0:
      return second >= 0xa0 && second <= 0xbf
    case 0xed:
      return second >= 0x80 && second <= 0x9f
    case 0xf0:
      return second >= 0x90 && second <= 0xbf
    case 0xf4:
      return second >= 0x80 && second <= 0x8f
    default:
      return second >= 0x80 && second <= 0xbf
  }
}
