/**
 * Addresses: `TIME`, the digit of the network, and base58 of 20 bytes of key hash and 4 bytes of checksum.
 *
 * Most have 38 characters, some 37, fewer are possible. The checksum does not cover the digit, so the same key has an
 * address on either network. An output is paid to an address by carrying its ASCII as script.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { bytesEqual, concatBytes } from "./ByteArray.ts"
import type { PublicKey } from "./Ed25519.ts"
import { sha256 } from "./Hash.ts"
import { type Network, type NetworkName, networks } from "./Network.ts"

/** The text of a well-formed address. */
export type Address = string & { readonly Address: unique symbol }

/** An address taken apart. */
export interface ParsedAddress {
  readonly address: Address
  readonly network: NetworkName
  /** The first 20 bytes of the SHA-256 of the public key. */
  readonly keyHash: Uint8Array
}

/** Text that is no address, and what is wrong with it. Trying again does not help. */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>()("InvalidAddress", {
  reason: Schema.Literals(["Length", "Prefix", "Network", "Base58", "Payload", "Checksum"])
}) {
  override get message(): string {
    return REASONS[this.reason]
  }
}

/** The address that a public key is paid at. */
export const addressOf = (publicKey: PublicKey, network: Network): Address => {
  const keyHash = sha256(publicKey).subarray(0, KEY_HASH_BYTES)
  return `${PREFIX}${network.addressDigit}${base58(concatBytes(keyHash, checksum(keyHash)))}` as Address
}

/** Reads an address of either network. */
export const parseAddress = (text: string): Result.Result<ParsedAddress, InvalidAddress> => {
  if (text.length < MIN_LENGTH || text.length > MAX_LENGTH) return invalid("Length")
  if (!text.startsWith(PREFIX)) return invalid("Prefix")
  const network = Object.values(networks).find(({ addressDigit }) => addressDigit === text[PREFIX.length])
  if (network === undefined) return invalid("Network")
  const payload = fromBase58(text.slice(PREFIX.length + 1))
  if (payload === undefined) return invalid("Base58")
  if (payload.length !== KEY_HASH_BYTES + CHECKSUM_BYTES) return invalid("Payload")
  const keyHash = payload.subarray(0, KEY_HASH_BYTES)
  if (!bytesEqual(payload.subarray(KEY_HASH_BYTES), checksum(keyHash))) return invalid("Checksum")
  return Result.succeed({ address: text as Address, network: network.name, keyHash })
}

/** True of an address of that network. Those of a devnet are the testnet's. */
export const belongsTo = ({ address }: ParsedAddress, { addressDigit }: Network): boolean =>
  address[PREFIX.length] === addressDigit

/** The script that pays to an address. */
export const addressScript = (address: string): Uint8Array => utf8.encode(address)

/**
 * The text of a script, as it stands in the `address` of an output. Bytes that are not UTF-8 become U+FFFD, and a byte
 * order mark stays, because every node must read the same text.
 */
export const scriptText = (script: Uint8Array): string => lossyUtf8.decode(script)

// --- internal ---

const PREFIX = "TIME"
const KEY_HASH_BYTES = 20
const CHECKSUM_BYTES = 4
/** 24 zero bytes are 24 characters of base58, 24 bytes of 255 are 33. */
const MIN_LENGTH = PREFIX.length + 1 + 24
const MAX_LENGTH = PREFIX.length + 1 + 33

const REASONS: Readonly<Record<InvalidAddress["reason"], string>> = {
  Length: `an address has ${MIN_LENGTH} to ${MAX_LENGTH} characters`,
  Prefix: `an address starts with ${PREFIX}`,
  Network: `the character after ${PREFIX} names no network`,
  Base58: "a character is not base58",
  Payload: "an address holds 24 bytes",
  Checksum: "the checksum does not match"
}

const invalid = (reason: InvalidAddress["reason"]) => Result.fail(new InvalidAddress({ reason }))

const utf8 = new TextEncoder()
const lossyUtf8 = new TextDecoder("utf-8", { ignoreBOM: true })

const checksum = (keyHash: Uint8Array): Uint8Array => sha256(sha256(keyHash)).subarray(0, CHECKSUM_BYTES)

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

/** Base58: the number that the bytes are, after one "1" for each leading zero byte. */
const base58 = (bytes: Uint8Array): string => {
  const zeros = leading(bytes, 0)
  let digits = ""
  for (let rest = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n); rest > 0n; rest /= 58n) {
    digits = ALPHABET[Number(rest % 58n)] + digits
  }
  return "1".repeat(zeros) + digits
}

const fromBase58 = (text: string): Uint8Array | undefined => {
  const digits = Array.from(text, (character) => ALPHABET.indexOf(character))
  if (digits.includes(-1)) return undefined
  const bytes: Array<number> = []
  for (let rest = digits.reduce((sum, digit) => sum * 58n + BigInt(digit), 0n); rest > 0n; rest /= 256n) {
    bytes.unshift(Number(rest % 256n))
  }
  return concatBytes(new Uint8Array(leading(digits, 0)), Uint8Array.from(bytes))
}

const leading = (values: ArrayLike<number>, value: number): number => {
  let count = 0
  while (count < values.length && values[count] === value) count++
  return count
}
