import { assert, describe, it } from "@effect/vitest"
import { networkGroup, subnet } from "../../src/protocol/NetworkGroup.ts"
import { peerId } from "../../src/protocol/PeerId.ts"

const group = (text: string) => networkGroup(peerId(text)!)

describe("networkGroup", () => {
  it("is the /16 of an IPv4 address, the /32 of an IPv6 address", () => {
    assert.strictEqual(group("8.8.8.8"), group("8.8.255.1"))
    assert.notStrictEqual(group("8.8.8.8"), group("8.9.8.8"))
    assert.strictEqual(group("::ffff:8.8.1.1"), group("8.8.8.8"))
    assert.strictEqual(group("2a00:1450:4001::1"), group("2a00:1450:ffff:1::"))
    assert.notStrictEqual(group("2a00:1450::1"), group("2a00:1451::1"))
    assert.strictEqual(group("2a00::1"), group("2a00:0:5::"))
    assert.notStrictEqual(group("2a00::1"), group("2a00:1::1"))
  })

  it("is the address itself on private and loopback networks", () => {
    for (const [one, other] of [
      ["127.64.0.1", "127.64.0.2"],
      ["10.0.0.1", "10.0.0.2"],
      ["fd00::1", "fd00::2"]
    ] as const) {
      assert.notStrictEqual(group(one), group(other))
      assert.strictEqual(group(one), group(one))
    }
  })
})

describe("subnet", () => {
  it("is the /24 of an IPv4 address, the /64 of an IPv6 address", () => {
    const cases = {
      "203.0.113.7": "203.0.113.0/24",
      "203.0.113.255": "203.0.113.0/24",
      "203.0.114.7": "203.0.114.0/24",
      "::ffff:203.0.113.9": "203.0.113.0/24",
      "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
      "2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
      "2001:db8:1:3::": "2001:db8:1:3::/64"
    }
    for (const [text, expected] of Object.entries(cases)) assert.strictEqual(subnet(peerId(text)!), expected, text)
  })
})
