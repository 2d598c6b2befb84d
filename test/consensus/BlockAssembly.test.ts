import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import {
  assembleBlock,
  payableAddresses,
  proposalRejection,
  type ProposalContext
} from "../../src/consensus/BlockAssembly.ts"
import { validateBlock } from "../../src/consensus/BlockRules.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import { BLOCK_REWARD } from "../../src/consensus/Rewards.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { BLOCK_BYTES, LINE_UNASKED_BLOCK } from "../../src/protocol/Limits.ts"
import { dueTime, mainnet, testnet } from "../../src/protocol/Network.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { type Transaction, transactionBytes, txid } from "../../src/protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { coin, owner, sealed, spend } from "../fixtures/Blocks.ts"
import { makeRandom } from "../fixtures/Random.ts"

const first = genesis(testnet)
const alice = owner(5)
const bob = owner(6)
const payees = [1, 2, 3, 4].map((seed) => owner(seed).address)
const coins = [1, 2, 3].map((id) => coin(alice, 90_000_000n, id))
const viewOf = (utxos: ReadonlyArray<Utxo>) =>
  coinView(new Map(utxos.map((utxo) => [outPointKey(utxo.outpoint), utxo])))
const pay = (from: Utxo, amount: bigint): Transaction => signSpends(spend([from.outpoint], [[bob, amount]]), alice.key)
const payments = coins.map((from, index) => pay(from, 80_000_000n + BigInt(index)))

const ingredients = (transactions: ReadonlyArray<Transaction> = payments, view = viewOf(coins)) => ({
  network: testnet,
  parent: { height: height(0), hash: first.hash },
  payees,
  transactions,
  coins: view,
  legacy: true
})

const context = (change: Partial<ProposalContext> = {}): ProposalContext => ({
  network: testnet,
  parent: { header: first.block.header, hash: first.hash },
  now: dueTime(testnet, height(1)),
  coins: viewOf(coins),
  legacy: true,
  active: { always: payees, ever: payees },
  final: payments,
  ...change
})

const rejected = (block: Block, change: Partial<ProposalContext> = {}) =>
  proposalRejection(block, context(change))?._tag

describe("BlockAssembly", () => {
  it("makes one block of the same, in whatever order it is given, which everybody takes", () => {
    const random = makeRandom(1)
    const shuffled = <A>(values: ReadonlyArray<A>) =>
      values
        .map((value) => [random(1_000), value] as const)
        .sort(([a], [b]) => a - b)
        .map(([, value]) => value)
    const block = assembleBlock(ingredients())
    for (let time = 0; time < 20; time++) {
      const again = assembleBlock({ ...ingredients(shuffled(payments)), payees: shuffled(payees) })
      assert.deepStrictEqual(again, block)
    }
    const ids = block.transactions.slice(1).map((transaction) => toHex(txid(transaction)))
    assert.deepStrictEqual(ids, payments.map((transaction) => toHex(txid(transaction))).sort())
    for (const legacy of [true, false]) {
      const valid = validateBlock(block, { ...context(), legacy })
      assert.isTrue(Result.isSuccess(valid))
    }
    assert.isUndefined(rejected(block))
  })

  it("shares reward and fees alike, up to what everybody accepts", () => {
    const { header, masternodeRewards } = assembleBlock(ingredients())
    // The fees are far beyond 0.01 TIME.
    assert.strictEqual(header.blockReward, BLOCK_REWARD + 1_000_000n)
    assert.deepStrictEqual(
      masternodeRewards.map(({ amount }): bigint => amount),
      payees.map(() => 2_500_250_000n)
    )
    const empty = assembleBlock({ ...ingredients([]), payees: payees.slice(1) })
    assert.deepStrictEqual(
      empty.masternodeRewards.map(({ amount }): bigint => amount),
      [3_333_333_333n, 3_333_333_333n, 3_333_333_333n]
    )
  })

  it("leaves out a child of a transaction in the pool, a double spend and what timed refuses", () => {
    const child = signSpends(spend([{ txid: txid(payments[0]!), vout: 0 }], [[alice, 1_000n]]), bob.key)
    const rich = coin(alice, 300_000_000n, 9)
    const large = pay(rich, 200_000_000n)
    const twice = pay(coins[0]!, 1_000n)
    const view = viewOf([...coins, rich])
    const idsOf = (block: Block) => block.transactions.slice(1).map((transaction) => toHex(txid(transaction)))
    const shared = idsOf(assembleBlock(ingredients([child, large, twice, payments[0]!], view)))
    // Of the two that spend one coin, the one that pays more for its size.
    assert.deepStrictEqual(shared, [toHex(txid(twice))])
    const alone = idsOf(assembleBlock({ ...ingredients([child, large], view), legacy: false }))
    assert.deepStrictEqual(alone, [toHex(txid(large))])
  })

  it("fills a block with what pays best for its size, and no further than a line holds", () => {
    const large = (id: number, fee: bigint): readonly [Utxo, Transaction] => {
      const from = { ...coin(alice, 90_000_000n, 1), outpoint: { txid: first.hash, vout: id } }
      const plain = spend([from.outpoint], [[bob, 90_000_000n - fee]])
      const output = {
        ...plain.outputs[0]!,
        value: plain.outputs[0]!.value,
        scriptPubkey: new Uint8Array(98_000).fill(255)
      }
      return [from, { ...plain, outputs: [output] }]
    }
    const many = Array.from({ length: 12 }, (_, id) => large(id, 1_000_000n + BigInt(id)))
    const block = assembleBlock(
      ingredients(
        many.map(([, transaction]) => transaction),
        viewOf(many.map(([from]) => from))
      )
    )
    const taken = block.transactions.slice(1)
    const size = taken.reduce((sum, transaction) => sum + transactionBytes(transaction).length, 0)
    assert.isAtMost(size, BLOCK_BYTES)
    assert.isAbove(size, BLOCK_BYTES - 100_000)
    assert.deepStrictEqual(
      new Set(taken.map(({ inputs }) => inputs[0]!.previousOutput.vout)),
      new Set(many.slice(-taken.length).map((_, index) => many.length - 1 - index))
    )
    const line = Wire.encode({
      _tag: "BlockProposal",
      block,
      proposer: "203.0.113.1",
      signature: new Uint8Array(64),
      round: 0n
    })
    assert.isBelow(line.byteLength, LINE_UNASKED_BLOCK)
  })

  it("pays addresses of its own network alone", () => {
    const foreign = payees[0]!.replace("TIME0", "TIME1")
    assert.deepStrictEqual(payableAddresses(testnet, [...payees.slice(0, 1), foreign, "", "TIME0abc"]), [payees[0]!])
    assert.deepStrictEqual(payableAddresses(mainnet, [...payees.slice(0, 1), foreign]), [foreign])
  })
})

