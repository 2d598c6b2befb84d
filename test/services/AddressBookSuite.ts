/**
 * What every AddressBook must do, whatever it keeps its addresses in.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { networkGroup } from "../../src/protocol/NetworkGroup.ts"
import { formatPeerAddress, type PeerAddress, peerAddress, peerId, type PeerId } from "../../src/protocol/PeerId.ts"
import { AddressBook } from "../../src/services/AddressBook.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { knownMasternode } from "../fixtures/Masternodes.ts"

const at = (text: string): PeerAddress => peerAddress(text, testnet.p2pPort)!
const ip = (text: string): PeerId => peerId(text)!
/** A public address of its own for every number; each of the first 15,360 is in a network group of its own. */
const numbered = (number: number): string =>
  `${20 + (number % 60)}.${Math.floor(number / 60) % 256}.${Math.floor(number / 15_360)}.1`
const gossiper = ip("81.0.0.1")

export const suite = (layer: Layer.Layer<AddressBook, never, NodeConfig | MasternodeRegistry>): void => {
  const withBook = <A, E>(
    run: (book: AddressBook["Service"]) => Effect.Effect<A, E>,
    config: Partial<NodeConfigValues> = {},
    masternodes: ReadonlyArray<PeerId> = []
  ) =>
    Effect.flatMap(AddressBook, run).pipe(
      Effect.provide(
        layer.pipe(Layer.provide([NodeConfig.layerTest({ discovery: true, ...config }), knowing(masternodes)])),
        { local: true }
      ),
      Random.withSeed("address book")
    )
  const suggested = (book: AddressBook["Service"]) => Effect.map(book.candidates, names)
  const names = (addresses: ReadonlyArray<PeerAddress>) => addresses.map(({ peer }) => peer)

  it.effect("takes addresses in every spelling, once, with the port named or else the network's", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const added = yield* book.learn(
          ["1.2.3.4", "1.2.3.5:99", "1.2.3.4:7", "2a00::1", "[2a00::2]:99", "[2a00::3]", "::ffff:1.2.3.6"],
          gossiper
        )
        assert.strictEqual(added, 6)
        assert.deepStrictEqual((yield* book.all).map(formatPeerAddress), [
          "1.2.3.4:24100",
          "1.2.3.5:99",
          "[2a00::1]:24100",
          "[2a00::2]:99",
          "[2a00::3]:24100",
          "1.2.3.6:24100"
        ])
        assert.isTrue((yield* book.all).every(({ source }) => source === "gossip"))
      })
    )
  )

  it.effect("refuses text that is no address", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const texts = [
          "",
          " ",
          "not an address",
          "example.com",
          "example.com:24100",
          "1.2.3",
          "1.2.3.4.5",
          "1.2.3.256",
          "1.2.3.4:",
          "1.2.3.4:0",
          "1.2.3.4:65536",
          "1.2.3.4:-1",
          "1.2.3.4:24100:1",
          ":24100",
          "[]:24100",
          "[2a00::1",
          "x".repeat(100_000)
        ]
        assert.strictEqual(yield* book.learn(texts, gossiper), 0)
        assert.deepStrictEqual(yield* book.all, [])
      })
    )
  )

  const local = [
    "127.0.0.1",
    "127.64.3.2",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.0.1",
    "::1",
    "fe80::1",
    "fd00::1"
  ]
  const useless = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"]

  it.effect("of a public node keeps public addresses only", () =>
    withBook((book) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* book.learn([...local, ...useless], gossiper), 0)
        assert.strictEqual(yield* book.learn(["8.8.8.8"], gossiper), 1)
        // Not even a session makes a private address fit to be told.
        yield* book.recordConnected(at("192.168.1.1"))
        assert.deepStrictEqual(yield* book.sample(100, { ipv6: true }), [])
      })
    )
  )

  it.effect("of a node on loopback keeps local ones, too, but never those that nobody can have", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* book.learn([...local, ...useless], gossiper), local.length)
        }),
      { localAddress: ip("127.64.3.9") }
    )
  )

  it.effect("never keeps our own addresses", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* book.learn(["9.9.9.9", "9.9.9.9:1", "9.9.9.8"], gossiper), 0)
          yield* book.recordConnected(at("9.9.9.9"))
          assert.deepStrictEqual(yield* book.all, [])
        }),
      { externalAddress: ip("9.9.9.9"), localAddress: ip("9.9.9.8") }
    )
  )

  it.effect("takes nothing from peers when discovery is off, and still knows the configured ones", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* book.learn(["8.8.8.8"], gossiper), 0)
          assert.deepStrictEqual(
            (yield* book.all).map(({ peer, source }) => [peer, source]),
            [[ip("8.8.4.4"), "configured"]]
          )
        }),
      { discovery: false, peers: [at("8.8.4.4")] }
    )
  )

  it.effect("reads a bounded number of addresses of one message", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const before = (count: number) => Array.from({ length: count }, () => "no address")
        const last = Limits.ADDRESSES_PER_INTAKE - 1
        assert.strictEqual(yield* book.learn([...before(last + 1), "8.8.8.8"], gossiper), 0)
        assert.strictEqual(yield* book.learn([...before(last), "8.8.8.8"], gossiper), 1)
      })
    )
  )

  it.effect("takes a burst of new addresses from a peer and then one every ten seconds, however it connects", () =>
    withBook((book) =>
      Effect.gen(function* () {
        // Known ones cost nothing, and those for which there is no room cost as much as others.
        yield* book.learn(["1.1.1.1"], ip("81.0.0.2"))
        yield* book.learn(
          Array.from({ length: Limits.ADDRESSES_PER_INTAKE }, () => "1.1.1.1"),
          gossiper
        )
        const oneGroup = Array.from({ length: Limits.ADDRESS_BURST - 1 }, (_, n) => `5.5.${n >> 8}.${n & 255}`)
        yield* book.learn(oneGroup, gossiper)
        const others = ["6.1.0.1", "6.2.0.1", "6.3.0.1", "6.4.0.1", "6.5.0.1", "6.6.0.1", "6.7.0.1"]
        const takenAfter = (seconds: number) =>
          Effect.andThen(TestClock.adjust(`${seconds} seconds`), book.learn(others, gossiper))
        assert.isAtMost(yield* takenAfter(0), 1)
        for (const address of others) yield* book.forget(ip(address))
        others.splice(0, Infinity, "7.1.0.1", "7.2.0.1", "7.3.0.1", "7.4.0.1", "7.5.0.1", "7.6.0.1", "7.7.0.1")
        assert.strictEqual(yield* takenAfter(0), 0)
        assert.isAtMost(yield* takenAfter(10), 1)
        assert.isAtMost(yield* takenAfter(9), 0)
        // Another peer of the same group has an allowance of its own.
        assert.isAtLeast(yield* book.learn(others, ip("81.0.0.3")), 4)
      })
    )
  )

  it.effect("tells a random sample of what was reached, most recently reached first, and nothing else", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(["1.1.1.1", "1.1.1.2", "1.1.1.3"], gossiper)
        assert.deepStrictEqual(yield* book.sample(10, { ipv6: true }), [])
        yield* TestClock.adjust("1 hour")
        yield* book.recordConnected(at("1.1.1.3"))
        yield* TestClock.adjust("1 hour")
        yield* book.recordConnected(at("1.1.1.1"))
        assert.deepStrictEqual(names(yield* book.sample(10, { ipv6: true })), ["1.1.1.1", "1.1.1.3"])
        const drawn = new Set<string>()
        for (let draw = 0; draw < 50; draw++) {
          const sample = names(yield* book.sample(1, { ipv6: true }))
          assert.strictEqual(sample.length, 1)
          drawn.add(sample[0]!)
        }
        assert.strictEqual(drawn.size, 2)
      })
    )
  )

  it.effect("tells IPv6 addresses only to those who understand them", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        for (const address of ["1.1.1.1", "[2a00::1]:1"]) yield* book.recordConnected(at(address))
        assert.deepStrictEqual(names(yield* book.sample(10, { ipv6: false })), ["1.1.1.1"])
        assert.deepStrictEqual(names(yield* book.sample(10, { ipv6: true })).toSorted(), ["1.1.1.1", "2a00::1"])
      })
    )
  )

  it.effect("suggests what was reached before, then hearsay", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(["1.1.1.1", "1.2.1.1", "1.3.1.1", "1.4.1.1"], gossiper)
        yield* book.recordConnected(at("1.3.1.1"))
        yield* book.recordConnected(at("1.4.1.1"))
        yield* TestClock.adjust("6 seconds")
        const suggestions = yield* suggested(book)
        assert.strictEqual(suggestions.length, 4)
        assert.deepStrictEqual(new Set(suggestions.slice(0, 2)), new Set(["1.3.1.1", "1.4.1.1"]))
      })
    )
  )

  it.effect("suggests equals in random order, one of each group before the second of any", () =>
    withBook((book) =>
      Effect.gen(function* () {
        // A crowd that draws lots by heads would hold nearly all of the first places.
        for (let n = 0; n < 40; n++) yield* book.recordConnected(at(`3.3.${n}.1`))
        for (let n = 0; n < 10; n++) yield* book.recordConnected(at(`4.${n}.1.1`))
        yield* TestClock.adjust("6 seconds")
        const places = new Set<number>()
        for (let draw = 0; draw < 30; draw++) {
          const groups = (yield* suggested(book)).map(networkGroup)
          assert.strictEqual(groups.length, 50)
          assert.strictEqual(new Set(groups.slice(0, 11)).size, 11)
          assert.deepStrictEqual(new Set(groups.slice(11)), new Set(["3.3"]))
          places.add(groups.indexOf("3.3"))
        }
        assert.isAbove(places.size, 5)
        assert.isAbove(Math.max(...places), 7)
        assert.notDeepEqual(yield* suggested(book), yield* suggested(book))
      })
    )
  )

  it.effect("suggests what failed again after 5 seconds, doubling to 300, and not before", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          for (const expected of [5, 10, 20, 40, 80, 160, 300, 300, 300]) {
            assert.deepStrictEqual(yield* suggested(book), ["1.1.1.1"])
            yield* book.recordFailure(ip("1.1.1.1"))
            assert.deepStrictEqual(yield* book.candidates, [])
            yield* TestClock.adjust(`${0.79 * expected} seconds`)
            assert.deepStrictEqual(yield* book.candidates, [])
            yield* TestClock.adjust(`${0.42 * expected} seconds`)
          }
        }),
      { peers: [at("1.1.1.1")] }
    )
  )

  const failing = ["1.1.1.1", "1.1.1.2", "1.1.1.3"].map(ip)
  it.effect("drops hearsay after ten failures in a row, masternodes after twenty, configured peers never", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.learn(["1.1.1.1", "1.1.1.2"], gossiper)
          const left: Array<number> = []
          for (let time = 1; time <= 25; time++) {
            for (const peer of failing) yield* book.recordFailure(peer)
            yield* book.recordConnected(at("2.2.2.2"))
            left.push((yield* book.all).length - 1)
          }
          assert.deepStrictEqual([left.indexOf(2) + 1, left.indexOf(1) + 1, left.at(-1)], [10, 20, 1])
          assert.deepStrictEqual(names(yield* book.all).toSorted(), ["1.1.1.3", "2.2.2.2"])
        }),
      { peers: [at("1.1.1.3")] },
      [ip("1.1.1.2")]
    )
  )

  it.effect("drops nothing while nobody is reached, for then it is this node that is cut off", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(["1.1.1.1", "1.1.1.2"], gossiper)
        yield* book.recordConnected(at("1.1.1.3"))
        yield* TestClock.adjust("1 hour")
        for (let time = 1; time <= 25; time++) for (const peer of failing) yield* book.recordFailure(peer)
        assert.strictEqual((yield* book.all).length, 3)
        yield* TestClock.adjust("1 hour")
        yield* book.recordConnected(at("1.1.1.3"))
        yield* book.recordFailure(ip("1.1.1.1"))
        assert.deepStrictEqual(names(yield* book.all).toSorted(), ["1.1.1.2", "1.1.1.3"])
      })
    )
  )

  it.effect("counts failures from the last success", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(["1.1.1.1"], gossiper)
        for (let time = 0; time < 30; time++) {
          yield* book.recordConnected(at("1.1.1.2"))
          if (time % 9 === 8) yield* book.recordConnected(at("1.1.1.1"))
          else yield* book.recordFailure(ip("1.1.1.1"))
        }
        assert.deepStrictEqual(names(yield* book.all).toSorted(), ["1.1.1.1", "1.1.1.2"])
      })
    )
  )

  it.effect("never again keeps, suggests or tells what it was told to forget", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.learn(["1.1.1.1"], gossiper)
          yield* book.recordConnected(at("1.1.1.1"))
          for (const peer of ["1.1.1.1", "1.1.1.2", "1.1.1.3"]) yield* book.forget(ip(peer))
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(yield* book.learn(["1.1.1.1", "1.1.1.2:5", "1.1.1.3"], gossiper), 0)
          yield* book.recordConnected(at("1.1.1.1"))
          yield* book.recordFailure(ip("1.1.1.1"))
          assert.deepStrictEqual(
            [yield* book.all, yield* book.candidates, yield* book.sample(10, { ipv6: true })],
            [[], [], []]
          )
        }),
      { peers: [at("1.1.1.3")] }
    )
  )

  /** Tells the book of addresses from that number on, by ever other peers of other groups. */
  const flood = Effect.fnUntraced(function* (book: AddressBook["Service"], from: number, count: number) {
    for (let begun = from; begun < from + count; begun += 250) {
      const length = Math.min(250, from + count - begun)
      const texts = Array.from({ length }, (_, index) => numbered(begun + index))
      yield* book.learn(texts, ip(`82.${(begun / 250) & 255}.0.1`))
    }
  })

  it.effect("under a flood keeps what is configured or was reached, and what it knew but has not tried", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.recordConnected(at("1.1.1.2"))
          yield* book.learn(["1.2.1.1", "1.3.1.1"], gossiper)
          yield* flood(book, 0, 10_000)
          const known = new Set(names(yield* book.all))
          assert.isAtMost(known.size, Limits.KNOWN_ADDRESSES + 1)
          assert.isAbove(known.size, Limits.KNOWN_ADDRESSES / 2)
          assert.isTrue(["1.1.1.1", "1.1.1.2", "1.2.1.1", "1.3.1.1"].every((peer) => known.has(ip(peer))))
        }),
      { peers: [at("1.1.1.1")] }
    )
  )

  it.effect("gives the peers of one network group a sixteenth of the places for hearsay, whatever they name", () =>
    withBook((book) =>
      Effect.gen(function* () {
        for (let begun = 0; begun < 5_000; begun += Limits.ADDRESSES_PER_INTAKE) {
          const texts = Array.from({ length: Limits.ADDRESSES_PER_INTAKE }, (_, index) => numbered(begun + index))
          yield* book.learn(texts, ip(`81.0.${begun / Limits.ADDRESSES_PER_INTAKE}.1`))
        }
        const share = (Limits.NEW_BUCKETS * Limits.ADDRESSES_PER_BUCKET) / 16
        assert.isAtMost((yield* book.all).length, share)
        assert.isAbove((yield* book.all).length, share / 2)
      })
    )
  )

  const Step = Schema.Struct({
    what: Schema.Literals(["learn", "connected", "failed", "forget"]),
    from: Schema.Literals([0, 500, 1_000, 3_000, 4_500, 9_000]),
    count: Schema.Literals([1, 40, 700, 1_200])
  })
  it.effect.prop(
    "never knows more addresses than it may, nor one twice, nor tells one it never reached",
    [Schema.Array(Step)],
    ([steps]) =>
      withBook((book) =>
        Effect.gen(function* () {
          yield* flood(book, 0, 5_000)
          for (const { count, from, what } of steps.slice(0, 12)) {
            const texts = Array.from({ length: count }, (_, index) => numbered(from + index))
            if (what === "learn") yield* flood(book, from, count)
            for (const text of what === "learn" ? [] : texts.slice(0, 40)) {
              if (what === "connected") yield* book.recordConnected(at(text))
              if (what === "failed") yield* book.recordFailure(ip(text))
              if (what === "forget") yield* book.forget(ip(text))
            }
            yield* TestClock.adjust("10 seconds")
          }
          const all = names(yield* book.all)
          assert.isAtMost(all.length, Limits.KNOWN_ADDRESSES)
          assert.strictEqual(new Set(all).size, all.length)
          for (const { peer } of yield* book.sample(10_000, { ipv6: true })) {
            const entry = (yield* book.all).find((entry) => entry.peer === peer)
            assert.isNotNull(entry!.lastConnected)
          }
        })
      ),
    { arbitrary: { runs: 4, seed: 1 } }
  )
}

// --- internal ---

const knowing = (peers: ReadonlyArray<PeerId>) =>
  MasternodeRegistry.layerTest({
    list: Effect.succeed(peers.map((peer) => knownMasternode(peer)))
  })
