/**
 * Another passphrase for a wallet, or none. A running node goes on with the key it has opened.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { walletFile } from "../../layers/DataDirectory.ts"
import * as FileWallet from "../../layers/FileWallet.ts"
import * as SealedWallet from "../../layers/SealedWallet.ts"
import { failure } from "../CommandFailure.ts"
import * as Passphrase from "./Passphrase.ts"
import { fileFailure, place, type SealFlagValues, stored, walletPassphrase } from "./StoredWallet.ts"

export const changePassphrase = Effect.fnUntraced(function* (
  flags: SealFlagValues & { readonly newPassphraseFile: Option.Option<string> }
) {
  const where = yield* place(flags)
  const wallet = yield* stored(where)
  const old = SealedWallet.isSealed(wallet)
    ? yield* Passphrase.current(walletPassphrase(flags.passphraseFile))
    : Redacted.make("")
  const opened = yield* SealedWallet.open(wallet, old).pipe(
    Effect.mapError((error) =>
      error._tag === "WrongPassphrase"
        ? failure("failed", error.message)
        : failure("dataDirectory", `${walletFile(where.dataDir)}: ${error.detail}`)
    )
  )
  const next = yield* Passphrase.chosen(newPassphrase(flags.newPassphraseFile), flags.unencrypted)
  const sealed = yield* SealedWallet.seal(opened, next)
  yield* Effect.mapError(FileWallet.replace(where.dataDir, sealed), fileFailure)
  yield* Console.error("changed; back-ups made before open with the old passphrase")
})

// --- internal ---

const newPassphrase = (file: Option.Option<string>): Passphrase.PassphraseSource => ({
  file,
  flag: "new-passphrase-file",
  env: "TIME_WALLET_NEW_PASSPHRASE",
  question: "New passphrase for the wallet"
})
