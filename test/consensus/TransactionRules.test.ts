import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { coinView } from "../../src/consensus/CoinView.ts"
import {
  minimumFee,
  outputCeiling,
  type TransactionContext,
  type TransactionRejection,
  validateTransaction
} from "../../src/consensus/TransactionRules.ts"
import { sha256 } from "../../src/protocol/Hash.ts"
import { TRANSACTION_BYTES, TRANSACTION_INPUTS } from "../../src/protocol/Limits.ts"
import { mainnet, testnet } from "../../src/protocol/Network.ts"
import { SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { signSpends, spendDigest } from "../../src/protocol/Spend.ts"
import { type Transaction, transactionBytes, txid } from "../../src/protocol/Transaction.ts"
import { outPointKey } from "../../src/protocol/Utxo.ts"
import { coin, owner, spend } from "../fixtures/Blocks.ts"

const TIME = SATOSHI_PER_TIME
const MAX = 2n ** 64n - 1n
const alice = owner(1)
const bob = owner(2)
const rich = coin(alice, 100n * TIME, 10)
const small = coin(alice, 1_000n, 11)
const huge = coin(alice, MAX, 12)
const poor = coin(bob, 5n, 13)
const unknown = { txid: sha256(Buffer.from("nothing")), vout: 0 }

const verdict = (transaction: Transaction, overrides: Partial<TransactionContext> = {}) =>
  validateTransaction(transaction, {
    network: testnet,
    coins: coinView(new Map([rich, small, huge, poor].map((utxo) => [outPointKey(utxo.outpoint), utxo]))),
    signed: true,
    ...overrides
  })

const unsigned = { signed: false }
const good = signSpends(spend([rich.outpoint], [[bob, 99n * TIME]]), alice.key)

describe("validateTransaction", () => {
  it("says what a valid transaction takes and leaves", () => {
    assert.deepStrictEqual(verdict(good), Result.succeed({ spent: [rich], fee: TIME }))
  })

  it("says which rule a transaction breaks", () => {
    const many = spend(
      [rich.outpoint],
      Array.from({ length: 2_000 }, () => [bob, 1n] as const)
    )
    const broken: ReadonlyArray<readonly [Transaction, TransactionRejection]> = [
      [spend([], [[bob, 1n]]), { _tag: "NoInputs" }],
      [spend([rich.outpoint], []), { _tag: "NoOutputs" }],
      [many, { _tag: "TooLarge", what: "bytes", size: transactionBytes(many).length, limit: TRANSACTION_BYTES }],
      [
        spend(
          Array.from({ length: TRANSACTION_INPUTS + 1 }, (_, vout) => ({ ...unknown, vout })),
          [[bob, 1n]]
        ),
        { _tag: "TooLarge", what: "inputs", size: TRANSACTION_INPUTS + 1, limit: TRANSACTION_INPUTS }
      ],
      [
        spend([small.outpoint, rich.outpoint, small.outpoint], [[bob, 1n]]),
        { _tag: "DuplicateInput", outpoint: small.outpoint }
      ],
      [spend([rich.outpoint, unknown], [[bob, 1n]]), { _tag: "UnknownInput", outpoint: unknown }],
      [
        spend([huge.outpoint, small.outpoint], [[bob, 1n]]),
        { _tag: "ValueOverflow", what: "inputs", sum: MAX + 1_000n }
      ],
      [
        spend(
          [rich.outpoint],
          [
            [bob, MAX],
            [bob, 11n]
          ]
        ),
        { _tag: "ValueOverflow", what: "outputs", sum: MAX + 11n }
      ],
      [spend([small.outpoint], [[bob, 1_001n]]), { _tag: "OutputsExceedInputs", outputs: 1_001n, inputs: 1_000n }],
      [spend([small.outpoint], [[bob, 1_000n]]), { _tag: "FeeTooLow", fee: 0n, minimum: 1n }],
      [
        spend([rich.outpoint], [[bob, 100n * TIME - 1_000n]]),
        { _tag: "FeeTooLow", fee: 1_000n, minimum: TIME / 10n - 1n }
      ]
    ]
    for (const [transaction, rejection] of broken) {
      assert.deepStrictEqual(verdict(transaction, unsigned), Result.fail(rejection), rejection._tag)
    }
  })

  it("demands the thousandth that timed demands, and a satoshi at least", () => {
    assert.deepStrictEqual([0n, 1n, 999n, 1_000n, 1_999n, 2_000n].map(minimumFee), [1n, 1n, 1n, 1n, 1n, 2n])
  })

  it("takes a spend only from the owner of the coin, as signed", () => {
    const other = { ...good, outputs: good.outputs.map((output) => ({ ...output, scriptPubkey: Buffer.from("me") })) }
    const refused = [
      spend([rich.outpoint], [[bob, 99n * TIME]]),
      signSpends(good, bob.key),
      other,
      { ...good, timestamp: good.timestamp + 1n },
      // One signature for two coins of different owners.
      signSpends(spend([rich.outpoint, poor.outpoint], [[bob, 99n * TIME]]), alice.key),
      { ...good, inputs: good.inputs.map((input) => ({ ...input, scriptSig: input.scriptSig.subarray(0, 95) })) }
    ]
    for (const transaction of refused) {
      const { previousOutput: outpoint } = transaction.inputs.at(-1)!
      assert.deepStrictEqual(verdict(transaction), Result.fail({ _tag: "UnsignedSpend", outpoint }))
    }
    const shared = signSpends(spend([rich.outpoint, small.outpoint], [[bob, 99n * TIME]]), alice.key)
    assert.isTrue(Result.isSuccess(verdict(shared)))
    assert.isTrue(Result.isFailure(verdict(good, { network: mainnet })))
    assert.isTrue(Result.isSuccess(verdict(refused[0]!, unsigned)))
  })

  it("signs all of a transaction but the signatures", () => {
    const plain = spend([rich.outpoint, small.outpoint], [[bob, 1n]])
    const signed = signSpends(plain, alice.key)
    assert.deepStrictEqual(spendDigest(signed), spendDigest(plain))
    assert.notDeepEqual(txid(signed), txid(plain))
    assert.deepStrictEqual(
      spendDigest(plain),
      sha256(Buffer.concat([Buffer.from("TIMECOIN_SPEND:"), transactionBytes(plain)]))
    )
  })

  it("knows what timed would not mine", () => {
    assert.strictEqual(outputCeiling(good), TIME)
    assert.strictEqual(outputCeiling(spend([rich.outpoint, small.outpoint], [])), 2n * TIME)
  })
})
