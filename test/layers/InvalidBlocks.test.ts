import { assert, describe, it } from "@effect/vitest"
import { InvalidBlocks } from "../../src/layers/InvalidBlocks.ts"
import { type BlockHeader, blockHash } from "../../src/protocol/Block.ts"
import { type Hash256, sha256, toHex } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { BlockRejected } from "../../src/services/Blockchain.ts"
import { emptyBlock } from "../peer/Fixture.ts"

const named = (name: string): Hash256 => sha256(new TextEncoder().encode(name))

const header = (name: string, at = 1): BlockHeader => emptyBlock(at, named(name)).header

const rejectedBlock = (header: BlockHeader) =>
  new BlockRejected({ height: header.height, hash: toHex(blockHash(header)), rejection: { _tag: "CoinbaseMissing" } })

const headers = (name: string, count: number) => Array.from({ length: count }, (_, at) => header(`${name} ${at}`))

const add = (blocks: InvalidBlocks, headers: ReadonlyArray<BlockHeader>, wasVotedFor?: boolean) => {
  for (const header of headers) blocks.add(header, rejectedBlock(header), wasVotedFor)
}

const known = (blocks: InvalidBlocks, headers: ReadonlyArray<BlockHeader>) =>
  headers.filter((header) => blocks.get(blockHash(header)) !== undefined).length

describe("invalid blocks", () => {
  it("are as many as there is room for, of which the first goes first", () => {
    const blocks = new InvalidBlocks()
    const all = headers("a", Limits.INVALID_BLOCKS + 3)
    add(blocks, all)
    assert.strictEqual(blocks.size, Limits.INVALID_BLOCKS)
    assert.strictEqual(known(blocks, all.slice(0, 3)), 0)
    assert.strictEqual(known(blocks, all.slice(3)), Limits.INVALID_BLOCKS)
  })

  it("of a branch that was voted for are pushed out by others of such a branch alone", () => {
    const blocks = new InvalidBlocks()
    const paid = headers("paid", 100)
    add(blocks, paid, true)
    add(blocks, headers("junk", 2 * Limits.INVALID_BLOCKS))
    // What is known already does not become cheaper by being seen again, and its descendants are cheap.
    add(blocks, paid)
    for (let at = 0; at < Limits.INVALID_BLOCKS; at++) {
      const child = emptyBlock(2, blockHash(paid[0]!), at + 1).header
      assert.strictEqual(blocks.refusal(child)?.hash, toHex(blockHash(paid[0]!)))
    }
    assert.deepStrictEqual([known(blocks, paid), blocks.size], [100, Limits.INVALID_BLOCKS])

    const more = headers("more", Limits.INVALID_BLOCKS - 50)
    add(blocks, more, true)
    assert.deepStrictEqual([known(blocks, paid), known(blocks, more)], [50, more.length])
    add(blocks, more.slice(0, 50), true)
    add(blocks, headers("last", 3))
    assert.deepStrictEqual([known(blocks, paid), known(blocks, more)], [50, more.length])
  })

  it("make what follows them refused for the same reason, at any distance", () => {
    const blocks = new InvalidBlocks()
    const first = header("parent")
    add(blocks, [first])
    let parent = first
    for (let at = 2; at < 6; at++) {
      const next = emptyBlock(at, blockHash(parent)).header
      assert.strictEqual(blocks.refusal(next)?.hash, toHex(blockHash(first)))
      parent = next
    }
    assert.isUndefined(blocks.refusal(header("other")))
    assert.deepStrictEqual(
      blocks.ends().map(({ last, length, parent }) => [toHex(last.hash), length, toHex(parent)]),
      [[toHex(blockHash(parent)), 5, toHex(named("parent"))]]
    )
  })
})
