import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FileMasternodeRegistry from "../../src/layers/FileMasternodeRegistry.ts"
import { signHeartbeat } from "../../src/protocol/Heartbeat.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { keyOf } from "../fixtures/Masternodes.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { activitySuite } from "../services/MasternodeActivitySuite.ts"
import { suite } from "../services/MasternodeRegistrySuite.ts"

const ip = (text: string): PeerId => peerId(text)!
const OWN = ip("4.4.4.4")
const OTHER = ip("1.1.1.1")
const GOSSIPER = ip("81.0.0.1")
const NOW = 1_765_000_000n

const record = { address: OTHER, rewardAddress: "TIME0other", tier: "Gold" as const, publicKey: keyOf(1).publicKey }
const heartbeat = (sequence: bigint, timestamp: bigint) =>
  signHeartbeat({ masternodeAddress: OTHER, sequenceNumber: sequence, timestamp }, keyOf(1))

describe("FileMasternodeRegistry", () => {
  const inNewFolder = Layer.unwrap(
    Effect.map(temporaryFolder, (dataDir) => FileMasternodeRegistry.layer({ dataDir }))
  ).pipe(Layer.provide(NodeServices.layer))
  suite(inNewFolder)
  activitySuite(inNewFolder)

  /** A run of a masternode with a registry in that directory, from start to end. */
  const run = <A, E>(
    dataDir: string,
    program: (registry: MasternodeRegistry["Service"]) => Effect.Effect<A, E>,
    key = keyOf(9)
  ) =>
    Effect.flatMap(MasternodeRegistry, program).pipe(
      Effect.provide(
        FileMasternodeRegistry.layer({ dataDir }).pipe(
          Layer.provide([
            NodeServices.layer,
            NodeConfig.layerTest({ masternode: { enabled: true, tier: "Free", rewardAddress: "" } }),
            NodeIdentity.layerTest({ externalAddress: OWN, key })
          ])
        ),
        { local: true }
      )
    )

  const inFolder = (name: string, program: (dataDir: string, file: string) => Effect.Effect<void, unknown>) =>
    it.effect(name, () =>
      Effect.flatMap(temporaryFolder, (folder) => {
        const dataDir = join(folder, "data")
        return Effect.andThen(
          TestClock.setTime(Number(NOW) * 1_000),
          program(dataDir, join(dataDir, "masternodes.json"))
        )
      })
    )
  const seconds = (offset: number) => TestClock.setTime((Number(NOW) + offset) * 1_000)

  inFolder("has its own heartbeat on disk before it is told to anybody", (dataDir, file) =>
    run(dataDir, (registry) =>
      Effect.gen(function* () {
        assert.isFalse(existsSync(file))
        const { sequenceNumber } = (yield* registry.beat)!
        assert.include(readFileSync(file, "utf8"), `"sequence":"${sequenceNumber}"`)
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      })
    )
  )

  inFolder("says no heartbeat that it cannot store", (dataDir) =>
    run(dataDir, (registry) =>
      Effect.gen(function* () {
        writeFileSync(dataDir, "in the way")
        assert.isNull(yield* registry.beat)
        rmSync(dataDir)
        assert.isNotNull(yield* registry.beat)
      })
    )
  )

  inFolder("never repeats a number, though the clock goes back between two runs", (dataDir) =>
    Effect.gen(function* () {
      const beat = run(dataDir, ({ beat }) => beat)
      const first = (yield* beat)!
      const second = (yield* beat)!
      yield* seconds(-100_000)
      const third = (yield* beat)!
      assert.deepStrictEqual(
        [first, second, third].map(({ sequenceNumber }) => sequenceNumber - NOW),
        [0n, 1n, 2n]
      )
      assert.strictEqual(third.timestamp, NOW - 100_000n)
      // Another key has numbers of its own.
      assert.strictEqual((yield* run(dataDir, ({ beat }) => beat, keyOf(8)))!.sequenceNumber, NOW - 100_000n)
    })
  )

  inFolder("knows after a restart who announced itself and what it proved, and takes no heartbeat twice", (dataDir) =>
    Effect.gen(function* () {
      const before = yield* run(dataDir, (registry) =>
        Effect.gen(function* () {
          yield* registry.announce(OTHER, record)
          yield* registry.hint([{ ...record, address: "1.1.1.2" }], GOSSIPER)
          yield* registry.heartbeat(heartbeat(7n, NOW), GOSSIPER)
          return yield* registry.list
        })
      )
      yield* seconds(100)
      yield* run(dataDir, (registry) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* registry.list,
            before
              .filter(({ source }) => source !== "hinted")
              .map((entry) =>
                entry.source === "own"
                  ? { ...entry, firstSeen: Number(NOW + 100n) * 1_000, lastSeen: Number(NOW + 100n) * 1_000 }
                  : entry
              )
          )
          assert.strictEqual(yield* registry.heartbeat(heartbeat(7n, NOW), GOSSIPER), "known")
          assert.strictEqual(yield* registry.heartbeat(heartbeat(6n, NOW + 60n), GOSSIPER), "known")
          // Who proved a key is not replaced by somebody who comes from its address after our restart.
          const thief = { ...record, rewardAddress: "TIME0thief", publicKey: keyOf(2).publicKey }
          assert.strictEqual(yield* registry.announce(OTHER, thief), "pending")
          assert.strictEqual(yield* registry.heartbeat(heartbeat(8n, NOW + 60n), GOSSIPER), "new")
        })
      )
    })
  )

  inFolder("holds nobody active for what a file says, only for a heartbeat that is fresh and signed", (dataDir, file) =>
    Effect.gen(function* () {
      const statusOf = (after: number) =>
        Effect.andThen(
          seconds(after),
          run(dataDir, ({ list }) => Effect.map(list, (all) => all.find(({ peer }) => peer === OTHER)?.status))
        )
      yield* run(dataDir, (registry) =>
        Effect.andThen(registry.announce(OTHER, record), registry.heartbeat(heartbeat(7n, NOW), GOSSIPER))
      )
      assert.strictEqual(yield* statusOf(100), "active")
      assert.strictEqual(yield* statusOf(180), "silent")
      const text = readFileSync(file, "utf8")
      writeFileSync(file, text.replace(`"timestamp":"${NOW}"`, `"timestamp":"${NOW + 100n}"`))
      assert.strictEqual(yield* statusOf(180), "silent")
      assert.strictEqual(yield* statusOf(3_601), undefined)
    })
  )

  inFolder("writes what it knows of others once a minute, and at the end", (dataDir, file) =>
    Effect.gen(function* () {
      yield* run(dataDir, (registry) =>
        Effect.gen(function* () {
          yield* registry.announce(OTHER, record)
          assert.isFalse(existsSync(file))
        })
      )
      assert.include(readFileSync(file, "utf8"), OTHER)
      yield* run(dataDir, () => Effect.void)
      rmSync(file)
      // Nothing has changed.
      yield* run(dataDir, () => Effect.void)
      assert.isFalse(existsSync(file))
    })
  )

  inFolder("puts a file aside that it cannot read, and starts without", (dataDir, file) =>
    Effect.gen(function* () {
      mkdirSync(dataDir)
      writeFileSync(file, `{"version":1,"masternodes":[{"address":"nowhere"}]}`)
      yield* run(dataDir, (registry) =>
        Effect.map(registry.list, (list) =>
          assert.deepStrictEqual(
            list.map(({ peer }) => peer),
            [OWN]
          )
        )
      )
      assert.isTrue(existsSync(`${file}.damaged`))
    })
  )
})
