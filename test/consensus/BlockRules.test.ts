import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  BlockRejection,
  describe as explain,
  mayPass,
  type Severity,
  severity
} from "../../src/consensus/BlockRejection.ts"
import { bindsBody, type BlockContext, spentOutPoints, validateBlock } from "../../src/consensus/BlockRules.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import type { Block, BlockHeader } from "../../src/protocol/Block.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { sha256, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { satoshi, SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { blockAt, coin, owner, parentOf, sealed, spend } from "../fixtures/Blocks.ts"

const TIME = SATOSHI_PER_TIME
const MAX = 2n ** 64n - 1n

const alice = owner(1)
const bob = owner(2)
const parent = parentOf(blockAt(1n, genesis(testnet).hash))

/** Two ordinary coins, one of half a TIME, and two that together overflow. */
const coins = [coin(alice, 100n * TIME, 10), coin(alice, 3n * TIME, 11), coin(bob, TIME / 2n, 12)] as const
const huge = [coin(alice, MAX, 13), coin(alice, MAX, 14)] as const
const [rich, small, poor] = coins

const payment = spend(
  [rich.outpoint, small.outpoint],
  [
    [bob, TIME],
    [alice, TIME - 1_000n]
  ]
)
const fees = 101n * TIME + 1_000n
const valid = blockAt(2n, parent.hash, [payment], fees)

const context = (overrides: Partial<BlockContext> = {}): BlockContext => ({
  network: testnet,
  parent,
  now: dueTime(testnet, height(2)),
  coins: coinView(new Map([...coins, ...huge].map((utxo) => [outPointKey(utxo.outpoint), utxo]))),
  legacy: true,
  ...overrides
})

const verdict = (block: Block, overrides?: Partial<BlockContext>) => validateBlock(block, context(overrides))

const withHeader = (fields: Partial<BlockHeader>): Block => ({ ...valid, header: { ...valid.header, ...fields } })
const withCoinbase = (fields: Partial<Transaction>): Block =>
  sealed({ ...valid, transactions: [{ ...valid.transactions[0]!, ...fields }, ...valid.transactions.slice(1)] })
const withTransactions = (...transactions: ReadonlyArray<Transaction>): Block =>
  sealed({ ...valid, transactions: [valid.transactions[0]!, ...transactions] })

/** The block paying other amounts, in coinbase and reward list alike. */
const paying = (
  amounts: ReadonlyArray<bigint>,
  blockReward: bigint,
  transactions: ReadonlyArray<Transaction> = []
): Block =>
  sealed({
    header: { ...valid.header, blockReward: satoshi(blockReward) },
    transactions: [
      {
        ...valid.transactions[0]!,
        outputs: amounts.map((value) => ({ value: satoshi(value), scriptPubkey: Buffer.from(alice.address) }))
      },
      ...transactions
    ],
    masternodeRewards: amounts.map((amount) => ({ address: alice.address, amount: satoshi(amount) }))
  })

const tagOf = (result: Result.Result<unknown, BlockRejection>): string =>
  Result.isFailure(result) ? result.failure._tag : "accepted"

/** Every rule broken once: a mutation of the valid block, and what must be said of it. */
interface Broken {
  readonly block: Block
  readonly severity: Severity
  readonly rejection: BlockRejection
  readonly context?: Partial<BlockContext>
}

const due = dueTime(testnet, height(2))
const coinbaseId = txid(valid.transactions[0]!)
const unknown = { txid: sha256(Buffer.from("nothing")), vout: 0 }
const spends = (transaction: Transaction) => txid(transaction)
const unknownSpend = spend([rich.outpoint, unknown], [[bob, TIME]])
const coinbaseSpend = spend([{ txid: coinbaseId, vout: 0 }], [[bob, TIME]])
const generous = spend([rich.outpoint], [[bob, TIME + 1n]])
const twice = spend([rich.outpoint, rich.outpoint], [[bob, TIME]])
const overflowing = spend(
  [rich.outpoint],
  [
    [bob, MAX],
    [bob, 2n]
  ]
)
const minting = spend([poor.outpoint], [[bob, TIME / 2n + 1n]])

const broken: { readonly [Tag in BlockRejection["_tag"]]: Broken } = {
  HeightMismatch: {
    block: withHeader({ height: height(3) }),
    severity: "consensus",
    rejection: { _tag: "HeightMismatch", expected: 2n, actual: 3n }
  },
  PreviousHashMismatch: {
    block: withHeader({ previousHash: ZERO_HASH }),
    severity: "consensus",
    rejection: { _tag: "PreviousHashMismatch", expected: parent.hash, actual: ZERO_HASH }
  },
  TimestampNotAfterParent: {
    block: withHeader({ timestamp: parent.header.timestamp }),
    severity: "consensus",
    rejection: {
      _tag: "TimestampNotAfterParent",
      parent: parent.header.timestamp,
      actual: parent.header.timestamp
    }
  },
  TimestampTooFarAhead: {
    block: valid,
    context: { now: due - 601n },
    severity: "consensus",
    rejection: { _tag: "TimestampTooFarAhead", latest: due - 1n, actual: due }
  },
  UnknownInput: {
    block: withTransactions(unknownSpend),
    severity: "consensus",
    rejection: { _tag: "UnknownInput", txid: spends(unknownSpend), outpoint: unknown }
  },
  InputFromSameBlock: {
    block: withTransactions(coinbaseSpend),
    severity: "consensus",
    rejection: {
      _tag: "InputFromSameBlock",
      txid: spends(coinbaseSpend),
      outpoint: { txid: coinbaseId, vout: 0 }
    }
  },
  OutputsExceedCeiling: {
    block: withTransactions(generous),
    severity: "consensus",
    rejection: { _tag: "OutputsExceedCeiling", txid: spends(generous), outputs: TIME + 1n, ceiling: TIME }
  },
  RewardOutOfRange: {
    block: paying([100n * TIME + 1_000_001n], 100n * TIME + 1_000_001n),
    severity: "consensus",
    rejection: {
      _tag: "RewardOutOfRange",
      expected: 100n * TIME,
      tolerance: 1_000_000n,
      actual: 100n * TIME + 1_000_001n
    }
  },
  TimestampNotOnGrid: {
    block: withHeader({ timestamp: due + 1n }),
    severity: "strict",
    rejection: { _tag: "TimestampNotOnGrid", expected: due, actual: due + 1n }
  },
  BadVersion: {
    block: withHeader({ version: 77 }),
    severity: "strict",
    rejection: { _tag: "BadVersion", expected: 1n, actual: 77n }
  },
  CoinbaseMissing: {
    block: sealed({ ...valid, transactions: [payment, valid.transactions[0]!] }),
    severity: "strict",
    rejection: { _tag: "CoinbaseMissing" }
  },
  ExtraCoinbase: {
    block: withTransactions(payment, spend([], [[bob, 5n]])),
    severity: "strict",
    rejection: { _tag: "ExtraCoinbase", index: 2n }
  },
  CoinbaseMalformed: {
    block: withCoinbase({ lockTime: 9 }),
    severity: "strict",
    rejection: { _tag: "CoinbaseMalformed", field: "lockTime", expected: 0n, actual: 9n }
  },
  CoinbaseMismatch: {
    block: withCoinbase({ outputs: valid.transactions[0]!.outputs.toReversed() }),
    severity: "strict",
    rejection: { _tag: "CoinbaseMismatch", index: 0n, outputs: 2n, rewards: 2n }
  },
  BlockRewardMismatch: {
    block: withHeader({ blockReward: satoshi(valid.header.blockReward + 2n) }),
    severity: "strict",
    rejection: {
      _tag: "BlockRewardMismatch",
      blockReward: valid.header.blockReward + 2n,
      paid: valid.header.blockReward,
      payees: 2n
    }
  },
  DuplicateInput: {
    block: withTransactions(twice),
    severity: "strict",
    rejection: { _tag: "DuplicateInput", txid: spends(twice), outpoint: rich.outpoint }
  },
  ValueOverflow: {
    block: withTransactions(overflowing),
    severity: "strict",
    rejection: { _tag: "ValueOverflow", what: "outputs", sum: MAX + 2n }
  },
  OutputsExceedInputs: {
    block: withTransactions(minting),
    severity: "strict",
    rejection: {
      _tag: "OutputsExceedInputs",
      txid: spends(minting),
      outputs: TIME / 2n + 1n,
      inputs: TIME / 2n
    }
  },
  UnsignedSpend: {
    block: valid,
    context: { legacy: false },
    severity: "strict",
    rejection: { _tag: "UnsignedSpend", txid: spends(payment), outpoint: rich.outpoint }
  },
  RewardExceedsFees: {
    block: paying([100n * TIME + 1n], 100n * TIME + 1n),
    context: { legacy: false },
    severity: "strict",
    rejection: { _tag: "RewardExceedsFees", paid: 100n * TIME + 1n, payable: 100n * TIME }
  },
  MerkleMismatch: {
    block: withHeader({ merkleRoot: ZERO_HASH }),
    severity: "strict",
    rejection: { _tag: "MerkleMismatch", expected: valid.header.merkleRoot, actual: ZERO_HASH }
  }
}

describe("validateBlock", () => {
  it("says what a valid block does", () => {
    const delta = Result.getOrThrow(verdict(valid))
    const txids = valid.transactions.map(txid)
    const created = valid.transactions.flatMap(({ outputs }, index) =>
      outputs.map((output, vout): Utxo => ({
        outpoint: { txid: txids[index]!, vout },
        value: output.value,
        scriptPubkey: output.scriptPubkey,
        address: Buffer.from(output.scriptPubkey).toString()
      }))
    )
    assert.deepStrictEqual(delta, {
      height: height(2),
      hash: blockHash(valid.header),
      previousHash: parent.hash,
      timestamp: due,
      txids,
      spent: [rich, small],
      spenders: [1, 1],
      created
    })
    assert.deepStrictEqual(spentOutPoints(valid), [rich.outpoint, small.outpoint])
  })

  for (const [tag, { block, context, rejection, severity: expected }] of Object.entries(broken)) {
    it(`${tag}: ${explain(rejection)}`, () => {
      const result = verdict(block, context)
      if (Result.isSuccess(result)) assert.fail("accepted")
      assert.deepStrictEqual(result.failure, rejection)
      assert.strictEqual(severity(rejection), expected)
      assert.strictEqual(mayPass(rejection), tag === "TimestampTooFarAhead")
      assert.isTrue(Schema.is(BlockRejection)(result.failure))
    })
  }

  it("takes what is just within each bound", () => {
    const accepted: Record<string, Result.Result<unknown, BlockRejection>> = {
      "as far ahead of the clock as allowed": verdict(valid, { now: due - 600n }),
      "the least reward": verdict(paying([100n * TIME - 1_000_000n], 100n * TIME - 1_000_000n)),
      "the largest reward": verdict(paying([100n * TIME + 1_000_000n], 100n * TIME + 1_000_000n)),
      "a remainder of less than one satoshi a payee": verdict(paying([50n * TIME, 50n * TIME - 1n], 100n * TIME)),
      "as much as the ceiling allows": verdict(withTransactions(spend([rich.outpoint], [[bob, TIME]]))),
      "all that an input holds": verdict(withTransactions(spend([poor.outpoint], [[bob, TIME / 2n]]))),
      "no payment at all": verdict(blockAt(2n, parent.hash))
    }
    for (const [what, result] of Object.entries(accepted)) assert.strictEqual(tagOf(result), "accepted", what)
  })

  it("refuses what is just beyond", () => {
    assert.strictEqual(tagOf(verdict(paying([100n * TIME - 1_000_001n], 100n * TIME))), "RewardOutOfRange")
    assert.strictEqual(tagOf(verdict(paying([50n * TIME, 50n * TIME - 2n], 100n * TIME))), "BlockRewardMismatch")
    assert.strictEqual(tagOf(verdict(paying([100n * TIME], 100n * TIME - 1n))), "BlockRewardMismatch")
  })

  it("refuses every way in which the coinbase can differ from the rewards", () => {
    const { outputs } = valid.transactions[0]!
    const [first, second] = valid.masternodeRewards
    const mismatched = [
      withCoinbase({ outputs: outputs.slice(1) }),
      withCoinbase({ outputs: [...outputs, { value: satoshi(0), scriptPubkey: new Uint8Array(0) }] }),
      withCoinbase({ outputs: outputs.map((output) => ({ ...output, value: satoshi(output.value + 1n) })) }),
      withCoinbase({ outputs: outputs.map(({ value }) => ({ value, scriptPubkey: Buffer.from(bob.address) })) }),
      { ...valid, masternodeRewards: [second!, first!] }
    ]
    for (const block of mismatched) assert.strictEqual(tagOf(verdict(block)), "CoinbaseMismatch")
    for (const fields of [{ version: 2 }, { lockTime: 1 }, { timestamp: due - 1n }]) {
      assert.strictEqual(tagOf(verdict(withCoinbase(fields))), "CoinbaseMalformed")
    }
    assert.strictEqual(tagOf(verdict({ ...valid, transactions: [] })), "CoinbaseMissing")
  })

  it("refuses an output that two transactions spend", () => {
    const first = spend([rich.outpoint], [[bob, TIME]])
    const second = spend([small.outpoint, rich.outpoint], [[bob, TIME]])
    const result = verdict(withTransactions(first, second))
    assert.deepStrictEqual(result, Result.fail({ _tag: "DuplicateInput", txid: txid(second), outpoint: rich.outpoint }))
  })

  it("refuses sums that 64 bits cannot hold, where timed's wrap into what it allows", () => {
    const outputs = spend(
      [rich.outpoint],
      [
        [bob, MAX],
        [bob, 2n]
      ]
    )
    const inputs = spend(
      huge.map(({ outpoint }) => outpoint),
      [[bob, 1n]]
    )
    const rewards = paying([MAX, 100n * TIME + 1n], 100n * TIME)
    for (const block of [withTransactions(outputs), withTransactions(inputs), rewards]) {
      assert.strictEqual(tagOf(verdict(block)), "ValueOverflow")
    }
  })

  it("blames the sender of a block that breaks rules of both kinds", () => {
    const block = { ...paying([1n], 1n), transactions: [] }
    assert.strictEqual(tagOf(verdict({ ...block, header: { ...block.header, version: 9 } })), "RewardOutOfRange")
    assert.strictEqual(tagOf(verdict(withTransactions(twice, unknownSpend))), "UnknownInput")
    assert.strictEqual(tagOf(verdict({ ...withTransactions(generous), masternodeRewards: [] })), "OutputsExceedCeiling")
  })

  it("takes a merkle root over the coinbase alone only where timed takes part", () => {
    const block = withHeader({ merkleRoot: coinbaseId })
    assert.isTrue(Result.isSuccess(verdict(block)))
    const signedBlock = withTransactions(signSpends(payment, alice.key))
    const coinbaseOnly = { ...signedBlock, header: { ...signedBlock.header, merkleRoot: coinbaseId } }
    assert.isTrue(Result.isSuccess(verdict(signedBlock, { legacy: false })))
    assert.strictEqual(tagOf(verdict(coinbaseOnly, { legacy: false })), "MerkleMismatch")
  })

  it("takes whole coins, signed by their owners, where timed takes no part", () => {
    const whole = spend([rich.outpoint], [[bob, 99n * TIME]])
    const others = spend([poor.outpoint], [[alice, TIME / 4n]])
    const fine = withTransactions(signSpends(whole, alice.key), signSpends(others, bob.key))
    assert.isTrue(Result.isSuccess(verdict(fine, { legacy: false })))
    assert.strictEqual(tagOf(verdict(fine)), "OutputsExceedCeiling")
    const stolen = withTransactions(signSpends(whole, bob.key))
    assert.strictEqual(tagOf(verdict(stolen, { legacy: false })), "UnsignedSpend")
  })

  it("has the only body for its header, or it is not said to", () => {
    assert.isTrue(bindsBody(valid, true))
    const [coinbase] = valid.transactions
    const short = { ...withHeader({ merkleRoot: coinbaseId }), transactions: [coinbase!] }
    // Whatever else follows the coinbase, the root is the same.
    assert.isFalse(bindsBody(withHeader({ merkleRoot: coinbaseId }), true))
    assert.isFalse(bindsBody(short, true))
    assert.isTrue(bindsBody(short, false))
    // A list of odd length with its last repeated has the root of the list.
    const three = withTransactions(payment, spend([poor.outpoint], [[bob, 1n]]))
    const repeated = { ...three, transactions: [...three.transactions, three.transactions[2]!] }
    assert.deepStrictEqual(sealed(repeated).header, three.header)
    assert.deepStrictEqual([bindsBody(three, true), bindsBody(repeated, true)], [true, false])
    assert.isFalse(bindsBody({ ...valid, masternodeRewards: valid.masternodeRewards.slice(1) }, true))
  })
})
