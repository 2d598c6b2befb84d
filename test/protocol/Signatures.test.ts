/**
 * What the network signs, against every recorded key, signature and wallet file.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Bincode from "../../src/protocol/Bincode.ts"
import { blockVoteBytes, proposalBytes } from "../../src/protocol/Bft.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { concatBytes } from "../../src/protocol/ByteArray.ts"
import { isSmallOrder, type PublicKey, type Seed, SigningKey, verify } from "../../src/protocol/Ed25519.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import {
  attestationDigest,
  heartbeatDigest,
  heartbeatId,
  signAttestation,
  signHeartbeat,
  verifyAttestation,
  verifyHeartbeat
} from "../../src/protocol/Heartbeat.ts"
import { I64 } from "../../src/protocol/Integer.ts"
import { Message } from "../../src/protocol/Message.ts"
import { signVote, verifyVote, voteBytes } from "../../src/protocol/Vote.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { blockOf, fromHex, messageOf, readVectors } from "../fixtures/Vectors.ts"

const PRIME = 2n ** 255n - 19n
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`)
const scalar = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, "0")).reverse()

/** By Fermat: the value to the power of PRIME - 2. */
const inverse = (value: bigint): bigint => {
  let result = 1n
  for (const bit of (PRIME - 2n).toString(2)) result = (result * result * (bit === "1" ? value : 1n)) % PRIME
  return result
}

const vectors = readVectors("signatures.json")
const keyOf = (seed: string) => new SigningKey(fromHex<Seed>(seed))

/** Every list is read whole: a count that changes is a test to look at again. */
const all = (name: string, count: number): ReadonlyArray<any> => {
  assert.strictEqual(vectors[name].length, count, name)
  return vectors[name]
}

