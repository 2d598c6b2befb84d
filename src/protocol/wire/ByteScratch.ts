/**
 * Where bytes are collected while their number is not known yet. One place for all readers, as none is interrupted by
 * another.
 *
 * What a long value needed is given back when a value is taken, down to `KEPT` bytes.
 */

/** The bytes collected so far are the first of these; their number is the reader's to know. */
export const scratch = { bytes: new Uint8Array(1024) }

/** Makes room for more, and returns the new bytes. */
export const growScratch = (): Uint8Array<ArrayBuffer> => {
  const grown = new Uint8Array(scratch.bytes.length * 2)
  grown.set(scratch.bytes)
  scratch.bytes = grown
  return grown
}

/** The first `length` bytes, in an array of their own. */
export const takeScratch = (length: number): Uint8Array => {
  if (length === 0) return NO_BYTES
  const taken = scratch.bytes.slice(0, length)
  if (scratch.bytes.length > KEPT) scratch.bytes = new Uint8Array(KEPT)
  return taken
}

// --- internal ---

const NO_BYTES = new Uint8Array(0)
const KEPT = 64 * 1024
