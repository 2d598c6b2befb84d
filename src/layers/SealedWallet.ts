/**
 * What `wallet.json` holds: version 2 of the wallet file, JSON, its secret sealed under a passphrase.
 *
 * The key is derived by scrypt and seals the seed with AES-256-GCM, whose tag covers everything else in the file as well.
 * Address and public key stand in the clear, so that balances need no passphrase, and are compared with the seed whenever
 * it is opened. The parameters of scrypt are in the file: they can be raised without a new version.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Address, addressOf } from "../protocol/Address.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type PublicKey, type Seed, SigningKey } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import { mainnet, type Network, networks } from "../protocol/Network.ts"
import type { WalletFile } from "../protocol/WalletFile.ts"
import { WrongPassphrase } from "../services/Wallet.ts"

/** A wallet as it is stored. */
export interface SealedWallet {
  readonly network: Network
  readonly address: Address
  readonly publicKey: PublicKey
  /** Unix time in seconds. */
  readonly createdAt: bigint
  readonly label: string | null
  /** In the clear when the operator chose that. */
  readonly secret: ClearSecret | SealedSecret
}

/** Text that is no wallet we can use. `Version` of one that a newer timenode wrote. Reading it again does not help. */
export class InvalidWallet extends Schema.TaggedError<InvalidWallet>()("InvalidWallet", {
  reason: Schema.Literals(["Version", "Damaged"]),
  detail: Schema.String
}) {}

/** What deriving the key costs. */
export interface KdfCost {
  /** A power of two. Memory is 128 × n × r bytes. */
  readonly n: number
  readonly r: number
  readonly p: number
}

/** 128 MiB and a third of a second. */
export const defaultCost: KdfCost = { n: 2 ** 17, r: 8, p: 1 }

/** A new wallet, whose seed is random. `createdAt` is Unix time in seconds. */
export const generate = (network: Network, createdAt: bigint, label: string | null): WalletFile => {
  const seed = new Uint8Array(randomBytes(32)) as Seed
  const address = addressOf(new SigningKey(seed).publicKey, network)
  return { network, seed: Redacted.make(seed), address, createdAt, label }
}

/** Seals a wallet under a passphrase; null leaves its secret in the clear. */
export const seal = Effect.fnUntraced(function* (
  wallet: WalletFile,
  passphrase: Redacted.Redacted | null,
  cost: KdfCost = defaultCost
): Effect.fn.Return<SealedWallet> {
  const { address, createdAt, label, network } = wallet
  const seed = Redacted.value(wallet.seed)
  const described = { network, address, publicKey: new SigningKey(seed).publicKey, createdAt, label }
  if (passphrase === null) return { ...described, secret: { seed: toHex(seed) } }
  const kdf = { name: "scrypt", ...cost, salt: toHex(randomBytes(SALT_BYTES)) } as const
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, yield* derive(passphrase, kdf), nonce)
  cipher.setAAD(associated(described, kdf))
  const sealed = Buffer.concat([cipher.update(seed), cipher.final()])
  const secret = { kdf, cipher: CIPHER, nonce: toHex(nonce), sealed: toHex(sealed), tag: toHex(cipher.getAuthTag()) }
  return { ...described, secret }
})

/** The wallet with its seed. One without passphrase opens with any. */
export const open = Effect.fnUntraced(function* (
  wallet: SealedWallet,
  passphrase: Redacted.Redacted
): Effect.fn.Return<WalletFile, WrongPassphrase | InvalidWallet> {
  const { address, createdAt, label, network, publicKey } = wallet
  const seed = yield* seedOf(wallet, passphrase)
  const own = new SigningKey(seed).publicKey
  if (!bytesEqual(own, publicKey)) return yield* damaged("the public key is not that of its secret key")
  if (addressOf(own, network) !== address) return yield* damaged("the address is not that of its key and network")
  return { network, seed: Redacted.make(seed), address, createdAt, label }
})

export const isSealed = ({ secret }: SealedWallet): boolean => "kdf" in secret

/** The text of `wallet.json`. */
export const encode = (wallet: SealedWallet): string => {
  const { address, createdAt, label, network, publicKey, secret } = wallet
  const stored = {
    version: VERSION,
    network: storedName(network),
    address,
    public_key: toHex(publicKey),
    created_at: Number(createdAt),
    label,
    secret
  } satisfies typeof Stored.Type
  return `${JSON.stringify(stored, null, 2)}\n`
}

