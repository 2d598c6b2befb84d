/**
 * A new wallet in a data directory: of a new key, or of the one in a wallet of `timed`.
 */
import { toUnixSeconds } from "../../protocol/Integer.ts"
import { existsSync, readFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { walletFile } from "../../layers/DataDirectory.ts"
import * as SealedWallet from "../../layers/SealedWallet.ts"
import { WALLET_TEXT } from "../../protocol/Limits.ts"
import { decodeWalletFile } from "../../protocol/WalletFile.ts"
import { failure } from "../CommandFailure.ts"
import { keep, place, type SealFlagValues, type WalletPlace } from "./StoredWallet.ts"

export const createWallet = Effect.fnUntraced(function* (flags: SealFlagValues, label: Option.Option<string>) {
  const where = yield* free(flags)
  const text = Option.getOrNull(label)
  if (text !== null && text.length > WALLET_TEXT) {
    return yield* failure("usage", `--label: at most ${WALLET_TEXT} characters`)
  }
  const now = toUnixSeconds(yield* Clock.currentTimeMillis)
  yield* keep(where, SealedWallet.generate(where.network, now, text), flags)
})

export const importWallet = Effect.fnUntraced(function* (flags: SealFlagValues, file: string) {
  const where = yield* free(flags)
  const bytes = yield* Effect.try({
    try: () => new Uint8Array(readFileSync(file)),
    catch: (error) => failure("usage", `cannot read the wallet: ${(error as Error).message}`)
  })
  const read = decodeWalletFile(bytes)
  if (Result.isFailure(read)) return yield* failure("failed", `${file} is no wallet of timed: ${read.failure.message}`)
  const wallet = read.success
  if (wallet.network.name !== where.network.name) {
    return yield* failure(
      "usage",
      `${file} is a wallet of ${wallet.network.name}; say --network ${wallet.network.name}`
    )
  }
  yield* keep(where, wallet, flags)
  yield* Console.error(`${file} still holds the key in the clear; delete it once the new wallet is backed up`)
})

// --- internal ---

/** Where a wallet can be kept. Said before anybody types a passphrase in vain. */
const free = Effect.fnUntraced(function* (flags: SealFlagValues) {
  const where: WalletPlace = yield* place(flags)
  const file = walletFile(where.dataDir)
  if (existsSync(file)) return yield* failure("failed", `${file}: it is there already, and is never overwritten`)
  return where
})
