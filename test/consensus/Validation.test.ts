/**
 * Our verdicts against the recorded ones of the network's own node.
 *
 * What it refuses we refuse by a consensus rule; what it accepts we accept, or refuse by a rule that is ours alone.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type BlockRejection, severity } from "../../src/consensus/BlockRejection.ts"
import { createdOutputs, validateBlock } from "../../src/consensus/BlockRules.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import { type TransactionRejection, validateTransaction } from "../../src/consensus/TransactionRules.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type OutPoint, txid } from "../../src/protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { blockOf, messageOf, readVectors, transactionOf } from "../fixtures/Vectors.ts"

const { cases } = readVectors("validation.json")

/** Which of our reasons answers to which recorded error. */
const REASONS: ReadonlyArray<readonly [error: RegExp, ...tags: ReadonlyArray<BlockRejection["_tag"] | "NoParent">]> = [
  [/^Cannot validate genesis block/, "NoParent"],
  [/^Block \d+ not found/, "NoParent"],
  [/^Invalid previous hash/, "PreviousHashMismatch"],
  [/^Invalid timestamp/, "TimestampNotAfterParent"],
  [/^Block timestamp/, "TimestampTooFarAhead"],
  [/^UTXO not found/, "UnknownInput", "InputFromSameBlock"],
  [/^Transaction creates value/, "OutputsExceedCeiling"],
  [/^Invalid block reward/, "RewardOutOfRange"]
]

const tagsOf = (error: string): ReadonlyArray<string> => {
  const row = REASONS.find(([pattern]) => pattern.test(error))
  if (row === undefined) throw new Error(`no reason of ours for: ${error}`)
  return row.slice(1) as ReadonlyArray<string>
}

/** The state of the recorded node, changed as it changes its own. */
class RecordedNode {
  readonly blocks = new Map<bigint, Block>()
  readonly utxos = new Map<OutPointKey, Utxo>()

  constructor() {
    this.apply(genesis(testnet).block)
  }

  apply(block: Block): void {
    const key = (outpoint: OutPoint) => outPointKey(outpoint)
    for (const { inputs } of block.transactions) {
      for (const { previousOutput } of inputs) this.utxos.delete(key(previousOutput))
    }
    for (const utxo of createdOutputs(block, block.transactions.map(txid))) this.utxos.set(key(utxo.outpoint), utxo)
    this.blocks.set(block.header.height, block)
  }

  verdict(block: Block, now: bigint): "ok" | BlockRejection | { readonly _tag: "NoParent" } {
    const parent = this.blocks.get(block.header.height - 1n)
    if (parent === undefined) return { _tag: "NoParent" }
    const result = validateBlock(block, {
      network: testnet,
      parent: { header: parent.header, hash: blockHash(parent.header) },
      now,
      coins: coinView(this.utxos),
      legacy: true
    })
    return Result.isSuccess(result) ? "ok" : result.failure
  }
}

