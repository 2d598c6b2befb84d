import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FilePeerGuard from "../../src/layers/FilePeerGuard.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { suite } from "../services/PeerGuardSuite.ts"

const inFolder = (dataDir: string) => FilePeerGuard.layer({ dataDir }).pipe(Layer.provide(NodeServices.layer))

suite(
  "PeerGuard with bans in a file",
  Layer.unwrap(Effect.map(temporaryFolder, (folder) => inFolder(join(folder, "data"))))
)

const ONE = peerId("192.0.2.1")!
const OTHER = peerId("2001:db8::1")!
const FOR_EVER = 4_000_000_000_000

/** One life of a guard over a folder; what it left is on disk at the end. */
const life = <A, E>(
  dataDir: string,
  program: (guard: PeerGuard["Service"]) => Effect.Effect<A, E>,
  config: Partial<NodeConfigValues> = {}
) =>
  Effect.flatMap(PeerGuard, program).pipe(
    Effect.provide(inFolder(dataDir).pipe(Layer.provide(NodeConfig.layerTest(config))), { local: true })
  )

const written = (dataDir: string): unknown => JSON.parse(readFileSync(join(dataDir, "bans.json"), "utf8"))

describe("bans in a file", () => {
  it.effect("are there at the next start, with all they say, until they are over", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* TestClock.setTime(1_000)
      const left = yield* life(dataDir, (guard) =>
        Effect.gen(function* () {
          yield* guard.ban(OTHER, FOR_EVER)
          for (let time = 0; time < Limits.BAN_SCORE; time++) yield* guard.report(ONE, "malformedLine")
          return yield* guard.bans
        })
      )
      assert.deepStrictEqual(left, [
        { peer: OTHER, since: 1_000, until: 1_000 + FOR_EVER, reason: "manual" },
        { peer: ONE, since: 1_000, until: 1_000 + Limits.BAN_DURATION, reason: "misbehaving" }
      ])
      assert.deepStrictEqual(yield* life(dataDir, (guard) => guard.bans), left)
      yield* TestClock.adjust(Duration.millis(Limits.BAN_DURATION))
      assert.deepStrictEqual(yield* life(dataDir, (guard) => guard.bans), left.slice(0, 1))
      assert.isTrue(yield* life(dataDir, (guard) => guard.lift(OTHER)))
      assert.deepStrictEqual(yield* life(dataDir, (guard) => guard.bans), [])
    })
  )

  it.effect("of the operator are on disk when the operator is told, so that a kill loses none", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* life(dataDir, (guard) =>
        Effect.gen(function* () {
          yield* guard.ban(ONE, 5_000)
          assert.deepStrictEqual(written(dataDir), {
            version: 1,
            bans: [{ address: ONE, since: 0, until: 5_000, reason: "manual" }]
          })
          yield* guard.lift(ONE)
          assert.deepStrictEqual(written(dataDir), { version: 1, bans: [] })
          yield* guard.ban(ONE, 5_000)
          yield* guard.clear
          assert.deepStrictEqual(written(dataDir), { version: 1, bans: [] })
        })
      )
    })
  )

  it.live("for misbehaving are written soon, and offences that ban nobody are not", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* life(dataDir, (guard) =>
        Effect.gen(function* () {
          yield* guard.report(ONE, "malformedLine")
          yield* Effect.sleep("20 millis")
          assert.deepStrictEqual(readdirSync(dataDir), [])
          yield* guard.report(ONE, "invalidBlock")
          assert.strictEqual(yield* guard.report(ONE, "invalidBlock"), "banned")
          const isWritten = Effect.sync(() => readdirSync(dataDir).includes("bans.json"))
          yield* Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), isWritten), { until: (done) => done })
          assert.include(readFileSync(join(dataDir, "bans.json"), "utf8"), `"address":"${ONE}"`)
        })
      )
    })
  )

  it.effect("of a peer that was configured since are dropped", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* life(dataDir, (guard) => guard.ban(ONE, FOR_EVER))
      const peers = [{ peer: ONE, port: 24_100 }]
      assert.isFalse(yield* life(dataDir, (guard) => guard.isBanned(ONE), { peers }))
    })
  )

  it.effect("with an address that is none are put aside", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      mkdirSync(dataDir, { recursive: true })
      for (const address of ["nobody", "192.0.2.1:80", "2001:DB8::1"]) {
        const bans = [{ address, since: 0, until: FOR_EVER, reason: "manual" }]
        writeFileSync(join(dataDir, "bans.json"), JSON.stringify({ version: 1, bans }))
        assert.deepStrictEqual(yield* life(dataDir, (guard) => guard.bans), [])
        assert.deepStrictEqual(readdirSync(dataDir), ["bans.json.damaged"])
      }
    })
  )
})