/** Reads the text of `wallet.json`; whether its secret fits shows when it is opened. */
export const decode = (text: string): Result.Result<SealedWallet, InvalidWallet> => {
  const json = Option.getOrUndefined(parseJson(text))
  const version = Option.getOrUndefined(versionOf(json))?.version
  if (version === undefined) return Result.fail(damaged("it is not a wallet in JSON"))
  if (version !== VERSION) {
    return Result.fail(new InvalidWallet({ reason: "Version", detail: `it is a wallet of version ${version}` }))
  }
  return Result.mapBoth(decodeStored(json), {
    // What a schema says of a value shows it, and here that may be the secret.
    onFailure: () => damaged("its fields are not those of a wallet"),
    onSuccess: ({ address, created_at, label, network, public_key, secret }) => ({
      network: networks[network],
      address: address as Address,
      publicKey: fromHex(public_key) as PublicKey,
      createdAt: BigInt(created_at),
      label,
      secret
    })
  }).pipe(
    Result.flatMap((wallet) =>
      addressOf(wallet.publicKey, wallet.network) === wallet.address
        ? Result.succeed(wallet)
        : Result.fail(damaged("the address is not that of its key and network"))
    )
  )
}

// --- internal ---

const VERSION = 2
const CIPHER = "aes-256-gcm" as const
const SALT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

const hexOf = (bytes: number) => Schema.String.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)))

const Kdf = Schema.Struct({
  name: Schema.Literal("scrypt"),
  n: Schema.Int.check(
    Schema.makeFilter((n) => (n >= 2 && Number.isInteger(Math.log2(n))) || "expected a power of two")
  ),
  r: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 })),
  p: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
  salt: hexOf(SALT_BYTES)
}).check(
  Schema.makeFilter(
    ({ n, r }) => 128 * n * r <= Limits.WALLET_KDF_MEMORY || "expected less memory to derive the key with"
  )
)
type Kdf = typeof Kdf.Type

const ClearSecret = Schema.Struct({ seed: hexOf(32) })
type ClearSecret = typeof ClearSecret.Type

const SealedSecret = Schema.Struct({
  kdf: Kdf,
  cipher: Schema.Literal(CIPHER),
  nonce: hexOf(NONCE_BYTES),
  sealed: hexOf(32),
  tag: hexOf(TAG_BYTES)
})
type SealedSecret = typeof SealedSecret.Type

const Stored = Schema.Struct({
  version: Schema.Literal(VERSION),
  network: Schema.Literals(["testnet", "mainnet"]),
  address: Schema.String,
  public_key: hexOf(32),
  created_at: Schema.Int,
  label: Schema.NullOr(Schema.String.check(Schema.isMaxLength(Limits.WALLET_TEXT))),
  secret: Schema.Union([SealedSecret, ClearSecret])
})

const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const versionOf = Schema.decodeUnknownOption(Schema.Struct({ version: Schema.Int }))
const decodeStored = Schema.decodeUnknownResult(Stored)

const damaged = (detail: string): InvalidWallet => new InvalidWallet({ reason: "Damaged", detail })

/** A devnet's addresses are those of the testnet, and so are its wallets. */
const storedName = ({ addressDigit }: Network) => (addressDigit === mainnet.addressDigit ? "mainnet" : "testnet")

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))

const seedOf = Effect.fnUntraced(function* ({ secret, ...described }: SealedWallet, passphrase: Redacted.Redacted) {
  if ("seed" in secret) return fromHex(secret.seed) as Seed
  const decipher = createDecipheriv(CIPHER, yield* derive(passphrase, secret.kdf), fromHex(secret.nonce))
  decipher.setAAD(associated(described, secret.kdf))
  decipher.setAuthTag(fromHex(secret.tag))
  return yield* Effect.try({
    try: () => new Uint8Array(Buffer.concat([decipher.update(fromHex(secret.sealed)), decipher.final()])) as Seed,
    // A damaged file looks the same: only the tag says that anything is wrong.
    catch: () => new WrongPassphrase()
  })
})

/** What the tag covers beside the seed. */
const associated = (
  { address, createdAt, label, network, publicKey }: Omit<SealedWallet, "secret">,
  { n, name, p, r, salt }: Kdf
): Uint8Array =>
  Buffer.from(
    JSON.stringify([
      VERSION,
      storedName(network),
      address,
      toHex(publicKey),
      `${createdAt}`,
      label,
      name,
      n,
      r,
      p,
      salt
    ])
  )

/** Runs on a thread of its own. The same passphrase typed on another keyboard is the same here. */
const derive = (passphrase: Redacted.Redacted, { n, p, r, salt }: Kdf): Effect.Effect<Uint8Array> =>
  Effect.callback((resume) => {
    const options = { N: n, r, p, maxmem: 2 * Limits.WALLET_KDF_MEMORY }
    scrypt(Redacted.value(passphrase).normalize("NFKC"), fromHex(salt), KEY_BYTES, options, (error, key) =>
      resume(error === null ? Effect.succeed(new Uint8Array(key)) : Effect.die(error))
    )
  })