describe("signatures", () => {
  it("keys", () => {
    for (const { index, public_key_hex, seed_hex } of all("keys", 12)) {
      assert.strictEqual(toHex(keyOf(seed_hex).publicKey), public_key_hex, `key ${index}`)
    }
  })

  it("transaction votes", () => {
    for (const { line, seed_hex, signature_hex, signed_bytes_hex } of all("transaction_votes", 5)) {
      const { vote } = messageOf("TransactionVote", line)
      const key = keyOf(seed_hex)
      assert.strictEqual(toHex(voteBytes(vote)), signed_bytes_hex, line)
      assert.deepStrictEqual(signVote(vote, key), vote, line)
      assert.strictEqual(toHex(vote.signature), signature_hex, line)
      assert.isTrue(verifyVote(vote, key.publicKey), line)
      assert.isFalse(verifyVote({ ...vote, approve: !vote.approve }, key.publicKey), line)
      assert.isFalse(verifyVote({ ...vote, voter: `${vote.voter}0` }, key.publicKey), line)
    }
  })

  it("heartbeats", () => {
    for (const recorded of all("heartbeats", 12)) {
      const { heartbeat } = messageOf("HeartbeatBroadcast", recorded.line)
      assert.strictEqual(toHex(heartbeatId(heartbeat)), recorded.heartbeat_hash_hex, recorded.line)
      assert.strictEqual(toHex(heartbeatDigest(heartbeat)), recorded.signed_bytes_hex, recorded.line)
      assert.deepStrictEqual(signHeartbeat(heartbeat, keyOf(recorded.seed_hex)), heartbeat, recorded.line)
      assert.strictEqual(toHex(heartbeat.signature), recorded.signature_hex, recorded.line)
      assert.strictEqual(verifyHeartbeat(heartbeat), recorded.verify, recorded.line)
      const { line, verify } = recorded.tampered
      assert.strictEqual(verifyHeartbeat(messageOf("HeartbeatBroadcast", line).heartbeat), verify, line)
    }
  })

  it("attestations", () => {
    for (const recorded of all("attestations", 12)) {
      const { attestation } = messageOf("HeartbeatAttestation", recorded.line)
      assert.strictEqual(toHex(attestation.heartbeatHash), recorded.heartbeat_hash_hex, recorded.line)
      assert.strictEqual(toHex(attestationDigest(attestation)), recorded.signed_bytes_hex, recorded.line)
      assert.deepStrictEqual(signAttestation(attestation, keyOf(recorded.seed_hex)), attestation, recorded.line)
      assert.strictEqual(toHex(attestation.signature), recorded.signature_hex, recorded.line)
      assert.strictEqual(verifyAttestation(attestation), recorded.verify, recorded.line)
      // Wraps at the end of the range, as the recording program does.
      const witnessTimestamp = BigInt.asIntN(64, attestation.witnessTimestamp + 1n)
      assert.strictEqual(
        verifyAttestation({ ...attestation, witnessTimestamp }),
        recorded.tampered_timestamp_verify,
        recorded.line
      )
    }
  })

  it("block proposals, votes and commits", () => {
    for (const recorded of all("bft", 7)) {
      const block = blockOf(recorded.block_json)
      const hash = blockHash(block.header)
      const key = keyOf(recorded.seed_hex)
      const approval = blockVoteBytes(hash, true)
      const refusal = blockVoteBytes(hash, false)
      assert.strictEqual(toHex(hash), recorded.block_hash_hex)
      assert.strictEqual(toHex(proposalBytes(hash)), recorded.proposal_signed_bytes_hex)
      assert.strictEqual(toHex(approval), recorded.vote_approve_signed_bytes_hex)
      assert.strictEqual(toHex(refusal), recorded.vote_reject_signed_bytes_hex)
      assert.strictEqual(toHex(key.sign(proposalBytes(hash))), recorded.proposal_signature_hex)
      assert.strictEqual(toHex(key.sign(approval)), recorded.vote_approve_signature_hex)
      assert.strictEqual(toHex(key.sign(refusal)), recorded.vote_reject_signature_hex)

      assert.isFalse(verify(key.publicKey, hash, fromHex(recorded.proposal_signature_without_key_hex)))
      assert.deepStrictEqual(recorded.verify, {
        "approve/approve": verify(key.publicKey, approval, fromHex(recorded.vote_approve_signature_hex)),
        "approve/reject sig": verify(key.publicKey, approval, fromHex(recorded.vote_reject_signature_hex)),
        short: verify(key.publicKey, approval, fromHex(recorded.vote_approve_signature_hex.slice(2)))
      })

      const proposal = messageOf("BlockProposal", recorded.lines.proposal)
      assert.deepStrictEqual(proposal.block, block)
      assert.isTrue(verify(key.publicKey, proposalBytes(hash), proposal.signature))
      const vote = messageOf("BlockVote", recorded.lines.vote)
      assert.isTrue(verify(key.publicKey, blockVoteBytes(vote.blockHash, vote.approve), vote.signature))
      for (const { signature } of messageOf("BlockCommit", recorded.lines.commit).signatures) {
        assert.isTrue(verify(key.publicKey, approval, signature))
      }
    }
  })

  it("signed messages, which no node sends: bincode of every variant", () => {
    const encode = Bincode.encoder(Message)
    const i64 = Bincode.encoder(I64)
    for (const recorded of all("signed_messages", 58)) {
      const message = Wire.decode(Buffer.from(recorded.payload_line))
      if (message._tag === "WireError") assert.fail(recorded.payload_line)
      const key = keyOf(recorded.seed_hex)
      const signed = concatBytes(encode(message), i64(BigInt(recorded.timestamp)))
      assert.strictEqual(toHex(encode(message)), recorded.payload_bincode_hex, recorded.payload_line)
      assert.strictEqual(toHex(signed), recorded.signed_bytes_hex, recorded.payload_line)
      assert.strictEqual(toHex(key.sign(signed)), recorded.signature_hex, recorded.payload_line)
      assert.strictEqual(
        verify(key.publicKey, signed, fromHex(recorded.signature_hex)),
        recorded.verify,
        recorded.payload_line
      )
    }
  })

  it("verifies nothing under bytes that are no key, or with a signature of another length", () => {
    const key = keyOf("01".repeat(32))
    const signature = key.sign(new Uint8Array(3))
    const noPoint = new Uint8Array(32).fill(2) as PublicKey
    assert.isTrue(verify(key.publicKey, new Uint8Array(3), signature))
    assert.isFalse(verify(noPoint, new Uint8Array(3), signature))
    assert.isFalse(verify(key.publicKey, new Uint8Array(3), signature.subarray(1)))
    assert.isFalse(verify(key.publicKey, new Uint8Array(3), concatBytes(signature, new Uint8Array(1))))
    assert.isFalse(verify(key.publicKey, new Uint8Array(0) as Hash256, signature))
  })

  it("takes only the smaller of two values of S that sign the same", () => {
    const bytes = new Uint8Array(3)
    const key = keyOf("01".repeat(32))
    const signature = key.sign(bytes)
    const larger = littleEndian(signature.subarray(32)) + GROUP_ORDER
    assert.isFalse(verify(key.publicKey, bytes, concatBytes(signature.subarray(0, 32), scalar(larger))))
  })

  // Both hold by the equation S B = R + h A alone; whether node:crypto takes them depends on its OpenSSL.
  it("refuses points of small order, as key and as R", () => {
    const bytes = new Uint8Array(3)
    const one = scalar(1n)
    const base = fromHex(`58${"66".repeat(31)}`)
    assert.isFalse(verify(one as Uint8Array as PublicKey, bytes, concatBytes(base, one)))

    const seed = "01".repeat(32)
    const { publicKey } = keyOf(seed)
    const secret = createHash("sha512").update(Buffer.from(seed, "hex")).digest().subarray(0, 32)
    secret[0]! &= 248
    secret[31] = (secret[31]! & 127) | 64
    const challenge = createHash("sha512")
      .update(concatBytes(one, publicKey, bytes))
      .digest()
    const s = (littleEndian(challenge) * littleEndian(secret)) % GROUP_ORDER
    assert.isFalse(verify(publicKey, bytes, concatBytes(one, scalar(s))))
  })

  it("knows the points of small order in every spelling", () => {
    const spelled = [0n, 1n, PRIME - 1n, PRIME, PRIME + 1n, ORDER_8, PRIME - ORDER_8]
    for (const y of spelled) {
      for (const sign of [0n, 1n << 255n]) assert.isTrue(isSmallOrder(scalar(y + sign)), `${y} ${sign}`)
    }
    // A point of order 8 doubles to y = 0, so that x^2 = -y^2 and the curve's equation becomes d y^4 + 2 y^2 = 1.
    const square = (ORDER_8 * ORDER_8) % PRIME
    const d = (-121_665n * inverse(121_666n)) % PRIME
    assert.strictEqual((d * square * square + 2n * square - 1n) % PRIME, 0n)
    for (const y of [2n, 3n, PRIME - 2n, PRIME + 2n]) assert.isFalse(isSmallOrder(scalar(y)), String(y))
    for (const { public_key_hex } of vectors.keys) assert.isFalse(isSmallOrder(fromHex(public_key_hex)))
  })

  it("keeps the secret out of what is printed", () => {
    const seed = "07".repeat(32)
    assert.notInclude(JSON.stringify(keyOf(seed)), "7,7,7,7")
    assert.deepStrictEqual(Object.keys(keyOf(seed)), ["publicKey"])
  })
})
