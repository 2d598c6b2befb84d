import { assert, describe, it } from "@effect/vitest"
import { AddressAllowance } from "../../src/layers/AddressAllowance.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"

const one = "8.8.8.8" as PeerId
const takeAll = (allowance: AddressAllowance, peer: PeerId, now: number) => {
  let taken = 0
  while (taken < 10_000 && allowance.take(peer, now)) taken++
  return taken
}

describe("AddressAllowance", () => {
  it("is a burst and then one every ten seconds, up to the burst", () => {
    const allowance = new AddressAllowance()
    assert.strictEqual(takeAll(allowance, one, 0), Limits.ADDRESS_BURST)
    assert.strictEqual(takeAll(allowance, one, 9_999), 0)
    assert.strictEqual(takeAll(allowance, one, 10_000), 1)
    assert.strictEqual(takeAll(allowance, one, 100_000), 9)
    assert.strictEqual(takeAll(allowance, one, 10 ** 9), Limits.ADDRESS_BURST)
    assert.strictEqual(takeAll(allowance, "8.8.8.9" as PeerId, 10 ** 9), Limits.ADDRESS_BURST)
  })

  it("is remembered of a bounded number of peers, those heard of last", () => {
    const allowance = new AddressAllowance()
    takeAll(allowance, one, 0)
    const others = (from: number, count: number) => {
      for (let n = from; n < from + count; n++) allowance.take(`peer ${n}` as PeerId, 0)
    }
    others(0, Limits.ADDRESS_SOURCES - 1)
    assert.isFalse(allowance.take(one, 0))
    others(10_000, Limits.ADDRESS_SOURCES - 1)
    assert.isFalse(allowance.take(one, 0))
    others(20_000, Limits.ADDRESS_SOURCES)
    assert.isTrue(allowance.take(one, 0))
  })
})
