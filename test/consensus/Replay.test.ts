import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { createdOutputs, validateBlock } from "../../src/consensus/BlockRules.ts"
import { describe as explain } from "../../src/consensus/BlockRejection.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { outPointKey, type OutPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { readChain } from "../fixtures/Vectors.ts"

describe("a chain of the network's own node", () => {
  it("breaks no rule and ends at the recorded tip and UTXO set", () => {
    const [first, ...blocks] = readChain()
    const start = genesis(testnet)
    assert.deepStrictEqual(first, start.block)

    const utxos = new Map<OutPointKey, Utxo>()
    const create = (created: ReadonlyArray<Utxo>) =>
      created.forEach((utxo) => utxos.set(outPointKey(utxo.outpoint), utxo))
    create(createdOutputs(start.block, start.txids))

    let parent = { header: start.block.header, hash: start.hash }
    for (const block of blocks) {
      const verdict = validateBlock(block, {
        network: testnet,
        parent,
        now: block.header.timestamp,
        coins: coinView(utxos),
        legacy: true
      })
      if (Result.isFailure(verdict)) {
        assert.fail(`block ${block.header.height}: ${explain(verdict.failure)}`)
      }
      verdict.success.spent.forEach((utxo) => utxos.delete(outPointKey(utxo.outpoint)))
      create(verdict.success.created)
      parent = { header: block.header, hash: verdict.success.hash }
    }

    assert.strictEqual(parent.header.height, 2601n)
    assert.strictEqual(toHex(parent.hash), "eae4eb1d4b732f62028a5cd7e5ad0287692770338298a82789d3d54feb6d6fa0")
    assert.strictEqual(utxos.size, 10_405)
    assert.strictEqual(
      toHex(utxoSetHash(utxos.values())),
      "055de8a8f873d51520d0943a42586e3c9416bc047c776628793ec88b42358104"
    )
  })
})
