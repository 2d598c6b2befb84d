/**
 * The wallet in a data directory, whose node may be running or not, and what may keep it from being used.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { walletFile } from "../../layers/DataDirectory.ts"
import * as FileWallet from "../../layers/FileWallet.ts"
import * as SealedWallet from "../../layers/SealedWallet.ts"
import type { SecretFileError } from "../../layers/SecretFile.ts"
import type { Network } from "../../protocol/Network.ts"
import type { WalletFile } from "../../protocol/WalletFile.ts"
import type { WalletUnavailable } from "../../services/Wallet.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { readConfig } from "../config/ReadConfig.ts"
import * as Passphrase from "./Passphrase.ts"

/** Flags of commands that seal a wallet. */
export interface SealFlagValues extends StorageFlagValues {
  readonly passphraseFile: Option.Option<string>
  readonly unencrypted: boolean
}

/** Where the wallet of a node is. */
export interface WalletPlace {
  readonly dataDir: string
  readonly network: Network
}

export const place = Effect.fnUntraced(function* (flags: StorageFlagValues) {
  const { node } = yield* readConfig(flags)
  if (node.dataDir === null) {
    return yield* failure("usage", "storage.backend is memory, so that there is no data directory for a wallet")
  }
  const found: WalletPlace = { dataDir: node.dataDir, network: node.network }
  return found
})

/** The wallet that is there. */
export const stored = ({ dataDir, network }: WalletPlace): Effect.Effect<SealedWallet.SealedWallet, CommandFailure> =>
  Effect.mapError(FileWallet.readFor(dataDir, network), walletFailure)

/** Keeps a new wallet, sealed as flags say, and prints its address. */
export const keep = Effect.fnUntraced(function* ({ dataDir }: WalletPlace, wallet: WalletFile, flags: SealFlagValues) {
  const passphrase = yield* Passphrase.chosen(newPassphrase(flags.passphraseFile), flags.unencrypted)
  const sealed = yield* SealedWallet.seal(wallet, passphrase)
  yield* Effect.mapError(FileWallet.create(dataDir, sealed), fileFailure)
  yield* Console.error(
    `wrote ${walletFile(dataDir)}; back it up: without it${flags.unencrypted ? "" : " or its passphrase"} the money is lost`
  )
  yield* Console.log(wallet.address)
})

/** What a wallet that cannot be used means for the operator. */
export const walletFailure = ({ message, reason }: WalletUnavailable): CommandFailure =>
  failure(reason === "Absent" || reason === "Failed" ? "failed" : "dataDirectory", message)

export const fileFailure = ({ detail, file }: SecretFileError): CommandFailure =>
  failure("failed", `${file}: ${detail}`)

/** That of the wallet as it is. */
export const walletPassphrase = (file: Option.Option<string>): Passphrase.PassphraseSource => ({
  file,
  flag: "passphrase-file",
  env: "TIME_WALLET_PASSPHRASE",
  question: "Passphrase of the wallet"
})

// --- internal ---

const newPassphrase = (file: Option.Option<string>): Passphrase.PassphraseSource => ({
  ...walletPassphrase(file),
  question: "Passphrase for the wallet"
})
