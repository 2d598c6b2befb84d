/**
 * Which coins a wallet spends for a payment, and what comes back. Pure: the same coins and payment give the same plan.
 *
 * The fee is a thousandth of all that is paid out, change included, so that the most which coins can pay is known from
 * their sum alone. A plan takes the fewest coins that suffice; among as many, the smallest that are neighbours by value,
 * which leaves little change. What goes in is what comes out and the fee, which is never below the least.
 */
import * as Result from "effect/Result"
import { compareBytes } from "../protocol/ByteArray.ts"
import { TRANSACTION_INPUTS } from "../protocol/Limits.ts"
import { type Satoshi, satoshi, SATOSHI_PER_TIME } from "../protocol/Satoshi.ts"
import type { TxOutput } from "../protocol/Transaction.ts"
import type { Utxo } from "../protocol/Utxo.ts"
import { coinSum, minimumFee } from "./TransactionRules.ts"

export interface SpendPlan {
  /** In ascending order of value. */
  readonly inputs: ReadonlyArray<Utxo>
  /** The payment, then the change if there is any. */
  readonly outputs: ReadonlyArray<TxOutput>
  /** Satoshi, as are the next two. */
  readonly fee: bigint
  readonly change: bigint
  /** By how much the outputs exceed 1 TIME an input: more than nothing cannot be mined beside a `timed`. */
  readonly excess: bigint
}

/** Why no plan can be made. */
export type PlanFailure =
  /** All coins together pay less, the fee taken off. */
  | { readonly _tag: "TooLittle"; readonly payable: bigint }
  /** As many coins as a transaction takes pay less; merging coins helps. */
  | { readonly _tag: "TooManyCoins"; readonly payable: bigint }

export interface Payment {
  readonly amount: Satoshi
  readonly to: Uint8Array
  /** The script that change goes to: the wallet's own. */
  readonly change: Uint8Array
  /** Prefer coins whose payment can be mined beside a `timed`, even if they are more. */
  readonly belowCeiling: boolean
}

/** The most that coins of so much together can pay out, so that the rest is fee enough. */
export const mostPayable = (inputs: bigint): bigint => {
  if (inputs <= 1_000n) return inputs < 1n ? 0n : inputs - 1n
  const rest = inputs % 1_001n
  return (inputs / 1_001n) * 1_000n + (rest < 1_000n ? rest : 999n)
}

/** The coins and outputs of a payment. */
export const planPayment = (coins: ReadonlyArray<Utxo>, payment: Payment): Result.Result<SpendPlan, PlanFailure> => {
  const sorted = [...coins].sort(byValue)
  const sums = [0n]
  for (const { value } of sorted) sums.push(sums.at(-1)! + value)

  let fewest: SpendPlan | undefined
  const limit = Math.min(sorted.length, TRANSACTION_INPUTS)
  for (let count = 1; count <= limit; count++) {
    const start = firstSuchRun(sums, count, payment.amount)
    if (start === undefined) continue
    const plan = paymentPlan(sorted.slice(start, start + count), payment)
    if (plan.excess === 0n || !payment.belowCeiling) return Result.succeed(plan)
    fewest ??= plan
  }
  if (fewest !== undefined) return Result.succeed(fewest)
  const all = mostPayable(sums.at(-1)!)
  return all < payment.amount
    ? Result.fail({ _tag: "TooLittle", payable: all })
    : Result.fail({ _tag: "TooManyCoins", payable: mostPayable(coinSum(sorted.slice(-limit))) })
}

/**
 * A transaction that makes one coin of the smallest, at most `most` of them. Below the ceiling, those after which the
 * outputs exceed 1 TIME an input are left out. Without coins to merge there is no plan.
 */
export const planMerge = (
  coins: ReadonlyArray<Utxo>,
  merge: { readonly to: Uint8Array; readonly most: number; readonly belowCeiling: boolean }
): SpendPlan | undefined => {
  const inputs = [...coins].sort(byValue).slice(0, Math.min(merge.most, TRANSACTION_INPUTS))
  for (; inputs.length > 0; inputs.pop()) {
    const amount = mostPayable(coinSum(inputs))
    if (amount === 0n) return undefined
    const plan = spendPlan(inputs, [{ value: satoshi(amount), scriptPubkey: merge.to }], 0n)
    if (plan.excess === 0n || !merge.belowCeiling) return plan
  }
  return undefined
}

// --- internal ---

const byValue = (a: Utxo, b: Utxo): number =>
  a.value < b.value
    ? -1
    : a.value > b.value
      ? 1
      : compareBytes(a.outpoint.txid, b.outpoint.txid) || a.outpoint.vout - b.outpoint.vout

/** Where the lowest run of `count` coins starts that can pay the amount. Sums of runs ascend with the coins. */
const firstSuchRun = (sums: ReadonlyArray<bigint>, count: number, amount: bigint): number | undefined => {
  const suffices = (start: number): boolean => mostPayable(sums[start + count]! - sums[start]!) >= amount
  let low = 0
  let high = sums.length - 1 - count
  if (!suffices(high)) return undefined
  while (low < high) {
    const middle = (low + high) >> 1
    if (suffices(middle)) high = middle
    else low = middle + 1
  }
  return low
}

const paymentPlan = (inputs: ReadonlyArray<Utxo>, { amount, change, to }: Payment): SpendPlan => {
  const rest = mostPayable(coinSum(inputs)) - amount
  const paid: TxOutput = { value: amount, scriptPubkey: to }
  // Change that costs as much to make and to spend as it is worth is left to whoever mines the block.
  const cost = minimumFee(amount + rest) - minimumFee(amount) + minimumFee(rest)
  return rest <= cost
    ? spendPlan(inputs, [paid], 0n)
    : spendPlan(inputs, [paid, { value: satoshi(rest), scriptPubkey: change }], rest)
}

const spendPlan = (inputs: ReadonlyArray<Utxo>, outputs: ReadonlyArray<TxOutput>, change: bigint): SpendPlan => {
  const paid = outputs.reduce((sum, { value }) => sum + value, 0n)
  const excess = paid - BigInt(inputs.length) * SATOSHI_PER_TIME
  return { inputs, outputs, fee: coinSum(inputs) - paid, change, excess: excess > 0n ? excess : 0n }
}
