import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { addressOf, addressScript, parseAddress, scriptText } from "../../src/protocol/Address.ts"
import type { PublicKey } from "../../src/protocol/Ed25519.ts"
import { sha256, toHex } from "../../src/protocol/Hash.ts"
import { mainnet, networks, testnet } from "../../src/protocol/Network.ts"
import { fromHex, readVectors } from "../fixtures/Vectors.ts"

const vectors = readVectors("signatures.json")

/** What parsing says: the network, or what is wrong. */
const verdict = (text: string): string =>
  Result.match(parseAddress(text), { onSuccess: ({ network }) => network, onFailure: ({ reason }) => reason })

describe("Address", () => {
  it("is the recorded address of every recorded key", () => {
    assert.strictEqual(vectors.addresses.length, 31)
    for (const { address, length, network: display, payload_hex, public_key } of vectors.addresses) {
      const network = networks[display.toLowerCase() as keyof typeof networks]
      assert.strictEqual(addressOf(fromHex<PublicKey>(public_key), network), address)
      assert.strictEqual(address.length, length)
      const parsed = Result.getOrThrow(parseAddress(address))
      assert.deepStrictEqual(
        [parsed.address, parsed.network, toHex(parsed.keyHash)] as Array<string>,
        [address, network.name, payload_hex],
        address
      )
    }
  })

  // The recorded parser wants 33 characters, which no address has. So every recorded text is refused there; here only
  // those are that are no addresses.
  it("says what is wrong with every recorded text", () => {
    const expected: Record<string, string> = {
      "": "Length",
      TIME: "Length",
      INVALID: "Length",
      TIME2abcd: "Length",
      TIME043xBrDT5vxv3WkZzrx7iUd8hd4FVoDSWP: "testnet",
      TIME1zzzzzzzzzzzzzzzzzzzzzzzzzzzz: "Payload",
      time0zzzzzzzzzzzzzzzzzzzzzzzzzzzz: "Prefix",
      TIME00000000000000000000000000000: "Base58",
      TIME0llllllllllllllllllllllllllll: "Base58",
      TIME01111111111111111111111112222: "Payload"
    }
    for (const { input } of vectors.address_parsing) {
      assert.isDefined(expected[input], input)
      assert.strictEqual(verdict(input), expected[input], input)
    }
  })

  it("refuses every address with one character changed", () => {
    const address = "TIME05nNNWdKkeDKbDY4rZF7keG3mhP7vw8Dwm"
    assert.strictEqual(verdict(address), "testnet")
    assert.strictEqual(verdict(`TIME1${address.slice(5)}`), "mainnet")
    assert.strictEqual(verdict(`TIME2${address.slice(5)}`), "Network")
    for (let at = 5; at < address.length; at++) {
      const other = address[at] === "z" ? "y" : "z"
      assert.include(["Checksum", "Payload"], verdict(address.slice(0, at) + other + address.slice(at + 1)), `at ${at}`)
    }
  })

  it("takes one spelling only of each key hash", () => {
    const publicKey = fromHex<PublicKey>("264a0707979e0d6691f74b055429b5f318d39c2883bb509310b67424252e9ef2")
    const address = addressOf(publicKey, testnet)
    assert.strictEqual(address, "TIME086ez5k4sVYTH8UyVs93byrEQxnKCiQJF")
    assert.strictEqual(verdict(`TIME01${address.slice(5)}`), "Payload")
    assert.strictEqual(verdict(address.replace("TIME", "TIMÉ")), "Prefix")
    // U+0131 has the code of "1" in its low byte.
    assert.strictEqual(verdict(`TIME0\u0131${address.slice(6)}`), "Base58")
  })

  it("reads back the address of any key", () => {
    for (let i = 0; i < 500; i++) {
      const publicKey = sha256(Uint8Array.of(i & 255, i >> 8)) as Uint8Array as PublicKey
      const network = i % 2 === 0 ? testnet : mainnet
      const parsed = Result.getOrThrow(parseAddress(addressOf(publicKey, network)))
      assert.strictEqual(parsed.network, network.name)
      assert.strictEqual(toHex(parsed.keyHash), toHex(sha256(publicKey)).slice(0, 40))
    }
  })

  it("reads scripts as text, whatever they hold", () => {
    assert.strictEqual(scriptText(addressScript("TIME0abc")), "TIME0abc")
    assert.strictEqual(scriptText(fromHex("efbbbf41")), "\ufeffA")
    assert.strictEqual(scriptText(fromHex("41ff42")), "A\ufffdB")
    assert.strictEqual(scriptText(fromHex("f09f9541")), "\ufffdA")
    assert.strictEqual(scriptText(fromHex("eda080")), "\ufffd\ufffd\ufffd")
  })
})
