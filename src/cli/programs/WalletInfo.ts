/**
 * What a wallet says of itself without its passphrase.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { isSealed } from "../../layers/SealedWallet.ts"
import { toHex } from "../../protocol/Hash.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { place, stored } from "./StoredWallet.ts"

export const printWalletInfo = Effect.fnUntraced(function* (flags: StorageFlagValues) {
  const wallet = yield* Effect.flatMap(place(flags), stored)
  yield* Console.log(
    [
      `network: ${wallet.network.name}`,
      `address: ${wallet.address}`,
      `public-key: ${toHex(wallet.publicKey)}`,
      `created: ${new Date(Number(wallet.createdAt) * 1_000).toISOString()}`,
      `label: ${wallet.label ?? ""}`,
      `encrypted: ${isSealed(wallet) ? "yes" : "no"}`
    ].join("\n")
  )
})

export const printAddress = Effect.fnUntraced(function* (flags: StorageFlagValues) {
  const { address } = yield* Effect.flatMap(place(flags), stored)
  yield* Console.log(address)
})
