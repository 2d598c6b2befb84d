/**
 * Methods about the node's own wallet: they spend its coins alone, and never those of others.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { outputSum } from "../../consensus/TransactionRules.ts"
import { addressScript, belongsTo, parseAddress } from "../../protocol/Address.ts"
import { toHex } from "../../protocol/Hash.ts"
import { toUnixSeconds } from "../../protocol/Integer.ts"
import { RPC_HISTORY, TRANSACTION_INPUTS, WALLET_TEXT, WALLET_UNLOCKED } from "../../protocol/Limits.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import { Wallet } from "../../services/Wallet.ts"
import { AmountParam, HashResult, HeightResult, namedAmount, SatoshiResult, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { withWallet } from "../OwnWallet.ts"
import { rpcError } from "../RpcError.ts"
import { TimeAmount, timeAmount } from "../RpcJson.ts"

/** In one transaction. */
const MergeCount = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: TRANSACTION_INPUTS })))

export const getnewaddress = defineMethod({
  name: "getnewaddress",
  summary: "The address of the wallet, which has one.",
  params: {},
  result: Schema.String,
  errors: ["NoWallet"],
  run: () => withWallet((wallet) => Effect.map(wallet.status, ({ address }) => address as string))
})

export const getwalletinfo = defineMethod({
  name: "getwalletinfo",
  summary: "The wallet's address, what it has, and whether it can pay.",
  params: {},
  result: Schema.Struct({
    address: Schema.String,
    balance: TimeAmount.annotate({ description: "confirmed and not promised, in TIME: what can be spent" }),
    confirmed_balance: TimeAmount,
    created_at: SecondsResult,
    encrypted: Schema.Boolean,
    immature_balance: TimeAmount.annotate({ description: "always 0: rewards can be spent at once" }),
    label: Schema.NullOr(Schema.String),
    unconfirmed_balance: TimeAmount.annotate({
      description: "what transactions of the pool pay to the wallet, in TIME"
    }),
    unlocked_until: Schema.NullOr(SecondsResult).annotate({
      description: "0 while it is locked; null of one without passphrase, which never is"
    })
  }),
  errors: ["NoWallet"],
  run: () =>
    withWallet(
      Effect.fnUntraced(function* (wallet) {
        const { address, createdAt, encrypted, label, unlockedUntil } = yield* wallet.status
        const { confirmed, pending, promised } = yield* wallet.balance
        return {
          address,
          balance: timeAmount(confirmed - promised),
          confirmed_balance: timeAmount(confirmed),
          created_at: createdAt,
          encrypted,
          immature_balance: timeAmount(0n),
          label,
          unconfirmed_balance: timeAmount(pending),
          unlocked_until: encrypted ? toUnixSeconds(unlockedUntil ?? 0) : null
        }
      })
    )
})

export const listtransactions = defineMethod({
  name: "listtransactions",
  summary:
    "Transactions that pay to the wallet or spend from it: those of the pool, then those of the chain, newest first.",
  params: {
    count: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: RPC_HISTORY })).annotate({
        description: "how many at most, 10 when left out"
      })
    )
  },
  result: Schema.Array(
    Schema.Struct({
      confirmations: Schema.BigInt,
      height: Schema.NullOr(HeightResult).annotate({ description: "null while it is in no block" }),
      txid: HashResult
    })
  ),
  errors: ["NoWallet"],
  run: ({ count }) =>
    withWallet(
      Effect.fnUntraced(function* (wallet) {
        const entries = yield* wallet.history(count ?? 10)
        const tip = (yield* Blockchain).tip().height
        return entries.map(({ place, txid }) => ({
          confirmations: place === null ? 0n : tip - place.height + 1n,
          height: place?.height ?? null,
          txid: toHex(txid)
        }))
      })
    )
})

export const sendtoaddress = defineMethod({
  name: "sendtoaddress",
  summary: "Pays an amount to an address, the fee on top, and gives the txid.",
  params: {
    address: Schema.String.annotate({ description: "the address to pay" }),
    amount: AmountParam,
    unminable: Schema.optionalKey(
      Schema.Boolean.annotate({ description: "true sends what no block beside a timed takes" })
    )
  },
  result: HashResult,
  errors: ["NoWallet", "WalletLocked", "InvalidValue", "InsufficientFunds", "WalletRefused", "Rejected"],
  run: Effect.fnUntraced(function* ({ address, amount, unminable }) {
    const value = yield* Effect.fromResult(namedAmount(amount))
    const options = { unminable: unminable ?? false }
    return yield* withWallet((wallet) => Effect.map(wallet.pay(address, value, options), ({ txid }) => toHex(txid)))
  })
})

