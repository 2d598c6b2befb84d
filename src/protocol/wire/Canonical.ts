/**
 * What the node makes of a line, as text: the canonical form of it, or why it is none.
 */
import { decode, encodeText } from "./Wire.ts"

/** The canonical line of `buffer[start, end)`, or `error: …`. */
export const canonicalLine = (buffer: Uint8Array, start = 0, end = buffer.length): string => {
  const message = decode(buffer, start, end)
  return message._tag === "WireError" ? `error: ${message.message}` : encodeText(message)
}
