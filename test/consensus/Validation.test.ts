/**
 * Our verdicts against the recorded ones of the network's own node.
 *
 * What it refuses we refuse by a consensus rule; what it accepts we accept, or refuse by a rule that is ours alone.
 */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type BlockRejection, severity } from "../../src/consensus/BlockRejection.ts"
import { createdOutputs, validateBlock } from "../../src/consensus/BlockRules.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import { type TransactionRejection, validateTransaction } from "../../src/consensus/TransactionRules.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import type { PublicKey } from "../../src/protocol/Ed25519.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type OutPoint, txid } from "../../src/protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { verifyVote } from "../../src/protocol/Vote.ts"
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

/**
 * A case that is accepted by the recorded node and refused here: our verdict, the number of the defect that lets it pass
 * there (CHAIN.md of the interop material, section 10), and the difference in docs/protocol.md that describes it.
 */
type Overruled<Tag> = Readonly<Record<string, readonly [verdict: Tag, defect: number, difference: `D-${number}`]>>

const BLOCKS: Overruled<BlockRejection["_tag"]> = {
  "coinbase pays nothing": ["CoinbaseMismatch", 5, "D-28"],
  "coinbase pays ten times the reward (not checked)": ["CoinbaseMismatch", 5, "D-28"],
  "double spend: two transactions, same input": ["DuplicateInput", 9, "D-27"],
  "header block_reward u64::MAX": ["BlockRewardMismatch", 6, "D-28"],
  "masternode_rewards sum 10000000001": ["BlockRewardMismatch", 6, "D-28"],
  "masternode_rewards sum 10000999999": ["BlockRewardMismatch", 6, "D-28"],
  "masternode_rewards sum 9999000001": ["BlockRewardMismatch", 6, "D-28"],
  "masternode_rewards wraps around to 100 TIME": ["ValueOverflow", 3, "D-27"],
  "merkle root wrong (not checked)": ["MerkleMismatch", 6, "D-28"],
  "merkle root zero (not checked)": ["MerkleMismatch", 6, "D-28"],
  "no transactions at all": ["CoinbaseMissing", 5, "D-28"],
  "output sum wraps to 0": ["ValueOverflow", 3, "D-27"],
  "same input twice in one transaction, 2 TIME out": ["DuplicateInput", 2, "D-27"],
  "timestamp not on a 10 minute boundary": ["TimestampNotOnGrid", 24, "D-30"],
  "timestamp now": ["TimestampNotOnGrid", 24, "D-30"],
  "timestamp now + 600": ["TimestampNotOnGrid", 24, "D-30"],
  "timestamp one second after previous": ["TimestampNotOnGrid", 24, "D-30"],
  "transaction without inputs and outputs": ["ExtraCoinbase", 5, "D-28"],
  "two coinbases": ["ExtraCoinbase", 5, "D-28"]
}

const TRANSACTIONS: Overruled<TransactionRejection["_tag"]> = {
  "input sum wraps": ["ValueOverflow", 3, "D-27"],
  "no fee needed under 1000": ["FeeTooLow", 28, "D-33"],
  "no inputs, no outputs": ["NoInputs", 28, "D-33"],
  "no inputs, zero-value out": ["NoInputs", 28, "D-33"],
  "output sum wraps to 0": ["ValueOverflow", 3, "D-27"],
  "output sum wraps to 10": ["ValueOverflow", 3, "D-27"],
  "same input twice counts twice": ["DuplicateInput", 2, "D-27"],
  "zero outputs": ["NoOutputs", 28, "D-33"],
  "zero-value input": ["FeeTooLow", 28, "D-33"]
}

const verdictsOf = <Tag>(overruled: Overruled<Tag>): Record<string, Tag> =>
  Object.fromEntries(Object.entries(overruled).map(([name, [verdict]]) => [name, verdict]))

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
    assert.deepStrictEqual(stricter, verdictsOf(BLOCKS))
  })

  it("on blocks made in catching up, which are taken", () => {
    for (const { name, now, steps } of cases.filter(({ name }: { name: string }) => name.startsWith("catchup"))) {
      const [{ block_json, hash }] = steps
      // Of the others only a digest was recorded: their payees come in another order every time.
      if (block_json === undefined) continue
      const block = blockOf(block_json)
      assert.strictEqual(toHex(blockHash(block.header)), hash)
      assert.strictEqual(new RecordedNode().verdict(block, BigInt(now)), "ok", name)
    }
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
    assert.deepStrictEqual(stricter, verdictsOf(TRANSACTIONS))
  })

  it("on signatures of votes", () => {
    let votes = 0
    for (const { masternodes_json, name, steps } of cases) {
      if (!name.startsWith("votes")) continue
      const keys = new Map<string, PublicKey>()
      for (const json of masternodes_json) {
        const { address, public_key } = JSON.parse(json)
        keys.set(address, Uint8Array.from(public_key) as PublicKey)
      }
      for (const { note, result, vote_json } of steps) {
        if (vote_json === undefined) continue
        const { vote } = messageOf("TransactionVote", `{"TransactionVote":${vote_json}}`)
        const key = keys.get(vote.voter)
        assert.strictEqual(key === undefined, result.err === "Vote from non-masternode", `${name} / ${note}`)
        if (key === undefined) continue
        assert.strictEqual(verifyVote(vote, key), result.err !== "Invalid vote signature", `${name} / ${note}`)
        votes++
      }
    }
    assert.strictEqual(votes, 121)
  })

  it("are all replayed, but for the parts that this node has not", () => {
    const kinds: Record<string, number> = {}
    for (const { name } of cases as ReadonlyArray<{ readonly name: string }>) {
      const kind = /^(block|catchup|transaction rules|votes|masternode registry|heartbeat attestation)/.exec(name)?.[0]
      kinds[kind ?? name] = (kinds[kind ?? name] ?? 0) + 1
    }
    assert.deepStrictEqual(kinds, {
      block: 48,
      "transaction rules": 1,
      catchup: 3,
      // Nothing here counts votes; what is replayed are their signatures.
      votes: 17,
      // Another registry by design: D-22, D-23 and C-43.
      "masternode registry": 1,
      "heartbeat attestation": 1
    })
  })

  it("are overruled for reasons that are written down", () => {
    const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8")
    for (const [name, [, , difference]] of [...Object.entries(BLOCKS), ...Object.entries(TRANSACTIONS)]) {
      assert.include(protocol, `\n| ${difference} |`, name)
    }
  })
})
