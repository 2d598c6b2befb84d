import { assert, describe, it } from "@effect/vitest"
import type { RoundVote } from "../../src/consensus/BftState.ts"
import { type BlockCommit, certificateOf, isCertificate, roundOf } from "../../src/consensus/Certificate.ts"
import { signBallot, type VoteKind } from "../../src/protocol/Bft.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { owner } from "../fixtures/Blocks.ts"
import { peer } from "../peer/Fixture.ts"

const at = height(7)
const { hash } = genesis(testnet)
const keys = new Map([1, 2, 3, 4].map((number) => [peer(number) as string, owner(number).key.publicKey]))

const vote = (number: number, round = 3, kind: VoteKind = "Precommit", key = owner(number).key): RoundVote => ({
  kind,
  round,
  voter: peer(number),
  value: toHex(hash),
  signature: signBallot({ kind, height: at, round, blockHash: hash }, key).signature
})

const judge = (commit: BlockCommit) => {
  const round = roundOf(commit)
  return round !== undefined && isCertificate(commit, round, keys)
}
const of = (...votes: ReadonlyArray<RoundVote>) => certificateOf(at, hash, votes)

describe("A certificate", () => {
  it("is a quorum's precommits of one round", () => {
    assert.isTrue(judge(of(vote(1), vote(2), vote(3))))
    assert.isTrue(judge(of(vote(4), vote(3), vote(2), vote(1))))
  })

  it("is none with fewer, with the same voter twice, or with strangers", () => {
    assert.isFalse(judge(of(vote(1), vote(2))))
    assert.isFalse(judge(of(vote(1), vote(2), vote(2))))
    assert.isFalse(judge(of(vote(1), vote(2), vote(5))))
    assert.isFalse(judge(of()))
  })

  it("is none of votes of several rounds, of prevotes, or under another's key", () => {
    assert.isFalse(judge(of(vote(1), vote(2), vote(3, 4))))
    assert.isFalse(judge(of(vote(1), vote(2), vote(3, 3, "Prevote"))))
    assert.isFalse(judge(of(vote(1), vote(2), vote(3, 3, "Precommit", owner(2).key))))
  })

  it("is of its block and its height alone", () => {
    const { signatures } = of(vote(1), vote(2), vote(3))
    assert.isFalse(judge({ _tag: "BlockCommit", height: height(8), blockHash: hash, signatures }))
    assert.isFalse(judge({ _tag: "BlockCommit", height: at, blockHash: new Uint8Array(32) as typeof hash, signatures }))
  })
})
