import { assert, describe, it } from "@effect/vitest"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, type FileSystem, Option, Redacted } from "effect"
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CommandFailure } from "../../src/cli/CommandFailure.ts"
import { createWallet, importWallet } from "../../src/cli/programs/CreateWallet.ts"
import { paidToWallet } from "../../src/cli/programs/RewardAddress.ts"
import type { SealFlagValues } from "../../src/cli/programs/StoredWallet.ts"
import { printAddress, printWalletInfo } from "../../src/cli/programs/WalletInfo.ts"
import * as FileWallet from "../../src/layers/FileWallet.ts"
import * as SealedWallet from "../../src/layers/SealedWallet.ts"
import { mainnet } from "../../src/protocol/Network.ts"
import { defaults } from "../../src/services/NodeConfig.ts"
import { readVectors } from "../fixtures/Vectors.ts"
import { aliceWallet } from "../services/WalletSuite.ts"
import { scratch, timenode } from "../support/timenode.ts"

const [recorded] = readVectors("signatures.json").wallet_files
const file = Buffer.from(recorded.file_hex, "hex")
const network: string = recorded.network.toLowerCase()

/** Runs the program with passphrases from the environment. */
const wallet = (home: string, args: ReadonlyArray<string>, passphrase?: string, next?: string) =>
  timenode(home, ["wallet", ...args], {
    env: {
      ...(passphrase === undefined ? {} : { TIME_WALLET_PASSPHRASE: passphrase }),
      ...(next === undefined ? {} : { TIME_WALLET_NEW_PASSPHRASE: next })
    }
  })

const fileOf = (home: string): string => join(home, ".timecoin/timenode/testnet/wallet.json")

/** Runs a command in this process: how it ends, and what it prints to standard output. */
const program = <E>(command: Effect.Effect<void, E, FileSystem.FileSystem>) => {
  const printed: Array<string> = []
  const terminal = { ...globalThis.console, log: (line: string) => printed.push(line), error: () => {} }
  return Effect.result(command).pipe(
    Effect.map((result) => ({ result, printed: printed.join("\n") })),
    Effect.provideService(Console.Console, terminal as Console.Console),
    Effect.provide(NodeFileSystem.layer)
  )
}

/** Flags for a data directory. */
const flags = (dataDir: string, changes: Partial<SealFlagValues> = {}) => ({
  config: Option.none(),
  network: Option.none(),
  dataDir: Option.some(dataDir),
  passphraseFile: Option.none(),
  newPassphraseFile: Option.none(),
  unencrypted: true,
  ...changes
})

/** The reason and text of a command's failure. */
const failed = <E>(command: Effect.Effect<void, E, FileSystem.FileSystem>) =>
  Effect.map(program(command), ({ printed, result }) => {
    assert.strictEqual(printed, "")
    if (result._tag === "Success" || !(result.failure instanceof CommandFailure)) return assert.fail("it did not fail")
    return [result.failure.reason, result.failure.detail] as const
  })

