import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Slots } from "../../../src/layers/registry/Slots.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { addressScope, isIpv6, type PeerId, peerId } from "../../../src/protocol/PeerId.ts"
import { subnet } from "../../../src/protocol/NetworkGroup.ts"
import type { Direction } from "../../../src/services/PeerRegistry.ts"

const LIMITS = { inbound: 200, outbound: 3 }

interface Occupant {
  readonly peer: PeerId
  readonly direction: Direction
  isEstablished: boolean
}

const occupant = (text: string, direction: Direction = "inbound"): Occupant => ({
  peer: peerId(text)!,
  direction,
  isEstablished: false
})

/** Lets one in where nothing is in the way. */
const admit = (slots: Slots, newcomer: Occupant): number | undefined => {
  const limit = slots.limitBrokenBy(newcomer)?.limit
  if (limit === undefined) slots.occupy(newcomer)
  return limit
}

const establish = (slots: Slots, one: Occupant): void => {
  slots.establish(one)
  one.isEstablished = true
}

describe("Slots", () => {
  const caps: ReadonlyArray<{ name: string; cap: number; at: (n: number) => string; elsewhere: string }> = [
    { name: "IPv4 /24", cap: Limits.INBOUND_PER_IPV4_GROUP, at: (n) => `203.0.113.${n}`, elsewhere: "203.0.114.1" },
    { name: "IPv6 /64", cap: Limits.INBOUND_PER_IPV6_GROUP, at: (n) => `2001:db8::${n}`, elsewhere: "2001:db8:0:1::1" },
    { name: "address", cap: Limits.PENDING_HANDSHAKES_PER_PEER, at: () => "203.0.113.1", elsewhere: "203.0.113.2" }
  ]
  for (const { at, cap, elsewhere, name } of caps) {
    it(`takes ${cap} in their handshake from one ${name}, not one more, and again as many as leave`, () => {
      const slots = new Slots(LIMITS)
      const inside = Array.from({ length: cap }, (_, n) => occupant(at(n)))
      for (const newcomer of inside) assert.isUndefined(admit(slots, newcomer))
      assert.strictEqual(admit(slots, occupant(at(cap))), cap)
      assert.isUndefined(admit(slots, occupant(elsewhere)))
      slots.free(inside[0]!)
      assert.isUndefined(admit(slots, occupant(at(cap))))
      assert.strictEqual(admit(slots, occupant(at(cap + 1))), cap)
    })
  }

  for (const { at, cap, name } of caps.slice(0, 2)) {
    it(`counts established ones of an ${name} like those in their handshake`, () => {
      const slots = new Slots(LIMITS)
      const inside = Array.from({ length: cap }, (_, n) => occupant(at(n)))
      for (const newcomer of inside) {
        assert.isUndefined(admit(slots, newcomer))
        establish(slots, newcomer)
      }
      assert.strictEqual(admit(slots, occupant(at(cap))), cap)
      slots.free(inside[0]!)
      assert.isUndefined(admit(slots, occupant(at(cap))))
    })
  }

  it("makes room for more handshakes of an address as they are done", () => {
    const slots = new Slots(LIMITS)
    const one = occupant("203.0.113.1")
    for (let count = 0; count < Limits.PENDING_HANDSHAKES_PER_PEER; count++) admit(slots, { ...one })
    assert.isDefined(slots.limitBrokenBy(one))
    establish(slots, one)
    assert.isUndefined(slots.limitBrokenBy(one))
  })

  it("caps no subnet of loopback, and none for what we dial", () => {
    const slots = new Slots({ inbound: 1_000, outbound: 1_000 })
    for (let n = 0; n < 255; n++) {
      assert.isUndefined(admit(slots, occupant(`127.64.0.${n}`)))
      assert.isUndefined(admit(slots, occupant(`203.0.113.${n}`, "outbound")))
    }
    for (let n = 0; n < Limits.PENDING_HANDSHAKES_PER_PEER; n++) assert.isUndefined(admit(slots, occupant("::1")))
    assert.isUndefined(admit(slots, occupant("203.0.113.1")))
  })

  it("has as many slots as it is told, for each direction", () => {
    const slots = new Slots({ inbound: 2, outbound: 1 })
    assert.isUndefined(admit(slots, occupant("192.0.2.1")))
    assert.isUndefined(admit(slots, occupant("192.0.2.2")))
    assert.strictEqual(admit(slots, occupant("192.0.2.3")), 2)
    assert.isUndefined(admit(slots, occupant("192.0.2.3", "outbound")))
    assert.strictEqual(admit(slots, occupant("192.0.2.4", "outbound")), 1)
    assert.strictEqual(admit(new Slots({ inbound: 0, outbound: 0 }), occupant("192.0.2.1")), 0)
  })

  it("tells whose end would make room: nobody's where a cap is met, whatever else is", () => {
    const slots = new Slots({ inbound: Limits.PENDING_HANDSHAKES, outbound: 1 })
    const relief = (one: Occupant) => slots.limitBrokenBy(one)?.relief
    // Sixteen addresses in a subnet, which is as many as four each make 64.
    const at = (n: number) => occupant(`10.${n >> 4}.0.${n & 15}`)
    const full = Array.from({ length: Limits.PENDING_HANDSHAKES }, (_, n) => at(n % (Limits.PENDING_HANDSHAKES / 4)))
    for (const one of full) assert.isUndefined(admit(slots, one))
    assert.strictEqual(relief(occupant("192.0.2.1")), "pending")
    assert.strictEqual(relief(at(0)), "none")
    establish(slots, full[0]!)
    assert.strictEqual(relief(occupant("192.0.2.1")), "inbound")
    admit(slots, occupant("192.0.2.1", "outbound"))
    assert.strictEqual(relief(occupant("192.0.2.2", "outbound")), "none")
  })

  it("bounds all handshakes together", () => {
    const slots = new Slots({ inbound: Limits.PENDING_HANDSHAKES + 10, outbound: 0 })
    const at = (n: number) => occupant(`10.${n >> 5}.0.${n & 31}`)
    for (let n = 0; n < Limits.PENDING_HANDSHAKES; n++) assert.isUndefined(admit(slots, at(n)))
    assert.strictEqual(admit(slots, occupant("192.0.2.1")), Limits.PENDING_HANDSHAKES)
    establish(slots, at(0))
    assert.isUndefined(admit(slots, occupant("192.0.2.1")))
  })

  // Few addresses in fewer subnets, so that every cap is met.
  const ADDRESSES = ["192.0.2.1", "192.0.2.2", "127.0.0.1", "::1"]
    .concat(Array.from({ length: 6 }, (_, n) => `2001:db8::${n}`))
    .concat(Array.from({ length: 80 }, (_, n) => `198.51.100.${n}`))
  const Step = Schema.Struct({
    what: Schema.Literals(["admit", "admit", "admit", "dial", "establish", "end"]),
    address: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: ADDRESSES.length - 1 })),
    times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 90 })),
    victim: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))
  })

  it.prop("counts as one does who counts all connections anew each time", [Schema.Array(Step)], ([steps]) => {
    const slots = new Slots({ inbound: 90, outbound: 3 })
    let inside: Array<Occupant> = []

    const expectCounts = () => {
      const inbound = inside.filter(({ direction }) => direction === "inbound")
      const pending = inbound.filter(({ isEstablished }) => !isEstablished)
      const counted = inbound.filter(({ peer }) => addressScope(peer) !== "loopback")
      assert.strictEqual(slots.count("inbound"), inbound.length)
      assert.strictEqual(slots.count("outbound"), inside.length - inbound.length)
      assert.strictEqual(slots.pendingOf.total, pending.length)
      assert.strictEqual(slots.pendingOf.kinds, new Set(pending.map(({ peer }) => peer)).size)
      assert.strictEqual(slots.inboundOf.total, counted.length)
      assert.strictEqual(slots.inboundOf.kinds, new Set(counted.map(({ peer }) => subnet(peer))).size)
      for (const [group, peers] of Map.groupBy(counted, ({ peer }) => subnet(peer))) {
        assert.strictEqual(slots.inboundOf.of(group), peers.length)
        const cap = isIpv6(peers[0]!.peer) ? Limits.INBOUND_PER_IPV6_GROUP : Limits.INBOUND_PER_IPV4_GROUP
        assert.isAtMost(peers.length, cap)
      }
      for (const [peer, handshakes] of Map.groupBy(pending, ({ peer }) => peer)) {
        assert.strictEqual(slots.pendingOf.of(peer), handshakes.length)
        assert.isAtMost(handshakes.length, Limits.PENDING_HANDSHAKES_PER_PEER)
      }
      assert.isAtMost(inbound.length, 90)
    }

    for (const { address, times, victim, what } of steps) {
      for (let time = 0; time < times; time++) {
        const one = inside[(victim + time) % Math.max(1, inside.length)]
        if (what === "admit" || what === "dial") {
          const direction = what === "admit" ? "inbound" : "outbound"
          const newcomer = occupant(ADDRESSES[(address + time) % ADDRESSES.length]!, direction)
          if (admit(slots, newcomer) === undefined) inside.push(newcomer)
        } else if (one !== undefined && what === "establish") {
          if (!one.isEstablished) establish(slots, one)
        } else if (one !== undefined) {
          slots.free(one)
          inside = inside.filter((other) => other !== one)
        }
      }
      expectCounts()
    }
    for (const one of inside) slots.free(one)
    inside = []
    expectCounts()
    assert.deepStrictEqual([slots.inboundOf.kinds, slots.pendingOf.kinds], [0, 0])
  })
})
