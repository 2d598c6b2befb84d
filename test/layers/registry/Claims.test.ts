import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { type Claimant, Claims } from "../../../src/layers/registry/Claims.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import type { Direction } from "../../../src/services/PeerRegistry.ts"

const PEER = peerId("192.0.2.1")!

interface Fake extends Claimant {
  heardAt: number
  nodeId: string | undefined
}

const fake = (direction: Direction, registeredAt = 0): Fake => ({
  peer: PEER,
  direction,
  registeredAt,
  nodeId: undefined,
  heardAt: registeredAt,
  silence(now) {
    return now - this.heardAt
  }
})

describe("Claims", () => {
  it("has one connection a peer, the older one, which alone gives the claim back", () => {
    const claims = new Claims<Fake>()
    const old = fake("inbound")
    assert.strictEqual(claims.standing(old, 0), "free")
    claims.claim(old, 0)
    assert.strictEqual(claims.standing(fake("inbound"), 1), "taken")
    assert.strictEqual(claims.current(PEER), old)
    assert.strictEqual(claims.release(fake("inbound")), "none")
    assert.strictEqual(claims.release(old), "lost")
    assert.strictEqual(claims.release(old), "none")
    assert.strictEqual(claims.standing(fake("inbound"), 1), "free")
  })

  it("doubts a connection that is silent for too long, whoever dialled the newcomer", () => {
    const claims = new Claims<Fake>()
    const old = fake("inbound")
    claims.claim(old, 0)
    const now = Limits.LIVENESS_WINDOW
    assert.strictEqual(claims.standing(fake("inbound", now), now), "taken")
    assert.strictEqual(claims.standing(fake("inbound", now), now + 1), "doubtful")
    assert.strictEqual(claims.standing(fake("outbound", now), now + 1), "doubtful")
    old.heardAt = 1
    assert.strictEqual(claims.standing(fake("inbound", now), now + 1), "taken")
  })

  it("lets two stand side by side only if they began at one time and are of opposite directions", () => {
    const claims = new Claims<Fake>()
    const old = fake("inbound")
    claims.claim(old, 0)
    const edge = Limits.COEXISTENCE_WINDOW
    assert.strictEqual(claims.standing(fake("outbound", edge - 1), edge - 1), "shared")
    assert.strictEqual(claims.standing(fake("outbound", edge), edge), "taken")
    // However late it is acknowledged.
    assert.strictEqual(claims.standing(fake("outbound", edge - 1), edge * 2), "shared")
    assert.strictEqual(claims.standing(fake("inbound", 1), 1), "taken")
    const rival = fake("outbound", 10)
    claims.claim(rival, 20)
    assert.strictEqual(claims.current(PEER), old)
    assert.strictEqual(claims.standing(fake("outbound", 30), 30), "taken")
    assert.deepStrictEqual(claims.overstayed(edge + 19), [])
    assert.deepStrictEqual(claims.overstayed(edge + 20), [rival])
  })

  it("ends a pair that is never settled: the older one stays unless it alone brought nothing", () => {
    const overstayed = (change: (older: Fake, newer: Fake) => void) => {
      const claims = new Claims<Fake>()
      const [older, newer] = [fake("inbound"), fake("outbound")]
      claims.claim(older, 0)
      claims.claim(newer, 0)
      change(older, newer)
      return claims.overstayed(Limits.COEXISTENCE_WINDOW).map((one) => (one === older ? "older" : "newer"))
    }
    assert.deepStrictEqual(
      overstayed(() => {}),
      ["newer"]
    )
    assert.deepStrictEqual(
      overstayed((_, newer) => (newer.heardAt = 1)),
      ["older"]
    )
    assert.deepStrictEqual(
      overstayed((_, newer) => (newer.nodeId = "0a")),
      ["older"]
    )
    assert.deepStrictEqual(
      overstayed((older, newer) => (older.heardAt = newer.heardAt = 1)),
      ["newer"]
    )
    assert.deepStrictEqual(
      overstayed((older, newer) => (older.nodeId = newer.nodeId = "0a")),
      ["newer"]
    )
  })

  it.each([
    { ownId: "0a", theirId: "0b", stays: "outbound" },
    { ownId: "0b", theirId: "0a", stays: "inbound" }
  ] as const)("keeps what the lower id dialled: $ownId against $theirId", ({ ownId, theirId, stays }) => {
    for (const first of ["inbound", "outbound"] as const) {
      const claims = new Claims<Fake>()
      const older = fake(first)
      const newer = fake(first === "inbound" ? "outbound" : "inbound")
      claims.claim(older, 0)
      claims.claim(newer, 0)
      assert.isUndefined(claims.loser(PEER, ownId))
      const [winner, loser] = older.direction === stays ? [older, newer] : [newer, older]
      loser.nodeId = theirId
      // The peer may yet refuse the other one: only a Version over it shows that it did not.
      assert.isUndefined(claims.loser(PEER, ownId))
      winner.nodeId = theirId
      assert.strictEqual(claims.loser(PEER, ownId), loser)
      assert.strictEqual(claims.release(loser), "kept")
      assert.strictEqual(claims.current(PEER), winner)
      assert.isUndefined(claims.loser(PEER, ownId))
      assert.deepStrictEqual(claims.overstayed(1e9), [])
    }
  })

  it("passes the claim to the one beside it", () => {
    const claims = new Claims<Fake>()
    const old = fake("inbound")
    const rival = fake("outbound")
    claims.claim(old, 0)
    claims.claim(rival, 0)
    assert.strictEqual(claims.release(old), "kept")
    assert.strictEqual(claims.current(PEER), rival)
    assert.strictEqual(claims.release(rival), "lost")
    assert.strictEqual(claims.size, 0)
  })

  // Two nodes dial each other at any time; every step happens on one side, in any order.
  const Step = Schema.Struct({
    side: Schema.Literals([0, 1]),
    step: Schema.Literals(["establish", "version"]),
    link: Schema.Literals([0, 1])
  })

  it.prop("keeps one of two simultaneous connections, the same on both sides", [Schema.Array(Step)], ([steps]) => {
    const ids = ["0a", "0b"] as const
    const nodes = ids.map(() => new Claims<Fake>())
    // Link 0 is dialled by node 0. Each side has its own view of each link.
    const views = [0, 1].map((side) => [0, 1].map((link) => fake(side === link ? "outbound" : "inbound")))
    const isOpen = [true, true]
    const established = [new Set<number>(), new Set<number>()]
    const close = (link: number): void => {
      isOpen[link] = false
      for (const side of [0, 1]) nodes[side]!.release(views[side]![link]!)
    }
    const establish = (side: number, link: number): void => {
      // The acceptor establishes first, and the dialler when that is acknowledged.
      const canEstablish = side !== link || established[1 - side]!.has(link)
      if (!isOpen[link] || established[side]!.has(link) || !canEstablish) return
      const view = views[side]![link]!
      if (nodes[side]!.standing(view, 1) === "taken") return close(link)
      nodes[side]!.claim(view, 1)
      established[side]!.add(link)
    }
    const receiveVersion = (side: number, link: number): void => {
      if (!isOpen[link] || !established[1 - side]!.has(link) || !established[side]!.has(link)) return
      views[side]![link]!.nodeId = ids[1 - side]!
      const loser = nodes[side]!.loser(PEER, ids[side]!)
      if (loser !== undefined) close(views[side]!.indexOf(loser))
    }
    const run = ({ side, step, link }: typeof Step.Type): void => {
      if (step === "establish") establish(side, link)
      if (step === "version") receiveVersion(side, link)
      assert.isTrue(isOpen[0] || isOpen[1], "both were closed")
    }
    for (const step of steps) run(step)
    for (const step of ["establish", "version"] as const) {
      for (const side of [1, 0, 1, 0]) for (const link of [0, 1]) run({ side, step, link } as typeof Step.Type)
    }
    assert.strictEqual(isOpen.filter(Boolean).length, 1)
    const survivor = isOpen.indexOf(true)
    for (const side of [0, 1]) assert.strictEqual(nodes[side]!.current(PEER), views[side]![survivor])
  })
})
