import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { decideVote, isBetter, prefers } from "../../src/consensus/ForkChoice.ts"
import type { Hash256 } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"

const end = (height: number, hash: number) => ({
  height: BigInt(height),
  hash: new Uint8Array(32).fill(hash) as Hash256
})

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 }))

describe("the choice between two branches", () => {
  it("is for what masternodes have decided, before all else", () => {
    const branch = (height: number, hash: number, certified: bigint | null) => ({ ...end(height, hash), certified })
    assert.isTrue(prefers(branch(5, 9, 5n), branch(5, 1, null)))
    assert.isTrue(prefers(branch(5, 9, 5n), branch(8, 1, 4n)))
    assert.isFalse(prefers(branch(5, 1, null), branch(5, 9, 0n)))
    assert.isTrue(prefers(branch(6, 9, 3n), branch(5, 1, 3n)))
    assert.isFalse(prefers(branch(6, 9, null), branch(6, 9, null)))
  })

  it("prefers the longer one, and of two as long the one with the lower hash", () => {
    assert.isTrue(isBetter(end(6, 9), end(5, 1)))
    assert.isFalse(isBetter(end(5, 1), end(6, 9)))
    assert.isTrue(isBetter(end(5, 1), end(5, 2)))
    assert.isFalse(isBetter(end(5, 2), end(5, 1)))
    // Bytes are compared as numbers, not as signs.
    assert.isTrue(isBetter(end(5, 0x7f), end(5, 0x80)))
  })

  it.prop(
    "is the same for everybody: exactly one of two different branches is better",
    [Count, Count, Count, Count],
    ([height, hash, otherHeight, otherHash]) => {
      const [one, other] = [end(height, hash), end(otherHeight, otherHash)]
      const same = height === otherHeight && hash === otherHash
      assert.strictEqual(isBetter(one, other), !same && !isBetter(other, one))
      assert.isFalse(isBetter(one, one))
    }
  )
})

describe("a vote on a branch", () => {
  it("is not carried by silence: of 15 peers that were asked none has answered", () => {
    assert.strictEqual(decideVote({ asked: 15, ours: 0, theirs: 0, other: 0 }), "Silence")
    assert.strictEqual(decideVote({ asked: 0, ours: 0, theirs: 0, other: 0 }), "Silence")
  })

  it("needs answers of more than half of those asked", () => {
    assert.strictEqual(decideVote({ asked: 15, ours: 0, theirs: 7, other: 0 }), "Silence")
    assert.strictEqual(decideVote({ asked: 15, ours: 0, theirs: 8, other: 0 }), "Carried")
    assert.strictEqual(decideVote({ asked: 2, ours: 0, theirs: 1, other: 0 }), "Silence")
    assert.strictEqual(decideVote({ asked: 1, ours: 0, theirs: 1, other: 0 }), "Carried")
  })

  it("needs more than two thirds of the answers", () => {
    assert.strictEqual(decideVote({ asked: 3, ours: 1, theirs: 2, other: 0 }), "Minority")
    assert.strictEqual(decideVote({ asked: 4, ours: 1, theirs: 3, other: 0 }), "Carried")
    assert.strictEqual(decideVote({ asked: 15, ours: 5, theirs: 10, other: 0 }), "Minority")
    assert.strictEqual(decideVote({ asked: 15, ours: 4, theirs: 11, other: 0 }), "Carried")
    assert.strictEqual(decideVote({ asked: 15, ours: 0, theirs: 10, other: 5 }), "Minority")
  })

  it.prop(
    "never goes to both sides, and never to one that fewer than a third of those asked are on",
    [Count, Count, Count, Count],
    ([ours, theirs, other, silent]) => {
      const asked = ours + theirs + other + silent
      const outcome = decideVote({ asked, ours, theirs, other })
      const reverse = decideVote({ asked, ours: theirs, theirs: ours, other })
      assert.isFalse(outcome === "Carried" && reverse === "Carried")
      if (outcome === "Carried") assert.isAbove(theirs * 3, asked)
    }
  )

  it("is about branches for which undo data is kept", () => {
    assert.isAtMost(Limits.REORG_DEPTH * 10, Limits.UNDO_BLOCKS)
  })
})
