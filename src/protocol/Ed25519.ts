/**
 * Ed25519 keys and signatures as the network uses them.
 *
 * A public key on the wire must decompress to a curve point the way ed25519-dalek decides it: non-canonical y and the
 * sign bit of zero pass, and so do keys of small order. Verification is plain, cofactorless Ed25519 and refuses points of
 * small order, as dalek's strict form does. `timed` uses the other form, and `node:crypto` either, by the version of its
 * OpenSSL: refusing them here is what makes all timenodes agree. No honest node notices, because a key of small order
 * has no secret and anybody can sign for it.
 */
import * as crypto from "node:crypto"
import * as Schema from "effect/Schema"
import { fixedBytes } from "./ByteArray.ts"
import { toHex } from "./Hash.ts"
import { KEY_CACHE } from "./Limits.ts"

/** 32 bytes that decompress to a curve point. */
export const PublicKey = fixedBytes(32)
  .annotate({ wire: { kind: "publicKey" } })
  .pipe(Schema.brand("PublicKey"))
export type PublicKey = typeof PublicKey.Type

/** 64 bytes; whether they sign anything is another question. */
export const Signature = fixedBytes(64).pipe(Schema.brand("Signature"))
export type Signature = typeof Signature.Type

/** The 32 secret bytes that a key pair is made from. Never log one. */
export const Seed = fixedBytes(32).pipe(Schema.brand("Seed"))
export type Seed = typeof Seed.Type

/** A key pair, ready to sign. The secret cannot be read back and does not show when the pair is printed. */
export class SigningKey {
  readonly publicKey: PublicKey
  readonly #secret: crypto.KeyObject

  constructor(seed: Seed) {
    this.#secret = crypto.createPrivateKey({
      key: Buffer.concat([PKCS8_PREFIX, seed]),
      format: "der",
      type: "pkcs8"
    })
    const spki = crypto.createPublicKey(this.#secret).export({ format: "der", type: "spki" })
    this.publicKey = new Uint8Array(spki.subarray(SPKI_PREFIX.length)) as PublicKey
  }

  sign(bytes: Uint8Array): Signature {
    return new Uint8Array(crypto.sign(null, bytes, this.#secret)) as Signature
  }
}

/** True if `signature` was made over `bytes` with the secret of `publicKey`; takes 0.1 ms. Never throws. */
export const verify = (publicKey: PublicKey, bytes: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === 64 &&
  !isSmallOrder(publicKey) &&
  !isSmallOrder(signature.subarray(0, 32)) &&
  crypto.verify(null, bytes, keyObject(publicKey), signature)

/** True for the encodings of the eight points whose order divides the cofactor, reduced or not. */
export const isSmallOrder = (point: Uint8Array): boolean => {
  const y = Uint8Array.from(point)
  y[31]! &= 0x7f
  return SMALL_ORDER.has(toHex(y))
}

// --- internal ---

/** DER of a PKCS #8 private key and of an X.509 public key, up to the 32 raw bytes. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex")

/** Their y coordinates in the order of the bytes: 0, 1, the two of order 8, p - 1, and 0 and 1 with p added. */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`
])

// Importing a key costs a twentieth of a verification, and the same few keys sign most of what arrives. The map keeps
// insertion order, so that its first key is the least recently used one.
const keyObjects = new Map<string, crypto.KeyObject>()

const keyObject = (publicKey: PublicKey): crypto.KeyObject => {
  const name = toHex(publicKey)
  const known = keyObjects.get(name)
  if (known !== undefined) keyObjects.delete(name)
  const key =
    known ?? crypto.createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" })
  keyObjects.set(name, key)
  if (keyObjects.size > KEY_CACHE) keyObjects.delete(keyObjects.keys().next().value!)
  return key
}
