/**
 * How methods use the node's wallet, and what callers are told when it refuses.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../services/ChainStore.ts"
import { Wallet } from "../services/Wallet.ts"
import { type RpcError, rpcError } from "./RpcError.ts"

/** Uses the wallet; what it refuses is told to the caller in the codes of `timed` and Bitcoin Core. */
export const withWallet = <A, R>(
  use: (wallet: WalletService) => Effect.Effect<A, WalletFailure | RpcError, R>
): Effect.Effect<A, RpcError | StoreError, R | Wallet> =>
  Effect.flatMap(Wallet, use).pipe(
    Effect.catch((error) =>
      Effect.fail(error._tag === "RpcError" || error._tag === "StoreError" ? error : toRpcError(error))
    )
  )

// --- internal ---

type WalletService = Wallet["Service"]

type WalletFailure = Effect.Error<
  ReturnType<WalletService["pay"]> | ReturnType<WalletService["merge"]> | ReturnType<WalletService["unlock"]>
>

const toRpcError = (error: Exclude<WalletFailure, StoreError>): RpcError => {
  switch (error._tag) {
    case "WalletUnavailable":
      return rpcError("NoWallet", error.message)
    case "WalletLocked":
      return rpcError("WalletLocked", `${error.message} (walletpassphrase)`)
    case "WrongPassphrase":
      return rpcError("WrongPassphrase", error.message)
    case "InvalidRecipient":
    case "InvalidAmount":
    case "NothingToMerge":
      return rpcError("InvalidValue", error.message)
    case "InsufficientFunds":
      return rpcError("InsufficientFunds", `Insufficient funds: ${error.message}`)
    case "UnminablePayment":
      return rpcError("WalletRefused", `${error.message}; true as third parameter sends it all the same`)
    case "TransactionRejected":
      return rpcError("Rejected", `Transaction rejected: ${error.reason}`)
  }
}
