import { assert, describe, it } from "@effect/vitest"
import { decodeDelta, encodeDelta } from "../../src/layers/UndoRecord.ts"
import { MAX_U64, MIN_I64 } from "../../src/protocol/Integer.ts"
import { hashOf, link, outputs, utxo } from "../fixtures/Deltas.ts"

const spent = [...outputs("a", 3), ...outputs("b", 2), ...outputs("a", 1)]
const created = [...outputs("c", 4), utxo({ txid: hashOf("d"), vout: 0xffff_ffff }, MAX_U64, "\ufeff")]
const { delta } = link(null, "block", { spent, created })

describe("an undo record", () => {
  it("is read as it was written", () => {
    assert.deepStrictEqual(decodeDelta(encodeDelta(delta)), delta)
    const extreme = { ...delta, timestamp: MIN_I64, txids: [], spent: [], spenders: [], created: [] }
    assert.deepStrictEqual(decodeDelta(encodeDelta(extreme)), extreme)
  })

  it("names a transaction once for a run of its outputs", () => {
    const one = encodeDelta({ ...delta, created: outputs("c", 1) }).length
    const two = encodeDelta({ ...delta, created: outputs("c", 2) }).length
    assert.strictEqual(two - one, 1 + 4 + 8 + 4 + "c".length)
  })

  it("is refused at any other length", () => {
    const bytes = encodeDelta(delta)
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeDelta(bytes.slice(0, length)), RangeError)
    }
    assert.throws(() => decodeDelta(new Uint8Array([...bytes, 0])), RangeError)
  })
})
