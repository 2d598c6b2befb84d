/**
 * Makes decoders of shapes: the compiled reader first, the strict reader for whatever it gives up on.
 */
import { isPublicKey } from "../KeyVerdicts.ts"
import { compileReader } from "./Compiler.ts"
import { BAIL, type Cursor } from "./Cursor.ts"
import type { Shape } from "./Shape.ts"
import { readStrict } from "./StrictReader.ts"
import type { WireError } from "./WireError.ts"

/** The value that `buffer[start, end)` spells. Never throws. */
export type Decode<A> = (buffer: Uint8Array, start: number, end: number) => A | WireError

export const makeDecoder = <A>(shape: Shape): Decode<A> => {
  const fast = makeFastReader<A>(shape)
  return (buffer, start, end) =>
    fast?.(buffer, start, end) ?? (readStrict(shape, asBuffer(buffer), start, end) as A | WireError)
}

/** The value of a line in canonical form; `undefined` for any other line. No reader where code generation is forbidden. */
export const makeFastReader = <A>(
  shape: Shape
): ((buffer: Uint8Array, start: number, end: number) => A | undefined) | undefined => {
  const read = compileReader(shape)
  if (read === undefined) return undefined
  const cursor: Cursor = { bytes: NO_BYTES, at: 0, keys: [] }
  return (buffer, start, end) => {
    // The readers rely on an LF behind the line. In a stream it is there.
    const isEnded = buffer[end] === 0x0a
    cursor.bytes = isEnded ? asBuffer(buffer) : withLineFeed(buffer, start, end)
    cursor.at = isEnded ? start : 0
    try {
      const value = read(cursor) as A
      const isWhole = cursor.at === (isEnded ? end : end - start)
      return isWhole && cursor.keys.every(isPublicKey) ? value : undefined
    } catch (error) {
      if (error === BAIL) return undefined
      throw error
    } finally {
      cursor.bytes = NO_BYTES
      if (cursor.keys.length > 0) cursor.keys = []
    }
  }
}

// --- internal ---

const NO_BYTES = Buffer.alloc(0)

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

const withLineFeed = (bytes: Uint8Array, start: number, end: number): Buffer => {
  const line = Buffer.allocUnsafe(end - start + 1)
  line.set(bytes.subarray(start, end))
  line[end - start] = 0x0a
  return line
}
