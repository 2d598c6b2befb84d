/**
 * The wallet file of `timed`, version 1: one key pair, in the clear.
 *
 * `timed` believes whatever the file says. Here a file is only read if its public key and address are those of its
 * secret: anything else is damage, and money sent to such an address would be lost.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Address, addressOf } from "./Address.ts"
import { bytesEqual } from "./ByteArray.ts"
import { type Seed, SigningKey } from "./Ed25519.ts"
import { mainnet, type Network, testnet } from "./Network.ts"

export interface WalletFile {
  readonly network: Network
  /** What the key pair is made from; does not show when printed. */
  readonly seed: Redacted.Redacted<Seed>
  readonly address: Address
  /** Unix time in seconds. */
  readonly createdAt: bigint
  readonly label: string | null
}

/** Bytes that are no wallet we can use, and why. Reading them again does not help. */
export class InvalidWalletFile extends Schema.TaggedError<InvalidWalletFile>()("InvalidWalletFile", {
  reason: Schema.Literals(["Truncated", "Version", "Network", "Text", "PublicKey", "Address"])
}) {
  override get message(): string {
    return REASONS[this.reason]
  }
}

/** Reads the bytes of a wallet file. Bytes after the wallet are ignored, as `timed` does. */
export const decodeWalletFile = (bytes: Uint8Array): Result.Result<WalletFile, InvalidWalletFile> => {
  try {
    return Result.succeed(read(new Cursor(bytes)))
  } catch (error) {
    if (error instanceof InvalidWalletFile) return Result.fail(error)
    throw error
  }
}

// --- internal ---

const REASONS: Readonly<Record<InvalidWalletFile["reason"], string>> = {
  Truncated: "the file ends too early",
  Version: "the file is not of version 1",
  Network: "the file names no known network",
  Text: "a text in the file is damaged",
  PublicKey: "the public key in the file is not that of its secret key",
  Address: "the address in the file is not that of its key and network"
}

/** Networks by their number in the file. */
const NETWORKS: ReadonlyArray<Network> = [mainnet, testnet]

const read = (cursor: Cursor): WalletFile => {
  if (cursor.u32() !== 1) throw new InvalidWalletFile({ reason: "Version" })
  const network = NETWORKS[cursor.u32()]
  if (network === undefined) throw new InvalidWalletFile({ reason: "Network" })
  const seed = cursor.take(32) as Seed
  const publicKey = cursor.take(32)
  const address = cursor.text()
  const createdAt = cursor.i64()
  const label = cursor.optionalText()

  const key = new SigningKey(seed)
  if (!bytesEqual(key.publicKey, publicKey)) throw new InvalidWalletFile({ reason: "PublicKey" })
  const own = addressOf(key.publicKey, network)
  if (own !== address) throw new InvalidWalletFile({ reason: "Address" })
  return { network, seed: Redacted.make(seed), address: own, createdAt, label }
}

/** Reads bincode from front to back; throws {@link InvalidWalletFile}. */
class Cursor {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  take(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.slice(start, this.#offset)
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true)
  }

  text(): string {
    const length = Number(this.#view.getBigUint64(this.#advance(8), true))
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(length))
    } catch (error) {
      throw error instanceof InvalidWalletFile ? error : new InvalidWalletFile({ reason: "Text" })
    }
  }

  optionalText(): string | null {
    switch (this.take(1)[0]) {
      case 0:
        return null
      case 1:
        return this.text()
      default:
        throw new InvalidWalletFile({ reason: "Text" })
    }
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) throw new InvalidWalletFile({ reason: "Truncated" })
    this.#offset += length
    return start
  }
}
