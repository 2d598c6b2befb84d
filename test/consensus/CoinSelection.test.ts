import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { mostPayable, type Payment, planMerge, planPayment, type SpendPlan } from "../../src/consensus/CoinSelection.ts"
import { coinSum, minimumFee } from "../../src/consensus/TransactionRules.ts"
import { addressScript } from "../../src/protocol/Address.ts"
import type { Hash256 } from "../../src/protocol/Hash.ts"
import { TRANSACTION_INPUTS } from "../../src/protocol/Limits.ts"
import { satoshi, SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import type { Utxo } from "../../src/protocol/Utxo.ts"
import { coin, owner } from "../fixtures/Blocks.ts"

const alice = owner(7)
const to = addressScript(owner(8).address)
const change = addressScript(alice.address)

const coinsOf = (...values: ReadonlyArray<bigint>): ReadonlyArray<Utxo> =>
  values.map((value, index) => ({
    ...coin(alice, value, 1),
    outpoint: { txid: new Uint8Array(32).fill(index % 251) as Hash256, vout: index }
  }))
const pay = (amount: bigint, belowCeiling = false): Payment => ({ amount: satoshi(amount), to, change, belowCeiling })
const planOf = (values: ReadonlyArray<bigint>, amount: bigint, belowCeiling = false): SpendPlan =>
  Result.getOrThrow(planPayment(coinsOf(...values), pay(amount, belowCeiling)))
const inputsOf = ({ inputs }: SpendPlan) => inputs.map(({ value }) => value as bigint)
const paidBy = ({ outputs }: SpendPlan) => outputs.reduce((sum, { value }) => sum + value, 0n)

const Value = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 400_000_000n }))
const Values = Schema.Array(Value).check(Schema.isMaxLength(130))

describe("the most that coins can pay", () => {
  it.prop("leaves the least fee, and a satoshi more would not", [Value], ([inputs]) => {
    for (const sum of [inputs, inputs % 5_000n, (inputs / 1_001n) * 1_001n, (inputs / 1_001n) * 1_001n + 1_000n]) {
      const most = mostPayable(sum)
      if (sum === 0n) continue
      assert.isAtLeast(Number(sum - most), most === 0n ? 0 : Number(minimumFee(most)))
      assert.isBelow(Number(sum - (most + 1n)), Number(minimumFee(most + 1n)), `${sum}`)
    }
  })
})