describe("A proposal", () => {
  const block = assembleBlock(ingredients())

  it("is refused when it is another block than its own ingredients make", () => {
    const [coinbase, ...rest] = block.transactions
    assert.strictEqual(rejected(sealed({ ...block, transactions: [coinbase!, ...rest.reverse()] })), "NotAsAssembled")
    const uneven = block.masternodeRewards.map((reward, index) => ({
      ...reward,
      amount: (reward.amount + [1n, -1n, 0n, 0n][index]!) as typeof reward.amount
    }))
    const outputs = coinbase!.outputs.map((output, index) => ({ ...output, value: uneven[index]!.amount }))
    const unfair = sealed({
      ...block,
      masternodeRewards: uneven,
      transactions: [{ ...coinbase!, outputs }, ...block.transactions.slice(1)]
    })
    assert.strictEqual(rejected(unfair), "NotAsAssembled")
  })

  it("is refused when a spend is unsigned, whatever old blocks may do", () => {
    const unsigned = assembleBlock(ingredients([spend([coins[0]!.outpoint], [[bob, 1_000n]])]))
    const rejection = proposalRejection(unsigned, context())
    assert.strictEqual(rejection?._tag === "Invalid" && rejection.rejection._tag, "UnsignedSpend")
  })

  it("pays everybody who was active all the time, and nobody who never was", () => {
    const rejectedWith = (always: ReadonlyArray<string>, ever: ReadonlyArray<string>) =>
      rejected(block, { active: { always, ever } })
    assert.isUndefined(rejectedWith([], payees))
    assert.isUndefined(rejectedWith(payees.slice(1), [...payees, bob.address]))
    assert.strictEqual(rejectedWith([...payees, bob.address], [...payees, bob.address]), "WrongPayees")
    assert.strictEqual(rejectedWith(payees.slice(1), payees.slice(1)), "WrongPayees")
    // Two masternodes of one owner are paid twice, or not as they should be.
    const shared = assembleBlock({ ...ingredients(), payees: [...payees, ...payees.slice(0, 1)] })
    assert.strictEqual(rejected(shared), "WrongPayees")
    assert.isUndefined(rejected(shared, { active: { always: payees, ever: [...payees, ...payees.slice(0, 1)] } }))
  })

  it("does not contradict what is final", () => {
    assert.strictEqual(rejected(block, { final: [pay(coins[0]!, 1_000n)] }), "ContradictsFinal")
    assert.isUndefined(rejected(block, { final: [] }))
  })

  it("names its height, its parent and its time as every block does", () => {
    const other = assembleBlock({ ...ingredients(), parent: { height: height(0), hash: blockHash(block.header) } })
    const rejection = proposalRejection(other, context())
    assert.strictEqual(rejection?._tag === "Invalid" && rejection.rejection._tag, "PreviousHashMismatch")
  })
})
