/**
 * A wallet whose file is a value: for tests, and for nodes that keep nothing on disk.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Wallet, WalletUnavailable } from "../services/Wallet.ts"
import { sealedKeys } from "./FileWallet.ts"
import * as LedgerWallet from "./LedgerWallet.ts"
import type { SealedWallet } from "./SealedWallet.ts"

/** The given wallet; null for a node that has none. */
export const layer = (wallet: SealedWallet | null) =>
  Layer.effect(
    Wallet,
    Effect.flatMap(sealedKeys(wallet === null ? Effect.fail(absent) : Effect.succeed(wallet)), LedgerWallet.make)
  )

// --- internal ---

const absent = new WalletUnavailable({
  reason: "Absent",
  file: null,
  detail: "a node that keeps nothing on disk has no wallet"
})
