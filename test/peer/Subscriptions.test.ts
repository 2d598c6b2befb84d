import { assert, describe, it } from "@effect/vitest"
import { Subscriptions } from "../../src/peer/Subscriptions.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { hashOf } from "../fixtures/Deltas.ts"
import { connection, peer } from "./Fixture.ts"

const outpoint = (vout: number) => ({ txid: hashOf("coins"), vout })
const to = (id: string, addresses: ReadonlyArray<string>, vouts: ReadonlyArray<number> = []) => ({
  id,
  addresses,
  outpoints: vouts.map(outpoint)
})
const told = (subscriptions: Subscriptions, vout: number, address = "") => [
  ...subscriptions.subscribers(outpoint(vout), address)
]

describe("subscriptions", () => {
  it("name whoever wants an output or its address, once", () => {
    const subscriptions = new Subscriptions()
    subscriptions.add(connection({ peer: peer(1) }), to("a", ["somebody"], [1]))
    subscriptions.add(connection({ peer: peer(2) }), to("a", [], [1, 2]))
    assert.deepStrictEqual(told(subscriptions, 1, "somebody"), [peer(1), peer(2)])
    assert.deepStrictEqual(told(subscriptions, 3, "somebody"), [peer(1)])
    assert.deepStrictEqual(told(subscriptions, 3, "nobody"), [])
  })

  it("end with Unsubscribe, with another of the same id, and with the connection", () => {
    const subscriptions = new Subscriptions()
    const first = connection({ generation: 1 })
    subscriptions.add(first, to("a", [], [1, 2]))
    subscriptions.add(first, to("b", [], [2]))
    subscriptions.add(first, to("a", [], [3]))
    assert.deepStrictEqual(
      [1, 2, 3].map((vout) => told(subscriptions, vout).length),
      [0, 1, 1]
    )
    subscriptions.remove(first.peer, "b")
    assert.deepStrictEqual(told(subscriptions, 2), [])
    subscriptions.drop(first.peer, 1)
    assert.deepStrictEqual(told(subscriptions, 3), [first.peer])
    subscriptions.add(connection({ generation: 2 }), to("c", [], [4]))
    assert.deepStrictEqual(
      [3, 4].map((vout) => told(subscriptions, vout).length),
      [0, 1]
    )
    subscriptions.drop(first.peer, undefined)
    assert.isFalse(subscriptions.any)
  })

  it("are bounded for each peer and in all", () => {
    const subscriptions = new Subscriptions()
    const many = Array.from({ length: Limits.SUBSCRIBED_PER_PEER }, (_, vout) => vout)
    assert.isFalse(subscriptions.add(connection(), to("a", ["one more"], many)))
    assert.isFalse(subscriptions.any)
    assert.isTrue(subscriptions.add(connection(), to("a", [], many)))
    assert.isFalse(subscriptions.add(connection(), to("b", ["one more"])))
    for (let number = 2; number <= Limits.SUBSCRIBED_TOTAL / Limits.SUBSCRIBED_PER_PEER; number++) {
      assert.isTrue(subscriptions.add(connection({ peer: peer(number) }), to("a", [], many)))
    }
    assert.isFalse(subscriptions.add(connection({ peer: peer(255) }), to("a", ["one more"])))

    const few = new Subscriptions()
    for (let id = 0; id < Limits.SUBSCRIPTIONS_PER_PEER; id++) assert.isTrue(few.add(connection(), to(`${id}`, ["x"])))
    assert.isFalse(few.add(connection(), to("another", ["x"])))
    assert.isTrue(few.add(connection(), to("0", ["y"])))
    assert.isFalse(few.add(connection({ peer: peer(2) }), to("x".repeat(Limits.PEER_TEXT + 1), ["x"])))
  })
})
