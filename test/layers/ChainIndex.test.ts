import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ChainIndex } from "../../src/layers/ChainIndex.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { hashOf } from "../fixtures/Deltas.ts"

/** Hashes that agree in their first bytes, so that they meet in the table. */
const colliding = (bucket: number, id: number): Hash256 => {
  const hash = hashOf(`${bucket} ${id}`)
  hash.fill(bucket, 0, 4)
  return hash
}

describe("ChainIndex", () => {
  it.prop(
    "answers as an array and a map do",
    [
      Schema.Array(
        Schema.Struct({
          pops: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })),
          pushes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8 })),
          bucket: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 }))
        })
      )
    ],
    ([steps]) => {
      const index = new ChainIndex()
      const model: Array<Hash256> = []
      const gone: Array<Hash256> = []
      let id = 0
      for (const { bucket, pops, pushes } of steps) {
        for (let i = 0; i < pops && model.length > 0; i++) {
          index.pop()
          gone.push(model.pop()!)
        }
        for (let i = 0; i < pushes; i++) {
          const hash = colliding(bucket, id++)
          index.push(hash)
          model.push(hash)
        }
        assert.strictEqual(index.length, model.length)
        model.forEach((hash, height) => {
          assert.strictEqual(index.heightOf(hash), height)
          assert.deepStrictEqual(index.hashAt(BigInt(height)), hash)
        })
        for (const hash of gone) assert.isUndefined(index.heightOf(hash))
      }
    }
  )

  it("grows", () => {
    const index = new ChainIndex()
    const hashes = Array.from({ length: 20_000 }, (_, height) => hashOf(String(height)))
    for (const hash of hashes) index.push(hash)
    assert.isTrue(hashes.every((hash, height) => index.heightOf(hash) === height))
    for (let left = 20_000; left > 100; left--) index.pop()
    assert.strictEqual(index.heightOf(hashes[99]!), 99)
    assert.isUndefined(index.heightOf(hashes[100]!))
    assert.isUndefined(index.hashAt(100n))
    assert.isUndefined(index.hashAt(2n ** 64n - 1n))
  })

  it("gives out hashes that stay what they are", () => {
    const index = new ChainIndex()
    index.push(hashOf("old"))
    const old = index.hashAt(0n)!
    index.pop()
    index.push(hashOf("new"))
    assert.strictEqual(toHex(old), toHex(hashOf("old")))
  })
})
