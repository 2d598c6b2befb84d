import { assert, describe, it } from "@effect/vitest"
import { type Hash256, sha256, toHex } from "../../src/protocol/Hash.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { compareOutPoints, outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import { UtxoSetHasher, utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { readVectors } from "../fixtures/Vectors.ts"

const { utxo_sets } = readVectors("hashes.json")

const utxoOf = ({ address, outpoint, script_pubkey, value }: any): Utxo => ({
  outpoint: { txid: Uint8Array.from(outpoint.txid) as Hash256, vout: outpoint.vout },
  value: satoshi(value),
  scriptPubkey: Uint8Array.from(script_pubkey),
  address
})

/** The definition, word for word. */
const plainHash = (utxos: ReadonlyArray<Utxo>): Hash256 => {
  const parts = [...utxos]
    .sort((a, b) => (outPointKey(a.outpoint) < outPointKey(b.outpoint) ? -1 : 1))
    .flatMap(({ outpoint, scriptPubkey, value }) => {
      const numbers = Buffer.alloc(12)
      numbers.writeUInt32LE(outpoint.vout)
      numbers.writeBigUInt64LE(value, 4)
      return [outpoint.txid, numbers, scriptPubkey]
    })
  return sha256(Buffer.concat(parts))
}

const coin = (seed: number, scriptLength: number): Utxo => ({
  outpoint: { txid: sha256(Buffer.from(String(seed >> 2))), vout: seed },
  value: satoshi(seed),
  scriptPubkey: new Uint8Array(scriptLength).fill(seed),
  address: ""
})

describe("UtxoSetHash", () => {
  it("is the recorded hash of every recorded set", () => {
    assert.strictEqual(utxo_sets.length, 10)
    for (const { hash, name, utxos } of utxo_sets) {
      assert.strictEqual(toHex(utxoSetHash(utxos.map(utxoOf))), hash, name)
    }
  })

  it("is the same when the set is larger than the buffer and scripts are of any length", () => {
    const lengths = [0, 1, 38, 300, 16_383, 16_384, 16_385, 50_000]
    const utxos = Array.from({ length: 2_000 }, (_, seed) => coin(seed, lengths[seed % 97] ?? 38))
    assert.strictEqual(toHex(utxoSetHash(utxos)), toHex(plainHash(utxos)))
  })

  it("is computed output by output", () => {
    const utxos = Array.from({ length: 100 }, (_, seed) => coin(seed, 38))
    const hasher = new UtxoSetHasher()
    utxos.sort((a, b) => compareOutPoints(a.outpoint, b.outpoint)).forEach((utxo) => hasher.add(utxo))
    assert.strictEqual(toHex(hasher.digest()), toHex(utxoSetHash(utxos)))
  })

  it("orders outpoints as their keys", () => {
    const vouts = [0, 1, 2, 9, 10, 11, 100, 1_000_000, 4_294_967_295]
    const outpoints = vouts.flatMap((vout) => ["a", "b"].map((text) => ({ txid: sha256(Buffer.from(text)), vout })))
    for (const a of outpoints) {
      for (const b of outpoints) {
        const [keyA, keyB] = [outPointKey(a), outPointKey(b)]
        assert.strictEqual(Math.sign(compareOutPoints(a, b)), keyA < keyB ? -1 : keyA > keyB ? 1 : 0, `${keyA} ${keyB}`)
      }
    }
  })
})
