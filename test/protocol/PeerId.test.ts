import { assert, describe, it } from "@effect/vitest"
import { addressScope, formatPeerAddress, isIpv6, peerAddress, peerId } from "../../src/protocol/PeerId.ts"

describe("PeerId", () => {
  it("is one canonical text for every spelling of an address", () => {
    const spellings = {
      "203.0.113.7": ["203.0.113.7", "::ffff:203.0.113.7", "[::ffff:cb00:7107]", "0:0:0:0:0:ffff:203.0.113.7"],
      "2001:db8::1": ["2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "[2001:db8::1]"]
    }
    for (const [canonical, texts] of Object.entries(spellings)) {
      for (const text of texts) assert.strictEqual(peerId(text), canonical, text)
    }
  })

  it("is nothing else", () => {
    const texts = [
      "",
      " ",
      "localhost",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4 ",
      "fe80::1%eth0",
      "::g"
    ]
    for (const text of texts) assert.isUndefined(peerId(text), JSON.stringify(text))
  })

  it("with a port is an address, IPv6 in brackets", () => {
    const parse = (text: string) => {
      const address = peerAddress(text, 24_100)
      return address === undefined ? undefined : formatPeerAddress(address)
    }
    assert.strictEqual(parse("203.0.113.7"), "203.0.113.7:24100")
    assert.strictEqual(parse("203.0.113.7:1"), "203.0.113.7:1")
    assert.strictEqual(parse("2001:db8::1"), "[2001:db8::1]:24100")
    assert.strictEqual(parse("[2001:db8::1]:65535"), "[2001:db8::1]:65535")
    for (const text of ["203.0.113.7:0", "203.0.113.7:65536", "203.0.113.7:", "203.0.113.7:+1", ":24100", "host:1"]) {
      assert.isUndefined(parse(text), text)
    }
  })

  it("belongs to a kind of network", () => {
    const scopes: Record<string, Array<string>> = {
      public: ["8.8.8.8", "126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.1", "223.255.255.255", "2600::1"],
      private: [
        "10.0.0.1",
        "100.127.0.1",
        "172.16.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "fc00::1",
        "fe80::1"
      ],
      loopback: ["127.0.0.1", "127.64.3.9", "::1"],
      unusable: ["0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1"]
    }
    // For documentation and for measurements.
    scopes.unusable?.push("192.0.2.1", "198.51.100.1", "203.0.113.7", "2001:db8::1", "198.18.0.1", "198.19.255.255")
    for (const [scope, texts] of Object.entries(scopes)) {
      for (const text of texts) assert.strictEqual(addressScope(peerId(text)!), scope, text)
    }
    assert.isTrue(isIpv6(peerId("::1")!))
    assert.isFalse(isIpv6(peerId("::ffff:1.2.3.4")!))
  })
})
