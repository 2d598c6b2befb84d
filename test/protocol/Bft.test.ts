import { assert, describe, it } from "@effect/vitest"
import * as Bft from "../../src/protocol/Bft.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { type Hash256, sha256, toHex, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { owner } from "../fixtures/Blocks.ts"

const { key } = owner(1)
const at = height(7)
const hash = genesis(testnet).hash
const ballots: ReadonlyArray<Bft.Ballot> = (["Prevote", "Precommit"] as const).flatMap((kind) =>
  [0, 1, 1_000, Number.MAX_SAFE_INTEGER].flatMap((round) =>
    [hash, ZERO_HASH].map((blockHash) => ({ kind, height: at, round, blockHash }))
  )
)

describe("BFT signatures", () => {
  it("sign the bytes that the rules name", () => {
    const bytes = Buffer.concat([
      Buffer.from("TIMECOIN_PREVOTE:"),
      Buffer.from("0700000000000000", "hex"),
      Buffer.from("0201000000000000", "hex"),
      hash
    ])
    assert.deepStrictEqual(Bft.roundHash("Prevote", at, 258, hash), sha256(bytes))
    // As `timed` signs, over the hashes alone.
    assert.strictEqual(toHex(key.sign(Bft.proposalBytes(hash))).slice(0, 32), "1f77102756be99ea50d02b71774c1509")
    assert.strictEqual(toHex(key.sign(Bft.blockVoteBytes(hash, true))).slice(0, 32), "16ec3c9663e06066654dc69873586b48")
  })

  it("carry what opens them, and nothing else does", () => {
    for (const ballot of ballots) {
      const { blockHash, signature } = Bft.signBallot(ballot, key)
      assert.deepStrictEqual(Bft.openBallot(at, blockHash, signature), ballot)
      assert.isTrue(Bft.verifyBallot(ballot, signature, key.publicKey))
      assert.isFalse(Bft.verifyBallot(ballot, signature, owner(2).key.publicKey))
      assert.isUndefined(Bft.openBallot(height(8), blockHash, signature))
      for (let index = 64; index < signature.length; index++) {
        const forged = Uint8Array.from(signature)
        forged[index]! ^= 1
        assert.isUndefined(Bft.openBallot(at, blockHash, forged), `byte ${index}`)
      }
      for (const other of ballots) {
        assert.strictEqual(Bft.verifyBallot(other, signature, key.publicKey), other === ballot)
      }
    }
    assert.isUndefined(Bft.openBallot(at, hash, key.sign(Bft.blockVoteBytes(hash, true))))
  })

  it("say their round in a certificate", () => {
    const ballot: Bft.Ballot = { kind: "Precommit", height: at, round: 258, blockHash: hash }
    const signature = Bft.certificateSignature(Bft.signBallot(ballot, key).signature)
    assert.strictEqual(signature.length, 72)
    assert.strictEqual(Bft.certificateRound(signature), 258)
    assert.isTrue(Bft.verifyBallot(ballot, signature, key.publicKey))
    assert.isUndefined(Bft.certificateRound(signature.subarray(0, 64)))
  })

  it("bind a proposal to its round", () => {
    const signature = Bft.signProposal(at, 3, hash, key)
    assert.isTrue(Bft.verifyProposal(at, 3, hash, signature, key.publicKey))
    assert.isFalse(Bft.verifyProposal(at, 4, hash, signature, key.publicKey))
    assert.isFalse(Bft.verifyProposal(height(8), 3, hash, signature, key.publicKey))
    assert.isFalse(Bft.verifyProposal(at, 3, new Uint8Array(32) as Hash256, signature, key.publicKey))
  })
})
