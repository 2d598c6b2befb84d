/**
 * The rules for a transaction that is not in a block: what we keep, pass on, vote for and mine.
 *
 * They are stricter than the rules for blocks. `timed` checks no signature, takes the same input twice, lets sums wrap
 * and lets anybody mint with a transaction without inputs; none of that enters our pool.
 */
import * as Result from "effect/Result"
import { toHex } from "../protocol/Hash.ts"
import { MAX_U64 } from "../protocol/Integer.ts"
import { TRANSACTION_BYTES, TRANSACTION_INPUTS } from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import { SATOSHI_PER_TIME } from "../protocol/Satoshi.ts"
import { authorises, spendDigest } from "../protocol/Spend.ts"
import { type OutPoint, type Transaction, transactionBytes } from "../protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../protocol/Utxo.ts"
import type { CoinView } from "./CoinView.ts"

/** Why a transaction is refused. `UnknownInput` may pass once the transaction that makes the output has come. */
export type TransactionRejection =
  | { readonly _tag: "NoInputs" }
  | { readonly _tag: "NoOutputs" }
  | { readonly _tag: "TooLarge"; readonly what: "inputs" | "bytes"; readonly size: number; readonly limit: number }
  | { readonly _tag: "DuplicateInput"; readonly outpoint: OutPoint }
  | { readonly _tag: "UnknownInput"; readonly outpoint: OutPoint }
  | { readonly _tag: "ValueOverflow"; readonly what: "inputs" | "outputs"; readonly sum: bigint }
  | { readonly _tag: "OutputsExceedInputs"; readonly outputs: bigint; readonly inputs: bigint }
  | { readonly _tag: "FeeTooLow"; readonly fee: bigint; readonly minimum: bigint }
  | { readonly _tag: "UnsignedSpend"; readonly outpoint: OutPoint }

export interface TransactionContext {
  readonly network: Network
  /** The outputs that may be spent: unspent, and not promised to another transaction. */
  readonly coins: CoinView
  /** False takes spends that nobody signed, as `timed` makes them. */
  readonly signed: boolean
}

/** What a valid transaction takes and leaves. */
export interface TransactionEffect {
  /** The coins of its inputs, in their order. */
  readonly spent: ReadonlyArray<Utxo>
  /** Satoshi. */
  readonly fee: bigint
}

/**
 * The least fee of a transaction that pays out so much, in satoshi: the thousandth that `timed` demands, but never
 * nothing, which it demands of small ones.
 */
export const minimumFee = (outputs: bigint): bigint => (outputs < 1_000n ? 1n : outputs / 1_000n)

/** What a transaction would do, or the first rule it breaks. */
export const validateTransaction = (
  transaction: Transaction,
  { coins, network, signed }: TransactionContext
): Result.Result<TransactionEffect, TransactionRejection> => {
  const misshapen = shapeRejection(transaction)
  if (misshapen !== undefined) return Result.fail(misshapen)

  const spent: Array<Utxo> = []
  for (const { previousOutput: outpoint } of transaction.inputs) {
    const coin = coins.get(outpoint)
    if (coin === undefined) return Result.fail({ _tag: "UnknownInput", outpoint })
    spent.push(coin)
  }

  const inputs = coinSum(spent)
  if (inputs > MAX_U64) return Result.fail({ _tag: "ValueOverflow", what: "inputs", sum: inputs })
  const outputs = outputSum(transaction)
  if (outputs > MAX_U64) return Result.fail({ _tag: "ValueOverflow", what: "outputs", sum: outputs })
  if (outputs > inputs) return Result.fail({ _tag: "OutputsExceedInputs", outputs, inputs })
  const fee = inputs - outputs
  const minimum = minimumFee(outputs)
  if (fee < minimum) return Result.fail({ _tag: "FeeTooLow", fee, minimum })

  const unsigned = signed ? unsignedInput(transaction, spent, network) : undefined
  if (unsigned !== undefined) return Result.fail({ _tag: "UnsignedSpend", outpoint: unsigned })
  return Result.succeed({ spent, fee })
}

/** The outputs of a transaction, added without bound: the caller checks the sum against 64 bits. */
export const outputSum = ({ outputs }: Transaction): bigint => outputs.reduce((sum, { value }) => sum + value, 0n)

/** The values of coins, added without bound. */
export const coinSum = (coins: ReadonlyArray<Utxo>): bigint => coins.reduce((sum, { value }) => sum + value, 0n)

/**
 * The most a transaction may pay out in a block of a network that `timed` nodes share: they count every input as 1 TIME
 * whatever it is worth. A transaction above it is valid but cannot be mined there.
 */
export const outputCeiling = ({ inputs }: Transaction): bigint => BigInt(inputs.length) * SATOSHI_PER_TIME

/** The first input that its coin's owner has not signed. `coins` are those of the inputs, in order. */
export const unsignedInput = (
  transaction: Transaction,
  coins: ReadonlyArray<Utxo>,
  network: Network
): OutPoint | undefined => {
  const digest = spendDigest(transaction)
  // Inputs of one owner carry the same signature, which is checked once.
  const checked = new Set<string>()
  return transaction.inputs.find((input, index) => {
    const coin = coins[index]!
    const claim = `${toHex(input.scriptSig)} ${toHex(coin.scriptPubkey)}`
    if (checked.has(claim)) return false
    checked.add(claim)
    return !authorises(input, digest, coin, network)
  })?.previousOutput
}

// --- internal ---

const shapeRejection = (transaction: Transaction): TransactionRejection | undefined => {
  if (transaction.inputs.length === 0) return { _tag: "NoInputs" }
  if (transaction.outputs.length === 0) return { _tag: "NoOutputs" }
  const count = transaction.inputs.length
  if (count > TRANSACTION_INPUTS) return { _tag: "TooLarge", what: "inputs", size: count, limit: TRANSACTION_INPUTS }
  const size = transactionBytes(transaction).length
  if (size > TRANSACTION_BYTES) return { _tag: "TooLarge", what: "bytes", size, limit: TRANSACTION_BYTES }
  const seen = new Set<string>()
  for (const { previousOutput: outpoint } of transaction.inputs) {
    const key = outPointKey(outpoint)
    if (seen.has(key)) return { _tag: "DuplicateInput", outpoint }
    seen.add(key)
  }
}
