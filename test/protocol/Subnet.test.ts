import { assert, describe, it } from "@effect/vitest"
import { peerId } from "../../src/protocol/PeerId.ts"
import { subnet, wideNetwork } from "../../src/protocol/Subnet.ts"

describe("networks", () => {
  const cases = {
    "203.0.113.7": ["203.0.113.0/24", "203.0.0.0/16"],
    "203.0.113.255": ["203.0.113.0/24", "203.0.0.0/16"],
    "203.0.114.7": ["203.0.114.0/24", "203.0.0.0/16"],
    "::ffff:203.0.113.9": ["203.0.113.0/24", "203.0.0.0/16"],
    "2001:db8:1:2:3:4:5:6": ["2001:db8:1:2::/64", "2001:db8::/32"],
    "2001:db8:1:2:ffff::": ["2001:db8:1:2::/64", "2001:db8::/32"],
    "2001:db8:1:3::": ["2001:db8:1:3::/64", "2001:db8::/32"],
    // 6to4: of 203.0.113.7, so as wide as the IPv4 network.
    "2002:cb00:7107:9::1": ["2002:cb00:7107:9::/64", "2002:cb00::/32"]
  }
  for (const [text, expected] of Object.entries(cases)) {
    it(`of ${text}`, () => {
      const peer = peerId(text)!
      assert.deepStrictEqual([subnet(peer), wideNetwork(peer)], expected)
    })
  }
})
