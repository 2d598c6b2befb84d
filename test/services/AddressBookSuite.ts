/**
 * What every AddressBook must do, whatever it keeps its addresses in.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { SigningKey, type Seed } from "../../src/protocol/Ed25519.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { formatPeerAddress, type PeerAddress, peerAddress, peerId, type PeerId } from "../../src/protocol/PeerId.ts"
import { AddressBook } from "../../src/services/AddressBook.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"

const at = (text: string): PeerAddress => peerAddress(text, testnet.p2pPort)!
const ip = (text: string): PeerId => peerId(text)!
/** A public address of its own for every number. */
const numbered = (number: number): string => `5.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
const gossiper = ip("203.0.113.1")

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

  it.effect("takes a bounded number of addresses from one message", () =>
    withBook((book) =>
      Effect.gen(function* () {
        const many = Array.from({ length: Limits.ADDRESSES_PER_INTAKE + 50 }, (_, number) => numbered(number))
        assert.strictEqual(yield* book.learn(many, gossiper), Limits.ADDRESSES_PER_INTAKE)
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

  it.effect("suggests masternodes first, then what was reached before, then hearsay", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.learn(["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"], gossiper)
          yield* book.recordConnected(at("1.1.1.3"))
          yield* book.recordConnected(at("1.1.1.4"))
          yield* TestClock.adjust("6 seconds")
          const suggested = names(yield* book.candidates(10))
          assert.deepStrictEqual(suggested, ["1.1.1.4", "1.1.1.2", "1.1.1.3", "1.1.1.1"])
          assert.deepStrictEqual(names(yield* book.candidates(2)), suggested.slice(0, 2))
        }),
      {},
      [ip("1.1.1.4"), ip("1.1.1.2")]
    )
  )

  it.effect("suggests equals in no fixed order", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(
          Array.from({ length: 50 }, (_, number) => numbered(number)),
          gossiper
        )
        assert.notDeepEqual(names(yield* book.candidates(10)), names(yield* book.candidates(10)))
      })
    )
  )

  it.effect("suggests what failed again after 5 seconds, doubling to 300, and not before", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          for (const expected of [5, 10, 20, 40, 80, 160, 300, 300, 300]) {
            assert.deepStrictEqual(names(yield* book.candidates(10)), ["1.1.1.1"])
            yield* book.recordFailure(ip("1.1.1.1"))
            assert.deepStrictEqual(yield* book.candidates(10), [])
            yield* TestClock.adjust(`${0.79 * expected} seconds`)
            assert.deepStrictEqual(yield* book.candidates(10), [])
            yield* TestClock.adjust(`${0.42 * expected} seconds`)
          }
        }),
      { peers: [at("1.1.1.1")] }
    )
  )

  it.effect("drops hearsay after ten failures in a row, masternodes after twenty, configured peers never", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.learn(["1.1.1.1", "1.1.1.2"], gossiper)
          const failing = ["1.1.1.1", "1.1.1.2", "1.1.1.3"].map(ip)
          const left: Array<number> = []
          for (let time = 1; time <= 25; time++) {
            for (const peer of failing) yield* book.recordFailure(peer)
            left.push((yield* book.all).length)
          }
          assert.deepStrictEqual([left.indexOf(2) + 1, left.indexOf(1) + 1, left.at(-1)], [10, 20, 1])
          assert.deepStrictEqual(names(yield* book.all), ["1.1.1.3"])
        }),
      { peers: [at("1.1.1.3")] },
      [ip("1.1.1.2")]
    )
  )

  it.effect("counts failures from the last success", () =>
    withBook((book) =>
      Effect.gen(function* () {
        yield* book.learn(["1.1.1.1"], gossiper)
        for (let time = 0; time < 30; time++) {
          if (time % 9 === 8) yield* book.recordConnected(at("1.1.1.1"))
          else yield* book.recordFailure(ip("1.1.1.1"))
        }
        assert.deepStrictEqual(names(yield* book.all), ["1.1.1.1"])
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
            [yield* book.all, yield* book.candidates(10), yield* book.sample(10, { ipv6: true })],
            [[], [], []]
          )
        }),
      { peers: [at("1.1.1.3")] }
    )
  )

  /** Fills the book with hearsay from that number on. */
  const fill = Effect.fnUntraced(function* (book: AddressBook["Service"], from: number, count: number) {
    for (let begun = 0; begun < count; begun += Limits.ADDRESSES_PER_INTAKE) {
      const length = Math.min(Limits.ADDRESSES_PER_INTAKE, count - begun)
      yield* book.learn(
        Array.from({ length }, (_, index) => numbered(from + begun + index)),
        gossiper
      )
    }
  })

  it.effect("when full, gives up hearsay, first what failed, for news; never what is configured or was reached", () =>
    withBook(
      (book) =>
        Effect.gen(function* () {
          yield* book.recordConnected(at("1.1.1.2"))
          yield* fill(book, 0, Limits.KNOWN_ADDRESSES - 2)
          const failed = [ip(numbered(3_000)), ip(numbered(3_001))]
          for (const peer of failed) yield* book.recordFailure(peer)
          assert.strictEqual((yield* book.all).length, Limits.KNOWN_ADDRESSES)
          assert.strictEqual(yield* book.learn(["1.1.1.3"], gossiper), 1)
          const left = new Set(names(yield* book.all))
          assert.isAtMost(left.size, Limits.KNOWN_ADDRESSES)
          assert.isTrue(failed.every((peer) => !left.has(peer)))
          yield* fill(book, 100_000, 3 * Limits.KNOWN_ADDRESSES)
          const known = new Set(names(yield* book.all))
          assert.isTrue(["1.1.1.1", "1.1.1.2"].every((peer) => known.has(ip(peer))))
          assert.isFalse(known.has(ip("1.1.1.3")))
        }),
      { peers: [at("1.1.1.1")] }
    )
  )

  it.effect("full of peers that were reached, takes no hearsay", () =>
    withBook((book) =>
      Effect.gen(function* () {
        for (let number = 0; number < Limits.KNOWN_ADDRESSES; number++) {
          yield* book.recordConnected(at(numbered(number)))
        }
        assert.strictEqual(yield* book.learn(["1.1.1.1"], gossiper), 0)
        yield* book.recordConnected(at("1.1.1.2"))
        assert.strictEqual((yield* book.all).length, Limits.KNOWN_ADDRESSES)
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
          yield* fill(book, 0, Limits.KNOWN_ADDRESSES - 500)
          for (const { count, from, what } of steps.slice(0, 12)) {
            const texts = Array.from({ length: count }, (_, index) => numbered(from + index))
            if (what === "learn") yield* book.learn(texts, gossiper)
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
    { arbitrary: { runs: 8, seed: 1 } }
  )
}

// --- internal ---

const knowing = (peers: ReadonlyArray<PeerId>) =>
  MasternodeRegistry.layerTest({
    list: Effect.succeed(
      peers.map((peer) => ({
        address: peer,
        rewardAddress: "",
        tier: "Free" as const,
        publicKey: key,
        peer,
        source: "announced" as const,
        firstSeen: 0,
        lastSeen: 0
      }))
    )
  })

const key = new SigningKey(new Uint8Array(32) as Seed).publicKey