describe("recorded verdicts", () => {
  it("on blocks", () => {
    const blockCases = cases.filter(({ name }: { name: string }) => name.startsWith("block"))
    assert.strictEqual(blockCases.length, 48)
    const stricter: Record<string, BlockRejection["_tag"]> = {}
    for (const { name, now, steps } of blockCases) {
      const node = new RecordedNode()
      for (const step of steps) {
        const block = blockOf(step.block_json)
        const at = `${name} / ${step.note} / ${step.op}`
        const height = BigInt(node.blocks.size) - 1n
        const isNext = block.header.height === height + 1n

        if (step.op === "validate_block" || isNext) {
          const ours = node.verdict(block, BigInt(now))
          // A block with another parent is "ok" for add_block although it is not added.
          const accepted = step.op === "add_block" ? BigInt(step.height_after) > height : step.result.ok === true
          if (!accepted) {
            if (ours === "ok") assert.fail(at)
            if (ours._tag !== "NoParent") assert.strictEqual(severity(ours), "consensus", at)
            if (step.result.err === undefined) assert.strictEqual(ours._tag, "PreviousHashMismatch", at)
            else assert.include(tagsOf(step.result.err), ours._tag, at)
          } else if (ours !== "ok") {
            if (ours._tag === "NoParent") assert.fail(at)
            assert.strictEqual(severity(ours), "strict", at)
            stricter[name.slice("block: ".length)] = ours._tag
          }
        }

        if (step.op !== "add_block") continue
        if (BigInt(step.height_after) > height) node.apply(block)
        assert.strictEqual(BigInt(step.height_after), BigInt(node.blocks.size) - 1n, at)
        assert.strictEqual(step.utxo_count_after, node.utxos.size, at)
        assert.strictEqual(step.utxo_hash_after, toHex(utxoSetHash(node.utxos.values())), at)
      }
    }
    // What only the strict rules refuse.
    assert.deepStrictEqual(stricter, {
      "coinbase pays nothing": "CoinbaseMismatch",
      "coinbase pays ten times the reward (not checked)": "CoinbaseMismatch",
      "double spend: two transactions, same input": "DuplicateInput",
      "header block_reward u64::MAX": "BlockRewardMismatch",
      "masternode_rewards sum 10000000001": "BlockRewardMismatch",
      "masternode_rewards sum 10000999999": "BlockRewardMismatch",
      "masternode_rewards sum 9999000001": "BlockRewardMismatch",
      "masternode_rewards wraps around to 100 TIME": "ValueOverflow",
      "merkle root wrong (not checked)": "MerkleMismatch",
      "merkle root zero (not checked)": "MerkleMismatch",
      "no transactions at all": "CoinbaseMissing",
      "output sum wraps to 0": "ValueOverflow",
      "same input twice in one transaction, 2 TIME out": "DuplicateInput",
      "timestamp not on a 10 minute boundary": "TimestampNotOnGrid",
      "timestamp now": "TimestampNotOnGrid",
      "timestamp now + 600": "TimestampNotOnGrid",
      "timestamp one second after previous": "TimestampNotOnGrid",
      "transaction without inputs and outputs": "ExtraCoinbase",
      "two coinbases": "ExtraCoinbase"
    })
  })

  it("on transactions", () => {
    const { steps } = cases.find(({ name }: { name: string }) => name === "transaction rules")
    const utxos = new Map<OutPointKey, Utxo>()
    const spendable = new Set<OutPointKey>()
    const stricter: Record<string, TransactionRejection["_tag"]> = {}
    for (const step of steps) {
      switch (step.op) {
        case "add_utxo": {
          const [utxo] = messageOf("UTXOSetResponse", `{"UTXOSetResponse":[${step.utxo_json}]}`).utxos
          utxos.set(outPointKey(utxo!.outpoint), utxo!)
          spendable.add(outPointKey(utxo!.outpoint))
          continue
        }
        case "update_state":
        case "lock_utxo": {
          const state = step.state_json ?? step.state_after_json
          const [outpoint] = messageOf("UTXOStateQuery", `{"UTXOStateQuery":[${step.outpoint_json}]}`).outpoints
          if (state === `"Unspent"`) spendable.add(outPointKey(outpoint!))
          else spendable.delete(outPointKey(outpoint!))
          continue
        }
      }
      assert.strictEqual(step.op, "validate_transaction")
      const verdict = validateTransaction(transactionOf(step.tx_json), {
        network: testnet,
        coins: {
          get: (outpoint) => (spendable.has(outPointKey(outpoint)) ? utxos.get(outPointKey(outpoint)) : undefined)
        },
        signed: false
      })
      if (step.result.ok !== true) assert.isTrue(Result.isFailure(verdict), step.note)
      else if (Result.isFailure(verdict)) stricter[step.note] = verdict.failure._tag
    }
    assert.deepStrictEqual(stricter, {
      "input sum wraps": "ValueOverflow",
      "no fee needed under 1000": "FeeTooLow",
      "no inputs, no outputs": "NoInputs",
      "no inputs, zero-value out": "NoInputs",
      "output sum wraps to 0": "ValueOverflow",
      "output sum wraps to 10": "ValueOverflow",
      "same input twice counts twice": "DuplicateInput",
      "zero outputs": "NoOutputs",
      "zero-value input": "FeeTooLow"
    })
  })
})
