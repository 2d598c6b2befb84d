import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import * as fs from "node:fs"
import { join } from "node:path"
import * as FileWallet from "../../src/layers/FileWallet.ts"
import * as SealedWallet from "../../src/layers/SealedWallet.ts"
import * as SecretFile from "../../src/layers/SecretFile.ts"
import { mainnet } from "../../src/protocol/Network.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { Wallet } from "../../src/services/Wallet.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { aliceWallet, PASSPHRASE, walletSuite } from "../services/WalletSuite.ts"

walletSuite("FileWallet", (wallet) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      if (wallet !== null) yield* FileWallet.create(dataDir, wallet)
      return FileWallet.layer({ dataDir })
    })
  )
)

/** A data directory that is not there yet, and its wallet's file. */
const place = Effect.map(temporaryFolder, (folder) => {
  const dataDir = join(folder, "a", "b")
  return { dataDir, file: join(dataDir, "wallet.json") }
})

const reasonOf = (dataDir: string) => Effect.map(Effect.flip(FileWallet.read(dataDir)), ({ reason }) => reason)

describe("wallet.json", () => {
  it.effect("is its owner's alone, whole, and never made twice", () =>
    Effect.gen(function* () {
      const { dataDir, file } = yield* place
      const wallet = yield* aliceWallet(PASSPHRASE)
      assert.strictEqual(yield* reasonOf(dataDir), "Absent")
      yield* FileWallet.create(dataDir, wallet)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* FileWallet.read(dataDir), wallet)

      const other = yield* aliceWallet(null)
      assert.include(yield* Effect.flip(FileWallet.create(dataDir, other)), { reason: "Exists" })
      assert.deepStrictEqual(yield* FileWallet.read(dataDir), wallet)
      yield* FileWallet.replace(dataDir, other)
      assert.deepStrictEqual(yield* FileWallet.read(dataDir), other)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.deepStrictEqual(fs.readdirSync(dataDir), ["wallet.json"])
    })
  )

  it.effect("is not read when others can read it", () =>
    Effect.gen(function* () {
      const { dataDir, file } = yield* place
      yield* FileWallet.create(dataDir, yield* aliceWallet(PASSPHRASE))
      for (const mode of [0o640, 0o604, 0o666, 0o601]) {
        fs.chmodSync(file, mode)
        const error = yield* Effect.flip(FileWallet.read(dataDir))
        assert.strictEqual(error.reason, "Exposed")
        assert.match(error.message, /wallet\.json: .*chmod 600/)
      }
      fs.chmodSync(file, 0o400)
      yield* FileWallet.read(dataDir)
    })
  )

  it.effect("that is damaged, wherever it ends, is named and left alone", () =>
    Effect.gen(function* () {
      const { dataDir, file } = yield* place
      yield* FileWallet.create(dataDir, yield* aliceWallet(PASSPHRASE))
      const whole = fs.readFileSync(file)
      for (let length = 0; length < whole.length - 2; length += 13) {
        fs.writeFileSync(file, whole.subarray(0, length))
        assert.strictEqual(yield* reasonOf(dataDir), "Damaged", `${length} bytes`)
        assert.strictEqual(fs.readFileSync(file).length, length)
      }
      fs.writeFileSync(file, Buffer.alloc(100_000, 32))
      assert.strictEqual(yield* reasonOf(dataDir), "Damaged")
      fs.writeFileSync(file, '{"version":9}')
      assert.strictEqual(yield* reasonOf(dataDir), "NewerVersion")
      fs.rmSync(file)
      fs.mkdirSync(file, 0o700)
      assert.strictEqual(yield* reasonOf(dataDir), "Failed")
    })
  )

  it.effect("leaves nothing behind when it cannot be written", () =>
    Effect.gen(function* () {
      const { dataDir, file } = yield* place
      fs.mkdirSync(file, { recursive: true })
      assert.include(yield* Effect.flip(SecretFile.replace(file, new Uint8Array(3))), { reason: "Failed" })
      assert.deepStrictEqual(fs.readdirSync(dataDir), ["wallet.json"])
    })
  )

  it.effect("is used as it is now, not as it was at start", () =>
    Effect.gen(function* () {
      const { dataDir, file } = yield* place
      const services = FileWallet.layer({ dataDir }).pipe(Layer.provideMerge(MockNode.layer))
      yield* Effect.gen(function* () {
        const wallet = yield* Wallet
        assert.include(yield* Effect.flip(wallet.status), { reason: "Absent" })
        yield* FileWallet.create(dataDir, yield* aliceWallet(PASSPHRASE))
        yield* wallet.unlock(PASSPHRASE, Duration.minutes(1))
        assert.isNotNull((yield* wallet.status).unlockedUntil)
        // Another wallet in its place is not opened by the key of the first.
        const other = SealedWallet.generate((yield* NodeConfig).network, 0n, null)
        yield* FileWallet.replace(dataDir, yield* SealedWallet.seal(other, PASSPHRASE, { n: 2, r: 1, p: 1 }))
        assert.deepInclude(yield* wallet.status, { address: other.address, unlockedUntil: null })
        fs.rmSync(file)
        assert.include(yield* Effect.flip(wallet.status), { reason: "Absent" })
      }).pipe(Effect.provide(services, { local: true }))
    })
  )

  it.effect("of another network is not used", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* place
      yield* FileWallet.create(dataDir, yield* aliceWallet(null))
      const services = FileWallet.layer({ dataDir }).pipe(
        Layer.provide(NodeConfig.layerTest({ network: mainnet })),
        Layer.provide(MockNode.layer)
      )
      const wallet = yield* Wallet.pipe(Effect.provide(services, { local: true }))
      assert.include(yield* Effect.flip(wallet.status), { reason: "OtherNetwork" })
      const unlocked = yield* Effect.flip(wallet.unlock(Redacted.make("x"), Duration.seconds(1)))
      assert.include(unlocked, { reason: "OtherNetwork" })
    })
  )
})
