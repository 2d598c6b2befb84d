import { assert, describe, it } from "@effect/vitest"
import { MasternodeEntry } from "../../src/layers/MasternodeEntry.ts"
import { givesWay } from "../../src/layers/MasternodeRoom.ts"
import { signHeartbeat } from "../../src/protocol/Heartbeat.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { keyOf } from "../fixtures/Masternodes.ts"

const NOW = 1_765_000_000_000
const ip = (text: string): PeerId => peerId(text)!

/** Masternodes in the order they came, a second apart; those of `active` have just said a heartbeat. */
const entries = (peers: ReadonlyArray<string>, active: ReadonlyArray<string> = []): Array<MasternodeEntry> =>
  peers.map((peer, index) => {
    const record = { address: peer, rewardAddress: "", tier: "Free" as const, publicKey: keyOf(1).publicKey }
    const entry = new MasternodeEntry(ip(peer), "announced", record, NOW - 100_000 + index * 1_000)
    if (active.includes(peer)) {
      const said = { masternodeAddress: peer, sequenceNumber: 1n, timestamp: BigInt(NOW / 1_000) }
      entry.count(signHeartbeat(said, keyOf(1)))
    }
    return entry
  })
const victim = (known: ReadonlyArray<MasternodeEntry>, newcomer: string) => givesWay(known, ip(newcomer), NOW)?.peer

describe("who gives way", () => {
  const crowd = ["1.1.0.1", "1.1.0.2", "1.1.0.3"]

  it("is of the group that has most: the one silent for longest, or else the last to come", () => {
    assert.strictEqual(victim(entries(["2.2.0.1", ...crowd]), "3.3.0.1"), "1.1.0.1")
    assert.strictEqual(victim(entries(["2.2.0.1", ...crowd], ["1.1.0.1"]), "3.3.0.1"), "1.1.0.2")
    assert.strictEqual(victim(entries([...crowd, "2.2.0.1"], crowd), "3.3.0.1"), "1.1.0.3")
    // Two of its own would be fewer than three, three would not.
    assert.strictEqual(victim(entries(["2.2.0.1", ...crowd], ["2.2.0.1", ...crowd]), "2.2.0.2"), "1.1.0.3")
    const pair = ["2.2.0.1", "2.2.0.2"]
    assert.strictEqual(victim(entries([...pair, ...crowd], [...pair, ...crowd]), "2.2.0.3"), undefined)
  })

  it("is nobody for one more of the largest group, but a silent one of that group", () => {
    assert.strictEqual(victim(entries(["2.2.0.1", ...crowd], crowd), "1.1.0.4"), undefined)
    assert.strictEqual(victim(entries(["2.2.0.1", ...crowd], ["1.1.0.1", "1.1.0.3"]), "1.1.0.4"), "1.1.0.2")
  })

  it("is nobody where all groups are as large", () => {
    assert.strictEqual(victim(entries(["1.1.0.1", "2.2.0.1", "3.3.0.1"]), "4.4.0.1"), undefined)
  })

  it("is hearsay before all", () => {
    const { record } = entries(["9.9.0.1"])[0]!
    const hinted = new MasternodeEntry(ip("9.9.0.1"), "hinted", record, NOW, "8.8")
    assert.strictEqual(victim([...entries(crowd), hinted], "4.4.0.1"), "9.9.0.1")
  })

  it("is never this node itself", () => {
    const { record } = entries(["1.1.0.9"])[0]!
    const own = new MasternodeEntry(ip("1.1.0.9"), "own", record, 0)
    assert.strictEqual(victim([own, ...entries(crowd)], "4.4.0.1"), "1.1.0.1")
    assert.strictEqual(victim([own], "1.1.0.1"), undefined)
  })
})
