import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { choose, reservedSlots, type Situation } from "../../src/peer/OutboundSlots.ts"
import { networkGroup } from "../../src/protocol/NetworkGroup.ts"
import type { PeerAddress, PeerId } from "../../src/protocol/PeerId.ts"

const peer = (text: string) => text as PeerId
const at = (text: string): PeerAddress => ({ peer: peer(text), port: 1 })
const peers = (...texts: ReadonlyArray<string>) => new Set(texts.map(peer))
const empty: Situation = { slots: 50, outbound: peers(), connected: peers(), masternodes: peers(), isMasternode: false }
const chosen = (candidates: ReadonlyArray<string>, situation: Partial<Situation> = {}): ReadonlyArray<string> =>
  choose(candidates.map(at), { ...empty, ...situation }).map(({ peer }) => peer)

describe("choose", () => {
  it("leaves out who is dialled or connected before it counts", () => {
    const candidates = ["1.1.0.1", "1.2.0.1", "1.3.0.1", "1.4.0.1", "1.5.0.1"]
    const situation = { slots: 3, outbound: peers("1.1.0.1"), connected: peers("1.1.0.1", "1.2.0.1") }
    assert.deepStrictEqual(chosen(candidates, situation), ["1.3.0.1", "1.4.0.1"])
  })

  it("takes the second of a group after the first of all, and no third", () => {
    const candidates = ["1.1.0.1", "1.1.0.2", "1.1.0.3", "1.2.0.1", "1.2.0.2", "1.3.0.1"]
    const expected = ["1.1.0.1", "1.2.0.1", "1.3.0.1", "1.1.0.2", "1.2.0.2"]
    assert.deepStrictEqual(chosen(candidates), expected)
    assert.deepStrictEqual(chosen(candidates, { slots: 4 }), expected.slice(0, 4))
    assert.deepStrictEqual(chosen(candidates, { outbound: peers("1.1.9.9", "1.2.9.9", "1.2.9.8") }), [
      "1.3.0.1",
      "1.1.0.1"
    ])
  })

  it("takes any number from private and loopback networks", () => {
    const local = Array.from({ length: 9 }, (_, n) => `127.64.0.${n}`)
    assert.deepStrictEqual(chosen(local), local)
  })

  it("prefers masternodes for the slots reserved, counting those it has", () => {
    const others = Array.from({ length: 60 }, (_, n) => `1.${n}.0.1`)
    const masternodes = Array.from({ length: 60 }, (_, n) => `2.${n}.0.1`)
    const candidates = [...others, ...masternodes]
    const taken = chosen(candidates, { masternodes: peers(...masternodes) })
    assert.deepStrictEqual(taken, [...masternodes.slice(0, 20), ...others.slice(0, 30)])
    const connected = masternodes.slice(0, 15)
    const more = chosen(candidates, { masternodes: peers(...masternodes), outbound: peers(...connected) })
    assert.deepStrictEqual(more, [...masternodes.slice(15, 20), ...others.slice(0, 30)])
    // Without others, masternodes have the rest as well; without masternodes, others have what is reserved.
    assert.strictEqual(chosen(masternodes, { masternodes: peers(...masternodes) }).length, 50)
    assert.strictEqual(chosen(others).length, 50)
  })

  it("does not prefer the second masternode of a group to the first peer of another", () => {
    const candidates = ["1.1.0.1", "1.1.0.2", "1.2.0.1", "1.3.0.1"]
    assert.deepStrictEqual(chosen(candidates, { slots: 3, masternodes: peers("1.1.0.1", "1.1.0.2") }), [
      "1.1.0.1",
      "1.2.0.1",
      "1.3.0.1"
    ])
  })

  it("of a masternode gives others the reserved slots first, whatever their groups, and no more", () => {
    const others = Array.from({ length: 60 }, (_, n) => `1.${n}.0.1`)
    const masternodes = Array.from({ length: 30 }, (_, n) => `2.1.0.${n}`)
    const situation = { masternodes: peers(...masternodes), isMasternode: true }
    const taken = chosen([...others, ...masternodes], situation)
    assert.deepStrictEqual(taken, [...masternodes.slice(0, 20), ...others.slice(0, 30)])
    assert.deepStrictEqual(
      chosen([...others, ...masternodes], { ...situation, outbound: peers(...masternodes.slice(0, 15)), slots: 18 }),
      masternodes.slice(15, 18)
    )
    assert.strictEqual(chosen([...masternodes, ...others], { ...situation, isMasternode: false }).length, 50)
    assert.strictEqual(chosen(masternodes, { ...situation, isMasternode: false }).length, 2)
  })

  const Octet = Schema.Literals([1, 2, 3, 4, 5, 6])
  const Peers = Schema.Array(Schema.Tuple([Octet, Octet]))
  it.prop(
    "keeps every bound, and leaves no slot free for which there is somebody",
    [Peers, Peers, Peers, Peers, Schema.Literals([0, 1, 2, 5, 50])],
    ([candidates, outbound, connected, masternodes, slots]) => {
      const names = (list: typeof candidates) => list.map(([group, host]) => `1.${group}.0.${host}`)
      const situation = {
        slots,
        outbound: peers(...names(outbound)),
        connected: peers(...names(connected)),
        masternodes: peers(...names(masternodes))
      }
      const taken = chosen(names(candidates), situation)
      assert.strictEqual(new Set(taken).size, taken.length)
      assert.isAtMost(taken.length, Math.max(0, slots - situation.outbound.size))
      const all = [...situation.outbound, ...taken]
      const inGroup = (name: string) =>
        all.filter((other) => networkGroup(peer(other)) === networkGroup(peer(name))).length
      for (const name of taken) {
        assert.isTrue(!situation.outbound.has(peer(name)) && !situation.connected.has(peer(name)))
        assert.isAtMost(inGroup(name), 2)
      }
      for (const name of names(candidates)) {
        const isOut = all.includes(peer(name)) || situation.connected.has(peer(name)) || inGroup(name) >= 2
        assert.isTrue(isOut || all.length >= slots, name)
      }
    },
    { arbitrary: { runs: 200, seed: 1 } }
  )
})

describe("reservedSlots", () => {
  it("is two fifths from 20 to 30, and never more than there are", () => {
    assert.deepStrictEqual([0, 5, 20, 50, 62, 75, 200].map(reservedSlots), [0, 5, 20, 20, 24, 30, 30])
  })
})
