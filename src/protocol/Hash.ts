/**
 * SHA-256 hashes: of blocks, transactions and the UTXO set.
 *
 * On the wire and in memory a hash is its 32 bytes in digest order; people see lower-case hex of the same order.
 */
import { createHash, hash as digest } from "node:crypto"
import * as Schema from "effect/Schema"
import { fixedBytes } from "./ByteArray.ts"

export const Hash256 = fixedBytes(32).pipe(Schema.brand("Hash256"))
export type Hash256 = typeof Hash256.Type

/** The hash of 32 zero bytes: "no hash" on the wire, and the parent of genesis. */
export const ZERO_HASH = new Uint8Array(32) as Hash256

export const sha256 = (bytes: Uint8Array): Hash256 => new Uint8Array(digest("sha256", bytes, "buffer")) as Hash256

/** A hash over bytes that come in parts. `update` may be called any number of times, `digest` once, at the end. */
export interface Sha256Stream {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Hash256
}

export const sha256Stream = (): Sha256Stream => {
  const hash = createHash("sha256")
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => new Uint8Array(hash.digest()) as Hash256
  }
}

/** Lower-case hex of the bytes. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")

/** The hash that 64 hex digits (of either case) spell, or `undefined` for any other text. */
export const hashFromHex = (text: string): Hash256 | undefined =>
  /^[0-9a-fA-F]{64}$/.test(text) ? (new Uint8Array(Buffer.from(text, "hex")) as Hash256) : undefined
