import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import * as SealedWallet from "../../src/layers/SealedWallet.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { devnet, networks, testnet } from "../../src/protocol/Network.ts"
import { decodeWalletFile } from "../../src/protocol/WalletFile.ts"
import { fromHex, readVectors } from "../fixtures/Vectors.ts"

const { wallet_files } = readVectors("signatures.json")
const COST: SealedWallet.KdfCost = { n: 1_024, r: 8, p: 1 }
const passphrase = Redacted.make("fünf")

const wallet = Result.getOrThrow(decodeWalletFile(fromHex(wallet_files[0].file_hex)))
const seedHex: string = wallet_files[0].seed_hex
const sealed = SealedWallet.seal(wallet, passphrase, COST)

const decoded = (text: string) => Effect.fromResult(SealedWallet.decode(text))

/** The stored wallet with a member replaced; `path` is separated by points. */
const changed = (text: string, path: string, value: unknown): string => {
  const json = JSON.parse(text)
  const names = path.split(".")
  const holder = names.slice(0, -1).reduce((object, name) => object[name], json)
  holder[names.at(-1)!] = value
  return JSON.stringify(json)
}

/** What becomes of a stored wallet: an error's tag, or the seed. */
const outcome = (text: string, words = passphrase) =>
  decoded(text).pipe(
    Effect.flatMap((read) => SealedWallet.open(read, words)),
    Effect.match({
      onFailure: (error) => (error._tag === "InvalidWallet" ? error.reason : error._tag),
      onSuccess: ({ seed }) => toHex(Redacted.value(seed))
    })
  )

describe("SealedWallet", () => {
  it.effect("keeps every recorded wallet of timed as it was", () =>
    Effect.gen(function* () {
      for (const recorded of wallet_files) {
        const read = Result.getOrThrow(decodeWalletFile(fromHex(recorded.file_hex)))
        for (const words of [passphrase, null]) {
          const stored = SealedWallet.encode(yield* SealedWallet.seal(read, words, COST))
          const again = yield* decoded(stored)
          assert.strictEqual(again.network, networks[recorded.network.toLowerCase() as keyof typeof networks])
          const { address, createdAt, label, seed } = yield* SealedWallet.open(again, words ?? Redacted.make("any"))
          assert.deepStrictEqual(
            [address as string, createdAt, label, toHex(Redacted.value(seed))],
            [recorded.loads_as_address, BigInt(recorded.created_at), recorded.label, recorded.seed_hex]
          )
          assert.strictEqual(stored.includes(recorded.seed_hex), words === null)
        }
      }
    })
  )

  it.effect("is sealed anew every time, at the cost it says", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* sealed, yield* sealed]
      const { kdf, nonce } = JSON.parse(SealedWallet.encode(one)).secret
      const second = JSON.parse(SealedWallet.encode(other)).secret
      assert.notStrictEqual(kdf.salt, second.kdf.salt)
      assert.notStrictEqual(nonce, second.nonce)
      assert.deepInclude(kdf, { name: "scrypt", ...COST })
      assert.deepStrictEqual(SealedWallet.defaultCost, { n: 131_072, r: 8, p: 1 })
    })
  )

  it.effect("opens with its passphrase alone, however that was typed", () =>
    Effect.gen(function* () {
      const stored = SealedWallet.encode(yield* sealed)
      assert.strictEqual(yield* outcome(stored), seedHex)
      assert.strictEqual(yield* outcome(stored, Redacted.make("fu\u0308nf")), seedHex)
      for (const words of ["", "funf", "fünf ", "Fünf"]) {
        assert.strictEqual(yield* outcome(stored, Redacted.make(words)), "WrongPassphrase")
      }
    })
  )

  it.effect("does not open when anything in it was changed", () =>
    Effect.gen(function* () {
      const stored = SealedWallet.encode(yield* sealed)
      const flip = (hex: string): string => (hex.startsWith("0") ? "1" : "0") + hex.slice(1)
      const { secret } = JSON.parse(stored)
      const changes: ReadonlyArray<readonly [path: string, value: unknown, outcome: string]> = [
        ["secret.sealed", flip(secret.sealed), "WrongPassphrase"],
        ["secret.tag", flip(secret.tag), "WrongPassphrase"],
        ["secret.nonce", flip(secret.nonce), "WrongPassphrase"],
        ["secret.kdf.salt", flip(secret.kdf.salt), "WrongPassphrase"],
        ["secret.kdf.n", 2_048, "WrongPassphrase"],
        ["created_at", 5, "WrongPassphrase"],
        ["label", "Another", "WrongPassphrase"],
        ["network", wallet.network === testnet ? "mainnet" : "testnet", "Damaged"],
        ["address", wallet_files[1].address, "Damaged"],
        ["public_key", "00".repeat(32), "Damaged"],
        ["version", 3, "Version"],
        ["version", "2", "Damaged"],
        ["secret.cipher", "none", "Damaged"],
        ["secret.tag", secret.tag.slice(2), "Damaged"],
        ["label", "x".repeat(2_000), "Damaged"],
        ["secret", null, "Damaged"]
      ]
      for (const [path, value, expected] of changes) {
        assert.strictEqual(yield* outcome(changed(stored, path, value)), expected, path)
      }
      assert.strictEqual(yield* outcome(stored.slice(0, -20)), "Damaged")
      assert.strictEqual(yield* outcome(""), "Damaged")
    })
  )

  it.effect("in the clear is only believed when key and address fit", () =>
    Effect.gen(function* () {
      const stored = SealedWallet.encode(yield* SealedWallet.seal(wallet, null))
      assert.strictEqual(yield* outcome(stored), seedHex)
      assert.strictEqual(yield* outcome(changed(stored, "secret.seed", "11".repeat(32))), "Damaged")
    })
  )

  it.effect("cannot make opening take more memory than is allowed", () =>
    Effect.gen(function* () {
      const stored = SealedWallet.encode(yield* sealed)
      for (const [name, value] of [
        ["n", 2 ** 19],
        ["n", 1_000],
        ["n", 1],
        ["n", 2.5],
        ["r", 0],
        ["p", 5]
      ] as const) {
        assert.strictEqual(yield* outcome(changed(stored, `secret.kdf.${name}`, value)), "Damaged", `${name} ${value}`)
      }
    })
  )

  it.effect("shows its secret in no error", () =>
    Effect.gen(function* () {
      const stored = SealedWallet.encode(yield* SealedWallet.seal(wallet, null))
      for (const text of [changed(stored, "secret.seed", `${seedHex}0`), changed(stored, "created_at", "x")]) {
        const error = yield* Effect.flip(decoded(text))
        assert.notInclude(JSON.stringify(error) + error.message + error.stack, seedHex.slice(0, 16))
      }
    })
  )

  it.effect("of a devnet is one of the testnet, whose addresses it has", () =>
    Effect.gen(function* () {
      const made = SealedWallet.generate(devnet({ genesisTime: 0n, blockSeconds: 5n }), 5n, null)
      const read = yield* decoded(SealedWallet.encode(yield* SealedWallet.seal(made, passphrase, COST)))
      assert.strictEqual(read.network, testnet)
      assert.strictEqual((yield* SealedWallet.open(read, passphrase)).address, made.address)
    })
  )

  it("makes keys that differ", () => {
    const [one, other] = [1, 2].map(() => SealedWallet.generate(testnet, 5n, null))
    assert.notStrictEqual(one!.address, other!.address)
    assert.include(one, { network: testnet, createdAt: 5n, label: null })
  })
})
