/**
 * A message that is bytes already: one line, its LF included.
 *
 * Opaque on purpose. Only the codec makes these, from a message or from stored wire bytes, so that whatever reaches a
 * socket is a whole line of the protocol. A long line comes in pieces, so that serving stored blocks copies nothing.
 */
import type { Message } from "../Message.ts"

declare const EncodedMessage: unique symbol

export interface Encoded<out M extends Message> {
  readonly [EncodedMessage]: M
  readonly tag: M["_tag"]
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly byteLength: number
}

/** For the codec alone. */
export const encodedUnsafe = <M extends Message>(tag: M["_tag"], chunks: ReadonlyArray<Uint8Array>): Encoded<M> => {
  let byteLength = 0
  for (const chunk of chunks) byteLength += chunk.byteLength
  return { tag, chunks, byteLength } as unknown as Encoded<M>
}