export const mergeutxos = defineMethod({
  name: "mergeutxos",
  summary: "Makes one coin of the wallet's smallest.",
  params: {
    min: Schema.optionalKey(
      MergeCount.annotate({ description: `the least coins to merge, 2 to ${TRANSACTION_INPUTS}; 2 when null` })
    ),
    max: Schema.optionalKey(
      MergeCount.annotate({ description: `the most, 2 to ${TRANSACTION_INPUTS}; ${TRANSACTION_INPUTS} when null` })
    ),
    address: Schema.optionalKey(
      Schema.NullOr(Schema.String).annotate({ description: "the wallet's own address, or null" })
    )
  },
  result: Schema.Struct({
    fee: SatoshiResult,
    final_value: SatoshiResult,
    merged_count: Schema.Int,
    message: Schema.String,
    total_value: SatoshiResult,
    txid: HashResult
  }),
  errors: ["NoWallet", "WalletLocked", "InvalidValue", "Rejected"],
  run: ({ address, max, min }) =>
    withWallet(
      Effect.fnUntraced(function* (wallet) {
        if (address !== undefined && address !== null && address !== (yield* wallet.status).address) {
          return yield* rpcError("InvalidValue", `Not the address of this wallet: ${address}`)
        }
        const [least, most] = [min ?? 2, max ?? TRANSACTION_INPUTS]
        if (least > most) return yield* rpcError("InvalidValue", "min is greater than max")
        const { fee, transaction, txid } = yield* wallet.merge({ least, most })
        const value = outputSum(transaction)
        return {
          fee,
          final_value: value,
          merged_count: transaction.inputs.length,
          message: `Successfully merged ${transaction.inputs.length} UTXOs`,
          total_value: value + fee,
          txid: toHex(txid)
        }
      })
    )
})

export const validateaddress = defineMethod({
  name: "validateaddress",
  summary: "Whether a text is an address of this network, and whether it is the wallet's own.",
  params: { address: Schema.String.annotate({ description: "the text" }) },
  result: Schema.Struct({
    address: Schema.String,
    ismine: Schema.Boolean,
    isscript: Schema.Boolean,
    isvalid: Schema.Boolean,
    iswatchonly: Schema.Boolean,
    iswitness: Schema.Boolean,
    scriptPubKey: Schema.String.annotate({
      description: "what an output to it carries, as hex; empty if it is not valid"
    })
  }),
  errors: [],
  run: Effect.fnUntraced(function* ({ address }) {
    const { network } = yield* Blockchain
    const parsed = parseAddress(address)
    const isvalid = Result.isSuccess(parsed) && belongsTo(parsed.success, network)
    const own = yield* Effect.option((yield* Wallet).status)
    return {
      address,
      ismine: isvalid && own._tag === "Some" && own.value.address === address,
      isscript: false,
      isvalid,
      iswatchonly: false,
      iswitness: false,
      scriptPubKey: isvalid ? toHex(addressScript(address)) : ""
    }
  })
})

export const walletpassphrase = defineMethod({
  name: "walletpassphrase",
  summary: "Unlocks the wallet for some seconds.",
  params: {
    passphrase: Schema.String.check(Schema.isMaxLength(WALLET_TEXT)).annotate({ description: "the passphrase" }),
    timeout: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: WALLET_UNLOCKED / 1_000 })).annotate({
      description: `for how many seconds, ${WALLET_UNLOCKED / 1_000} at most`
    })
  },
  result: Schema.Null,
  errors: ["NoWallet", "WrongPassphrase"],
  run: ({ passphrase, timeout }) =>
    withWallet((wallet) => Effect.as(wallet.unlock(Redacted.make(passphrase), Duration.seconds(timeout)), null))
})

export const walletlock = defineMethod({
  name: "walletlock",
  summary: "Locks the wallet.",
  params: {},
  result: Schema.Null,
  errors: [],
  run: () => Effect.flatMap(Wallet, (wallet) => Effect.as(wallet.lock, null))
})
