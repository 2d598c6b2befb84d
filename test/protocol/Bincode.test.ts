import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Bincode from "../../src/protocol/Bincode.ts"
import { blockBytes, blockHash, headerBytes } from "../../src/protocol/Block.ts"
import { PublicKey } from "../../src/protocol/Ed25519.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { U64 } from "../../src/protocol/Integer.ts"
import { MasternodeTier } from "../../src/protocol/Masternode.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { transactionBytes, txid } from "../../src/protocol/Transaction.ts"
import { Utxo, UtxoState } from "../../src/protocol/Utxo.ts"
import { blockOf, fromHex, readVectors, transactionOf } from "../fixtures/Vectors.ts"

const { blocks, transactions } = readVectors("hashes.json")
const ones = (length: number, value = 1) => new Uint8Array(length).fill(value)
const hash = (value: number) => ones(32, value) as Hash256

describe("Bincode", () => {
  it("writes and hashes every recorded transaction", () => {
    assert.strictEqual(transactions.length, 22)
    for (const { bincode_hex, json_line, txid: id } of transactions) {
      const transaction = transactionOf(json_line)
      assert.strictEqual(toHex(transactionBytes(transaction)), bincode_hex, json_line)
      assert.strictEqual(toHex(txid(transaction)), id, json_line)
    }
  })

  it("writes and hashes every recorded block", () => {
    assert.strictEqual(blocks.length, 15)
    for (const { block_bincode_hex, block_json, hash, header_bincode_hex, txids } of blocks) {
      const block = blockOf(block_json)
      assert.strictEqual(toHex(headerBytes(block.header)), header_bincode_hex, hash)
      assert.strictEqual(toHex(blockBytes(block)), block_bincode_hex, hash)
      assert.strictEqual(toHex(blockHash(block.header)), hash)
      assert.deepStrictEqual(
        block.transactions.map((transaction) => toHex(txid(transaction))),
        txids,
        hash
      )
    }
  })

  it("writes extreme values of a transaction", () => {
    const empty = new Uint8Array(0)
    const transaction = {
      version: 1,
      inputs: [
        { previousOutput: { txid: hash(0xaa), vout: 1 }, scriptSig: fromHex("010203"), sequence: 0xffff_ffff },
        { previousOutput: { txid: hash(0xbb), vout: 258 }, scriptSig: empty, sequence: 0xffff_ffff }
      ],
      outputs: [
        { value: satoshi(1), scriptPubkey: Buffer.from("TIME0abc") },
        { value: satoshi(2n ** 64n - 1n), scriptPubkey: empty }
      ],
      lockTime: 0x01020304,
      timestamp: -1n
    }
    assert.strictEqual(toHex(txid(transaction)), "6acc69c113770bbbbb68e880c5e9fda98b7498ff17e6272296b13dfa33761424")
  })

  it("writes outputs, states, options, tiers and keys", () => {
    const utxo = {
      outpoint: { txid: hash(0x11), vout: 2 },
      value: satoshi(14),
      scriptPubkey: ones(1, 0x78),
      address: "x"
    }
    const encoded = [
      Bincode.encoder(Utxo)(utxo),
      Bincode.encoder(UtxoState)({ _tag: "Locked", txid: hash(1), lockedAt: 5n }),
      Bincode.encoder(MasternodeTier)("Silver"),
      Bincode.encoder(PublicKey)(ones(32) as PublicKey),
      Bincode.encoder(Schema.NullOr(Schema.String))("é"),
      Bincode.encoder(Schema.NullOr(Schema.String))(null),
      Bincode.encoder(Schema.Array(U64))([1n, 2n ** 64n - 1n])
    ]
    assert.deepStrictEqual(encoded.map(toHex), [
      `${"11".repeat(32)}020000000e00000000000000010000000000000078010000000000000078`,
      `01000000${"01".repeat(32)}0500000000000000`,
      "02000000",
      `2000000000000000${"01".repeat(32)}`,
      "010200000000000000c3a9",
      "00",
      "02000000000000000100000000000000ffffffffffffffff"
    ])
  })

  it("writes values larger than its buffer, and small ones after them", () => {
    const encode = Bincode.encoder(Schema.Array(U64))
    const many = Array.from({ length: 100_000 }, (_, index) => BigInt(index))
    const bytes = encode(many)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    assert.strictEqual(bytes.length, 8 + 8 * many.length)
    assert.isTrue(many.every((value, index) => view.getBigUint64(8 + 8 * index, true) === value))
    assert.strictEqual(toHex(encode([1n])), "01000000000000000100000000000000")
  })

  it("refuses a schema without bincode form", () => {
    assert.throws(() => Bincode.encoder(Schema.Number), /no bincode form/)
  })
})