describe("a payment", () => {
  it("takes the fewest coins, and the smallest of those", () => {
    const coins = [10n, 20n, 30n, 40n, 50n].map((each) => each * 1_000n)
    assert.deepStrictEqual(inputsOf(planOf(coins, 15_000n)), [20_000n])
    assert.deepStrictEqual(inputsOf(planOf(coins, 50_000n)), [30_000n, 40_000n])
    assert.deepStrictEqual(inputsOf(planOf(coins, 60_000n)), [30_000n, 40_000n])
    assert.deepStrictEqual(inputsOf(planOf(coins, 149_850n)), coins)
  })

  it("keeps no change that costs as much as it is worth", () => {
    assert.deepInclude(planOf([100_101n], 100_000n), { change: 0n, fee: 101n })
    assert.deepInclude(planOf([100_102n], 100_000n), { change: 2n, fee: 100n })
    assert.deepInclude(planOf([100_100n], 100_000n), { change: 0n, fee: 100n })
  })

  it("is refused when the coins do not pay for it and its fee", () => {
    const failure = (values: ReadonlyArray<bigint>, amount: bigint) =>
      Result.match(planPayment(coinsOf(...values), pay(amount)), {
        onSuccess: () => undefined,
        onFailure: (why) => why
      })
    assert.deepStrictEqual(failure([], 1n), { _tag: "TooLittle", payable: 0n })
    assert.deepStrictEqual(failure([100_000n], 100_000n), { _tag: "TooLittle", payable: 99_901n })
    const many = Array.from({ length: TRANSACTION_INPUTS + 5 }, () => 1_001n)
    assert.deepStrictEqual(failure(many, 100_001n), { _tag: "TooManyCoins", payable: 100_000n })
    assert.strictEqual(planOf(many, 100_000n).inputs.length, TRANSACTION_INPUTS)
  })

  it("takes more coins where that keeps it below 1 TIME an input", () => {
    const [half, three] = [SATOSHI_PER_TIME / 2n, 3n * SATOSHI_PER_TIME]
    assert.deepStrictEqual(inputsOf(planOf([half, half, three], half)), [three])
    const plan = planOf([half, half, three], half, true)
    assert.deepStrictEqual(inputsOf(plan), [half, half])
    assert.strictEqual(plan.excess, 0n)
    // Nothing helps where all coins are large.
    assert.strictEqual(planOf([three, three], half, true).excess, mostPayable(three) - SATOSHI_PER_TIME)
  })

  it.prop(
    "spends what it pays and the fee, which is never below the least, whatever the coins and their order",
    [Values, Value, Schema.Boolean],
    ([values, amount, belowCeiling]) => {
      const coins = coinsOf(...values)
      const result = planPayment(coins, pay(amount, belowCeiling))
      assert.deepStrictEqual(planPayment([...coins].reverse(), pay(amount, belowCeiling)), result)
      if (Result.isFailure(result)) {
        const { _tag, payable } = result.failure
        assert.isBelow(Number(payable), Number(amount))
        assert.strictEqual(_tag === "TooLittle", mostPayable(coinSum(coins)) < amount)
        return
      }
      const plan = result.success
      assert.isAtMost(plan.inputs.length, TRANSACTION_INPUTS)
      assert.strictEqual(new Set(plan.inputs.map(({ outpoint }) => outpoint.vout)).size, plan.inputs.length)
      assert.strictEqual(coinSum(plan.inputs), paidBy(plan) + plan.fee)
      assert.isAtLeast(Number(plan.fee), Number(minimumFee(paidBy(plan))))
      assert.deepStrictEqual(plan.outputs[0], { value: satoshi(amount), scriptPubkey: to })
      assert.strictEqual(paidBy(plan) - amount, plan.change)
      const ceiling = BigInt(plan.inputs.length) * SATOSHI_PER_TIME
      assert.strictEqual(plan.excess, paidBy(plan) > ceiling ? paidBy(plan) - ceiling : 0n)
      // The largest coins, one fewer of them, would not do.
      const largest = [...coins].sort((a, b) => Number(b.value - a.value)).slice(0, plan.inputs.length - 1)
      if (!belowCeiling) assert.isBelow(Number(mostPayable(coinSum(largest))), Number(amount))
    }
  )
})

describe("a merge", () => {
  it.prop(
    "makes one coin of the smallest, and below the ceiling if it is to be",
    [Values, Schema.Boolean],
    ([values, belowCeiling]) => {
      const plan = planMerge(coinsOf(...values), { to: change, most: 20, belowCeiling })
      if (plan === undefined) return
      const sorted = [...values].sort((a, b) => Number(a - b))
      assert.deepStrictEqual(inputsOf(plan), sorted.slice(0, plan.inputs.length))
      assert.deepStrictEqual(plan.outputs, [
        { value: satoshi(mostPayable(coinSum(plan.inputs))), scriptPubkey: change }
      ])
      assert.strictEqual(coinSum(plan.inputs), paidBy(plan) + plan.fee)
      if (belowCeiling) assert.strictEqual(plan.excess, 0n)
      else assert.strictEqual(plan.inputs.length, Math.min(values.length, 20))
    }
  )

  it("leaves large coins out below the ceiling", () => {
    const coins = coinsOf(SATOSHI_PER_TIME * 5n, 1_000n, 2_000n)
    assert.strictEqual(planMerge(coins, { to, most: 100, belowCeiling: true })?.inputs.length, 2)
    assert.strictEqual(planMerge(coins, { to, most: 100, belowCeiling: false })?.inputs.length, 3)
    assert.isUndefined(planMerge([], { to, most: 100, belowCeiling: true }))
    assert.isUndefined(planMerge(coinsOf(1n), { to, most: 100, belowCeiling: true }))
  })
})
