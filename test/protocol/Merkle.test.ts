import { assert, describe, it } from "@effect/vitest"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { merkleRoot } from "../../src/protocol/Merkle.ts"
import { fromHex, readVectors } from "../fixtures/Vectors.ts"

const { blocks, merkle } = readVectors("hashes.json")

describe("merkleRoot", () => {
  it("is the recorded root of every recorded list", () => {
    assert.strictEqual(merkle.length, 14)
    for (const { n, root, txids } of merkle) {
      assert.strictEqual(toHex(merkleRoot(txids.map(fromHex<Hash256>))), root, `${n} ids`)
    }
  })

  it("is the recorded root of every recorded block", () => {
    for (const { hash, merkle_root_of_transactions, txids } of blocks) {
      assert.strictEqual(toHex(merkleRoot(txids.map(fromHex<Hash256>))), merkle_root_of_transactions, hash)
    }
  })
})
