/**
 * The wallet in `wallet.json` of the data directory.
 *
 * The file is read whenever it is needed, so that one that was made, or got another passphrase, while the node runs is
 * used at once. Only an opened key is kept, until its time is over; a file of another key does not get it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { SigningKey } from "../protocol/Ed25519.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { Wallet, WalletLocked, WalletUnavailable } from "../services/Wallet.ts"
import { walletFile } from "./DataDirectory.ts"
import * as LedgerWallet from "./LedgerWallet.ts"
import * as SealedWallet from "./SealedWallet.ts"
import * as SecretFile from "./SecretFile.ts"

/** The wallet of a data directory, of whatever network. */
export const read = Effect.fnUntraced(function* (
  dataDir: string
): Effect.fn.Return<SealedWallet.SealedWallet, WalletUnavailable> {
  const file = walletFile(dataDir)
  const bytes = yield* SecretFile.read(file).pipe(
    Effect.mapError(({ detail, reason }) =>
      reason === "Exposed" || reason === "Failed"
        ? new WalletUnavailable({ reason, file, detail })
        : new WalletUnavailable({ reason: "Damaged", file, detail: `${detail}; ${RESTORE}` })
    )
  )
  if (bytes === null) {
    return yield* new WalletUnavailable({
      reason: "Absent",
      file,
      detail: "there is no wallet; timenode wallet create makes one"
    })
  }
  const wallet = SealedWallet.decode(new TextDecoder().decode(bytes))
  if (Result.isSuccess(wallet)) return wallet.success
  const { detail, reason } = wallet.failure
  return yield* reason === "Version"
    ? new WalletUnavailable({ reason: "NewerVersion", file, detail: `${detail}; use the timenode that wrote it` })
    : new WalletUnavailable({ reason, file, detail: `${detail}; ${RESTORE}` })
})

/** The wallet of a data directory whose node is on that network. */
export const readFor = (dataDir: string, network: Network) =>
  Effect.filterOrFail(
    read(dataDir),
    (wallet) => wallet.network.addressDigit === network.addressDigit,
    (wallet) =>
      new WalletUnavailable({
        reason: "OtherNetwork",
        file: walletFile(dataDir),
        detail: `it is a wallet of ${wallet.network.name}, and the node is on ${network.name}`
      })
  )

/** Keeps a new wallet; one that is there already is never overwritten. */
export const create = (dataDir: string, wallet: SealedWallet.SealedWallet) =>
  SecretFile.create(walletFile(dataDir), new TextEncoder().encode(SealedWallet.encode(wallet)))

/** Keeps the wallet in the place of the one that is there. */
export const replace = (dataDir: string, wallet: SealedWallet.SealedWallet) =>
  SecretFile.replace(walletFile(dataDir), new TextEncoder().encode(SealedWallet.encode(wallet)))

/** The wallet of that directory. A node without the file has this layer all the same, and every use of it fails. */
export const layer = (options: { readonly dataDir: string }) =>
  Layer.effect(
    Wallet,
    Effect.gen(function* () {
      const { network } = yield* NodeConfig
      return yield* LedgerWallet.make(yield* sealedKeys(readFor(options.dataDir, network)))
    })
  )

/** Keys that are opened from what `current` gives, each time anew, and forgotten when their time is over. */
export const sealedKeys = Effect.fnUntraced(function* (
  current: Effect.Effect<SealedWallet.SealedWallet, WalletUnavailable>
) {
  let opened: { readonly key: SigningKey; readonly until: number } | null = null
  const expiry = yield* FiberHandle.make()
  // Deriving a key takes much memory: whoever tries many passphrases tries one after the other.
  const turn = yield* Semaphore.make(1)

  const openedFor = Effect.fnUntraced(function* ({ publicKey }: SealedWallet.SealedWallet) {
    // A machine that slept may ask before its timers have run.
    const now = yield* Clock.currentTimeMillis
    return opened !== null && now < opened.until && bytesEqual(opened.key.publicKey, publicKey) ? opened : null
  })
  const lock = Effect.andThen(
    Effect.sync(() => (opened = null)),
    FiberHandle.clear(expiry)
  )
  const keyOf = (wallet: SealedWallet.SealedWallet, passphrase: Redacted.Redacted) =>
    SealedWallet.open(wallet, passphrase).pipe(
      Effect.map(({ seed }) => new SigningKey(Redacted.value(seed))),
      Effect.catchTag("InvalidWallet", ({ detail }) =>
        Effect.fail(new WalletUnavailable({ reason: "Damaged", file: null, detail: `${detail}; ${RESTORE}` }))
      )
    )

  const keys: LedgerWallet.WalletKeys = {
    status: Effect.gen(function* () {
      const wallet = yield* current
      const { address, createdAt, label } = wallet
      const encrypted = SealedWallet.isSealed(wallet)
      const until = encrypted ? ((yield* openedFor(wallet))?.until ?? null) : Number.POSITIVE_INFINITY
      return { address, createdAt, label, encrypted, unlockedUntil: until }
    }),
    key: Effect.gen(function* () {
      const wallet = yield* current
      if (!SealedWallet.isSealed(wallet))
        return yield* Effect.catchTag(keyOf(wallet, NONE), "WrongPassphrase", Effect.die)
      return (yield* openedFor(wallet))?.key ?? (yield* new WalletLocked())
    }),
    unlock: Effect.fn("Wallet.unlock")(function* (passphrase, time) {
      const wallet = yield* current
      const key = yield* turn.withPermit(keyOf(wallet, passphrase))
      if (!SealedWallet.isSealed(wallet)) return
      const milliseconds = Math.min(Duration.toMillis(time), Limits.WALLET_UNLOCKED)
      opened = { key, until: (yield* Clock.currentTimeMillis) + milliseconds }
      yield* FiberHandle.run(
        expiry,
        Effect.andThen(
          Effect.sleep(milliseconds),
          Effect.sync(() => (opened = null))
        )
      )
    }),
    lock
  }
  return keys
})

// --- internal ---

const RESTORE = "restore it from a back-up"

const NONE = Redacted.make("")