describe("timenode wallet", { concurrent: true }, () => {
  it.live("makes a wallet, says its address, and opens it with its passphrase alone", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const created = yield* wallet(home, ["create", "--label", "Mine"], "one")
      assert.strictEqual(created.code, 0, created.stderr)
      assert.match(created.stdout, /^TIME0[1-9A-Za-z]{24,33}\n$/)
      assert.strictEqual(statSync(fileOf(home)).mode & 0o777, 0o600)
      const wrong = yield* wallet(home, ["change-passphrase"], "two", "three")
      assert.deepStrictEqual([wrong.code, wrong.stderr], [1, "timenode: the passphrase is not that of the wallet\n"])
      assert.strictEqual((yield* wallet(home, ["change-passphrase"], "one", "three")).code, 0)
      const stored = yield* FileWallet.read(join(fileOf(home), ".."))
      const { address } = yield* SealedWallet.open(stored, Redacted.make("three"))
      assert.strictEqual(created.stdout, `${address}\n`)
    })
  )

  it.live("ends with the codes that scripts rely on", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const unasked = yield* wallet(home, ["create"])
      assert.deepStrictEqual([unasked.code, unasked.stdout], [2, ""])
      assert.include(unasked.stderr, "set TIME_WALLET_PASSPHRASE, use --passphrase-file, or run it at a terminal")
      mkdirSync(join(fileOf(home), ".."), { recursive: true })
      writeFileSync(fileOf(home), "{}", { mode: 0o600 })
      const damaged = yield* wallet(home, ["address"])
      assert.deepStrictEqual([damaged.code, damaged.stdout], [5, ""])
      assert.match(damaged.stderr, /wallet\.json: it is not a wallet in JSON; restore it from a back-up\n$/)
    })
  )

  it.live("describes a wallet, and never makes one in the place of another", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      assert.deepStrictEqual(yield* failed(printAddress(flags(dataDir))), [
        "failed",
        `${join(dataDir, "wallet.json")}: there is no wallet; timenode wallet create makes one`
      ])
      const { printed } = yield* program(createWallet(flags(dataDir), Option.some("Mine")))
      assert.strictEqual((yield* program(printAddress(flags(dataDir)))).printed, printed)
      const info = yield* program(printWalletInfo(flags(dataDir)))
      assert.match(info.printed, /^network: testnet\naddress: TIME0.*\npublic-key: [0-9a-f]{64}\ncreated: 20.*Z\n/)
      assert.match(info.printed, /\nlabel: Mine\nencrypted: no$/)
      const [reason, detail] = yield* failed(createWallet(flags(dataDir), Option.none()))
      assert.deepStrictEqual([reason, detail.includes("never overwritten")], ["failed", true])
      const onMainnet = flags(dataDir, { network: Option.some("mainnet") })
      assert.deepStrictEqual((yield* failed(printAddress(onMainnet)))[0], "dataDirectory")
      chmodSync(join(dataDir, "wallet.json"), 0o644)
      assert.match((yield* failed(printAddress(flags(dataDir))))[1], /others may read it \(mode 644\); chmod 600/)
    })
  )

  it.live("takes the key of a timed, and leaves its file alone", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      const old = join(dataDir, "time-wallet.dat")
      writeFileSync(old, file)
      const on = (name: string) => flags(dataDir, { network: Option.some(name) })
      const elsewhere = yield* failed(importWallet(on(network === "testnet" ? "mainnet" : "testnet"), old))
      assert.strictEqual(elsewhere[0], "usage")
      assert.include(elsewhere[1], `is a wallet of ${network}; say --network ${network}`)
      writeFileSync(old, file.subarray(0, 70))
      assert.match(
        (yield* failed(importWallet(on(network), old)))[1],
        /is no wallet of timed: the file ends too early$/
      )
      writeFileSync(old, file)
      assert.strictEqual((yield* program(importWallet(on(network), old))).printed, recorded.address)
      assert.isTrue(readFileSync(old).equals(file))
    })
  )

  it.live("takes a passphrase from the first line of a file, and none only when told to", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      const words = join(dataDir, "words")
      const sealed = flags(dataDir, { unencrypted: false, passphraseFile: Option.some(words) })
      assert.strictEqual((yield* failed(createWallet(sealed, Option.none())))[0], "usage")
      writeFileSync(words, "\nsecond line")
      assert.include((yield* failed(createWallet(sealed, Option.none())))[1], "--unencrypted")
      const both = flags(dataDir, { passphraseFile: Option.some(words) })
      assert.strictEqual((yield* failed(createWallet(both, Option.none())))[0], "usage")
      writeFileSync(words, "first line\r\nsecond line")
      yield* program(createWallet(sealed, Option.none()))
      const opened = yield* SealedWallet.open(yield* FileWallet.read(dataDir), Redacted.make("first line"))
      assert.strictEqual((yield* program(printAddress(sealed))).printed, opened.address)
    })
  )
})

describe("a masternode", () => {
  it.live("is paid to its wallet, unless another address is configured", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      const node = { ...defaults, dataDir, masternode: { ...defaults.masternode, enabled: true } }
      assert.strictEqual((yield* paidToWallet(node)).masternode.rewardAddress, "")
      const alice = yield* aliceWallet(null)
      yield* FileWallet.create(dataDir, alice)
      assert.strictEqual((yield* paidToWallet(node)).masternode.rewardAddress, alice.address)
      const elsewhere = { ...node, masternode: { ...node.masternode, rewardAddress: "TIME0elsewhere" } }
      assert.deepStrictEqual(yield* paidToWallet(elsewhere), elsewhere)
      const none = { ...node, masternode: { ...node.masternode, enabled: false } }
      assert.deepStrictEqual(yield* paidToWallet(none), none)
      assert.include(yield* Effect.flip(paidToWallet({ ...node, network: mainnet })), { reason: "dataDirectory" })
    })
  )
})
