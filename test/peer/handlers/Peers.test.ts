import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../../src/protocol/Limits.ts"
import { testnet } from "../../../src/protocol/Network.ts"
import { type PeerAddress, peerAddress, type PeerId } from "../../../src/protocol/PeerId.ts"
import { AddressBook } from "../../../src/services/AddressBook.ts"
import { connection, onlyAnswer, peer } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const addresses = (...texts: ReadonlyArray<string>): ReadonlyArray<PeerAddress> =>
  texts.map((text) => peerAddress(text, testnet.p2pPort)!)

describe("peer exchange", () => {
  it.effect("tells the bare IP where the port is the network's, and ip:port elsewhere", () => {
    const seen = deeds()
    const book = AddressBook.layerTest({
      sample: () => Effect.succeed(addresses("198.51.100.1", "198.51.100.2:999", "[2001:db8::1]", "[2001:db8::2]:999"))
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetPeers" }])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "PeersResponse").addresses, [
        "198.51.100.1",
        "198.51.100.2:999",
        "2001:db8::1",
        "[2001:db8::2]:999"
      ])
    }).pipe(Effect.provide(handling(seen, book)))
  })

  it.effect("asks the book for a bounded number, and for IPv6 only when a timenode asks", () => {
    const seen = deeds()
    const asked: Array<readonly [number, boolean]> = []
    const book = AddressBook.layerTest({
      sample: (count, { ipv6 }) =>
        Effect.sync(() => {
          asked.push([count, ipv6])
          return []
        })
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetPeers" }], connection({ agent: "timed" }))
      yield* handle([{ _tag: "GetPeers" }], connection({ agent: "timenode" }))
      assert.deepStrictEqual(asked, [
        [Limits.PEERS_PER_ANSWER, false],
        [Limits.PEERS_PER_ANSWER, true]
      ])
    }).pipe(Effect.provide(handling(seen, book)))
  })

  it.effect(
    "what a peer names, asked or not, goes to the book with the peer's name, on both directions of a link",
    () => {
      const learned: Array<readonly [ReadonlyArray<string>, PeerId]> = []
      const book = AddressBook.layerTest({
        learn: (texts, from) =>
          Effect.sync(() => {
            learned.push([texts, from])
            return 0
          })
      })
      const seen = deeds()
      return Effect.gen(function* () {
        const response = { _tag: "PeersResponse", addresses: ["1.2.3.4", "not an address", ""] } as const
        yield* handle([response], connection({ direction: "inbound" }))
        yield* handle([response], connection({ direction: "outbound", peer: peer(2) }))
        assert.deepStrictEqual(learned, [
          [response.addresses, peer(1)],
          [response.addresses, peer(2)]
        ])
        assert.deepStrictEqual(seen, deeds())
      }).pipe(Effect.provide(handling(seen, book)))
    }
  )
})
