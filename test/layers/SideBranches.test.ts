import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { SideBranches, type SideBlock } from "../../src/layers/SideBranches.ts"
import { type Block, blockMemory } from "../../src/protocol/Block.ts"
import { type Hash256, sha256 } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { emptyBlock } from "../peer/Fixture.ts"

const named = (name: string): Hash256 => sha256(new TextEncoder().encode(name))

/** A block of that name after the one of another. */
const side = (name: string, parent: string, height: number, bytes = 2_000): SideBlock => ({
  block: weighing(bytes, emptyBlock(height, named(parent))),
  hash: named(name)
})

/** Scripts of any length, which take no memory of their own. */
const zeros = new Uint8Array(Limits.SIDE_BLOCK_BYTES)

/** The block with a transaction that makes it take so much memory. */
const weighing = (bytes: number, block: Block): Block => {
  const withScript = (length: number): Block => ({
    ...block,
    transactions: [
      {
        version: 1,
        inputs: [],
        outputs: [{ value: satoshi(0), scriptPubkey: zeros.subarray(0, length) }],
        lockTime: 0,
        timestamp: 0n
      }
    ]
  })
  return withScript(bytes - blockMemory(withScript(0)))
}

/** So many blocks one after the other, on a block of the best chain. */
const line = (name: string, count: number, from = 1, bytes?: number): ReadonlyArray<SideBlock> =>
  Array.from({ length: count }, (_, at) =>
    side(`${name} ${at}`, at === 0 ? "best" : `${name} ${at - 1}`, from + at, bytes)
  )

const fill = (branches: SideBranches, blocks: ReadonlyArray<SideBlock>, tip = 100n) =>
  blocks.map((block) => branches.keep(block, tip))

describe("side branches", () => {
  it("are found by their last block, and end where no other block follows", () => {
    const branches = new SideBranches()
    const blocks = line("a", 4)
    const fork = side("b", "a 1", 3)
    fill(branches, [...blocks, fork])
    assert.deepStrictEqual(branches.branch(named("a 2")), { parent: named("best"), blocks: blocks.slice(0, 3) })
    assert.deepStrictEqual(branches.branch(named("b")), {
      parent: named("best"),
      blocks: [...blocks.slice(0, 2), fork]
    })
    assert.deepStrictEqual(branches.ends(), [blocks[3]!, fork])
    assert.isUndefined(branches.branch(named("c")))
  })

  it("lose a block with all that follow it, in whatever order they came", () => {
    const branches = new SideBranches()
    const blocks = line("a", 5)
    fill(branches, [...blocks, side("b", "a 2", 4)].reverse())
    branches.drop(named("a 1"))
    assert.deepStrictEqual(branches.ends(), [blocks[0]!])
    assert.strictEqual(branches.size, 1)
  })

  it("keep what follows a block that is on the best chain now", () => {
    const branches = new SideBranches()
    const blocks = line("a", 3)
    fill(branches, blocks)
    branches.promote([named("a 0")])
    assert.deepStrictEqual(branches.branch(named("a 2")), { parent: named("a 0"), blocks: blocks.slice(1) })
  })

  it("keep so many blocks and no more: the one that came first goes", () => {
    const branches = new SideBranches()
    const old = line("old", 3)
    fill(branches, old)
    for (let at = 3; at < Limits.SIDE_BLOCKS; at++) assert.isTrue(branches.keep(side(`${at}`, "best", 50), 100n))
    assert.strictEqual(branches.size, Limits.SIDE_BLOCKS)
    assert.isTrue(branches.keep(side("new", "best", 50), 100n))
    assert.strictEqual(branches.size, Limits.SIDE_BLOCKS - 2)
    assert.isUndefined(branches.branch(named("old 2")))
  })

  it("keep so many bytes and no more, and spare the branch that grows", () => {
    const branches = new SideBranches()
    const bytes = Limits.SIDE_BLOCK_BYTES / 8
    const growing = line("growing", 9, 1, bytes)
    const other = line("other", 3, 1, bytes)
    assert.isTrue(fill(branches, [...growing.slice(0, 5), ...other]).every(Boolean))
    assert.isTrue(branches.keep(growing[5]!, 100n))
    assert.deepStrictEqual(branches.ends(), [growing[5]!])
    assert.isTrue(fill(branches, growing.slice(6, 8)).every(Boolean))
    assert.isFalse(branches.keep(growing[8]!, 100n))
    assert.deepStrictEqual(branches.ends(), [growing[7]!])
  })

  it("take another body under the same header for the one before", () => {
    const branches = new SideBranches()
    const [first, second] = [side("a", "best", 1, 3_000), side("a", "best", 1, 4_000)]
    fill(branches, [first, second])
    assert.strictEqual(branches.size, 1)
    assert.strictEqual(branches.get(named("a")), second)
  })

  it("are near the tip, or forgotten", () => {
    const branches = new SideBranches()
    const far = Limits.SIDE_BLOCK_DISTANCE
    assert.isFalse(branches.keep(side("low", "best", 9), BigInt(far + 10)))
    assert.isTrue(branches.keep(side("lowest", "best", 10), BigInt(far + 10)))
    assert.isFalse(branches.keep(side("high", "best", 2 * far + 11), BigInt(far + 10)))
    fill(branches, line("a", 4, 12), BigInt(far + 10))
    branches.prune(BigInt(far + 12))
    assert.strictEqual(branches.size, 4)
    branches.prune(BigInt(far + 13))
    assert.strictEqual(branches.size, 0)
  })

  it.prop(
    "never hold more than they may, whatever comes",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9_999 }))).check(Schema.isMaxLength(60))],
    ([choices]) => {
      const branches = new SideBranches()
      const known: Array<SideBlock> = []
      for (const [at, choice] of choices.entries()) {
        const parent = known[choice % (known.length + 1)]
        const before = parent !== undefined && branches.get(parent.hash) !== undefined ? parent : undefined
        const height = before === undefined ? 1 : Number(before.block.header.height) + 1
        const bytes = 2_000 + Math.floor((choice * Limits.SIDE_BLOCK_BYTES) / 20_000)
        const block: SideBlock = {
          block: weighing(bytes, emptyBlock(height, before?.hash ?? named("best"))),
          hash: named(`${at}`)
        }
        branches.keep(block, 1n)
        known.push(block)
        const kept = known.filter(({ hash }) => branches.get(hash) !== undefined)
        assert.strictEqual(kept.length, branches.size)
        assert.isAtMost(
          kept.reduce((sum, { block }) => sum + blockMemory(block), 0),
          Limits.SIDE_BLOCK_BYTES
        )
        for (const { hash } of kept) assert.deepStrictEqual(branches.branch(hash)!.parent, named("best"))
      }
    }
  )
})
