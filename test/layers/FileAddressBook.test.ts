import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileAddressBook from "../../src/layers/FileAddressBook.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { formatPeerAddress, type PeerAddress, peerAddress, peerId } from "../../src/protocol/PeerId.ts"
import { AddressBook } from "../../src/services/AddressBook.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { suite } from "../services/AddressBookSuite.ts"

const at = (text: string): PeerAddress => peerAddress(text, testnet.p2pPort)!
const gossiper = peerId("81.0.0.1")!

describe("FileAddressBook", () => {
  suite(
    Layer.unwrap(Effect.map(temporaryFolder, (dataDir) => FileAddressBook.layer({ dataDir }))).pipe(
      Layer.provide(NodeServices.layer)
    )
  )

  /** A run of a node with a book in that directory, from start to end. */
  const run = <A, E>(
    dataDir: string,
    program: (book: AddressBook["Service"]) => Effect.Effect<A, E>,
    config: Partial<NodeConfigValues> = {}
  ) =>
    Effect.flatMap(AddressBook, program).pipe(
      Effect.provide(
        FileAddressBook.layer({ dataDir }).pipe(
          Layer.provide([
            NodeServices.layer,
            NodeConfig.layerTest({ discovery: true, ...config }),
            MasternodeRegistry.layerTest()
          ])
        ),
        { local: true }
      ),
      Random.withSeed("file address book")
    )

  const inFolder = (name: string, program: (dataDir: string, file: string) => Effect.Effect<void, unknown>) =>
    it.effect(name, () =>
      Effect.flatMap(temporaryFolder, (folder) => {
        const dataDir = join(folder, "data")
        return program(dataDir, join(dataDir, "addresses.json"))
      })
    )

  const all = (book: AddressBook["Service"]) => Effect.map(book.all, (entries) => entries.toSorted(byPeer))
  const byPeer = (a: PeerAddress, b: PeerAddress) => (a.peer < b.peer ? -1 : 1)

  inFolder("knows after a restart what it knew before, what was reached as reached", (dataDir, file) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const before = yield* run(dataDir, (book) =>
        Effect.gen(function* () {
          yield* book.learn(["1.1.1.1", "1.2.1.1:5", "2a00::1"], gossiper)
          yield* book.recordConnected(at("1.3.1.1:7"))
          yield* book.recordConnected(at("1.2.1.1:5"))
          yield* book.recordFailure(peerId("1.1.1.1")!)
          yield* book.recordAnchors([at("1.3.1.1:7"), at("1.2.1.1:5")])
          assert.deepStrictEqual(yield* book.anchors, [])
          assert.isFalse(existsSync(file))
          return yield* all(book)
        })
      )
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      yield* run(dataDir, (book) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* all(book), before)
          assert.deepStrictEqual((yield* book.anchors).map(formatPeerAddress), ["1.3.1.1:7", "1.2.1.1:5"])
          const reached = (yield* book.candidates).slice(0, 2).map(formatPeerAddress)
          assert.deepStrictEqual(new Set(reached), new Set(["1.3.1.1:7", "1.2.1.1:5"]))
        })
      )
      // A run that met nobody keeps the anchors of the one before, and one without news writes nothing.
      const written = readFileSync(file, "utf8")
      yield* run(dataDir, (book) => book.learn(["1.5.1.1"], gossiper))
      assert.notStrictEqual(readFileSync(file, "utf8"), written)
      yield* run(dataDir, (book) => Effect.map(book.anchors, (anchors) => assert.strictEqual(anchors.length, 2)))
    })
  )

  inFolder("is written every five minutes while there is news", (dataDir, file) =>
    run(dataDir, (book) =>
      Effect.gen(function* () {
        const written = () =>
          existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")).addresses.length as number) : 0
        const until = (count: number) =>
          Effect.yieldNow.pipe(Effect.repeat({ until: () => written() === count, times: 100_000 }))
        yield* book.learn(["1.1.1.1"], gossiper)
        yield* TestClock.adjust("299 seconds")
        assert.strictEqual(written(), 0)
        yield* TestClock.adjust("1 second")
        yield* until(1)
        assert.strictEqual(written(), 1)
        writeFileSync(file, `{"addresses":[]}`)
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(written(), 0)
        yield* book.learn(["1.2.1.1"], gossiper)
        yield* TestClock.adjust("5 minutes")
        yield* until(2)
        assert.strictEqual(written(), 2)
      })
    )
  )

  inFolder("leaves out what is no address, unusable or our own by now", (dataDir) =>
    Effect.gen(function* () {
      yield* run(dataDir, (book) =>
        Effect.andThen(book.learn(["1.1.1.1", "1.2.1.1"], gossiper), book.recordAnchors([at("1.1.1.1"), at("1.2.1.1")]))
      )
      yield* run(
        dataDir,
        (book) =>
          Effect.gen(function* () {
            assert.deepStrictEqual((yield* book.all).map(formatPeerAddress), ["1.2.1.1:24100"])
            assert.deepStrictEqual((yield* book.anchors).map(formatPeerAddress), ["1.2.1.1:24100"])
          }),
        { externalAddress: peerId("1.1.1.1")! }
      )
    })
  )

  inFolder("breaks no bound, and believes no time to come, whatever somebody wrote into it", (dataDir, file) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* run(dataDir, (book) => book.learn(["1.1.1.1"], gossiper))
      const written = JSON.parse(readFileSync(file, "utf8"))
      const entry = (address: string, tried: boolean) => ({
        address,
        source: "x".repeat(100),
        tried,
        since: 9e15,
        lastConnected: tried ? 9e15 : null,
        failures: 2
      })
      const addresses = [
        ...["x", "", "1.2.3.4", "1.2.3.4:0", "127.0.0.1:5", "224.0.0.1:5", "1.4.1.1:9", "1.4.1.1:9"].map((text) =>
          entry(text, true)
        ),
        ...Array.from({ length: 20_000 }, (_, n) =>
          entry(`${20 + (n % 60)}.${Math.floor(n / 60) & 255}.1.${n % 3}:1`, n % 2 === 0)
        )
      ]
      writeFileSync(file, JSON.stringify({ ...written, addresses, anchors: ["x", ...Array(50).fill("1.4.1.1:9")] }))
      yield* run(dataDir, (book) =>
        Effect.gen(function* () {
          const known = yield* book.all
          assert.isAtMost(known.length, Limits.KNOWN_ADDRESSES)
          assert.strictEqual(known.filter(({ peer }) => peer.startsWith("1.")).length, 1)
          assert.isTrue(known.every(({ lastConnected }) => lastConnected === null || lastConnected === 3_600_000))
          assert.isAtMost((yield* book.anchors).length, Limits.ANCHORS)
          assert.strictEqual((yield* book.candidates).length, known.length)
        })
      )
    })
  )

  inFolder("that is damaged is put aside", (dataDir, file) =>
    Effect.gen(function* () {
      yield* run(dataDir, (book) => book.learn(["1.1.1.1"], gossiper))
      const written = JSON.parse(readFileSync(file, "utf8"))
      for (const damage of [{ key: "short" }, { version: 2 }, { addresses: [{ address: "1.1.1.1:5" }] }]) {
        writeFileSync(file, JSON.stringify({ ...written, ...damage }))
        yield* run(dataDir, (book) => Effect.map(book.all, (known) => assert.deepStrictEqual(known, [])))
        assert.deepStrictEqual(readdirSync(dataDir), ["addresses.json.damaged"])
      }
    })
  )
})
