import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Option, Schema } from "effect"
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as DataFile from "../../src/layers/DataFile.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"

const Visits = Schema.Struct({ version: Schema.Literal(1), visits: Schema.Array(Schema.Int) })

const test = (name: string, program: (dataDir: string) => Effect.Effect<void, never, NodeServices.NodeServices>) =>
  it.live(name, () =>
    Effect.flatMap(temporaryFolder, (folder) => program(join(folder, "data"))).pipe(
      Effect.provide([NodeServices.layer, Logger.layer([])])
    )
  )

describe("DataFile", () => {
  test("gives what was written last, and nothing before that", (dataDir) =>
    Effect.gen(function* () {
      const file = yield* DataFile.make(dataDir, "visits.json", Visits)
      assert.isTrue(Option.isNone(yield* file.read))
      yield* file.write({ version: 1, visits: [1, 2] })
      yield* file.write({ version: 1, visits: [3] })
      const again = yield* DataFile.make(dataDir, "visits.json", Visits)
      assert.deepStrictEqual(yield* again.read, Option.some({ version: 1, visits: [3] } as const))
      assert.deepStrictEqual(readdirSync(dataDir), ["visits.json"])
      assert.strictEqual(statSync(join(dataDir, "visits.json")).mode & 0o777, 0o600)
    }))

  test("puts aside what it cannot read, whatever is wrong with it", (dataDir) =>
    Effect.gen(function* () {
      mkdirSync(dataDir)
      const file = yield* DataFile.make(dataDir, "visits.json", Visits)
      for (const text of ["", "{", `{"version":2,"visits":[]}`, `{"version":1,"visits":["x"]}`]) {
        writeFileSync(join(dataDir, "visits.json"), text)
        assert.isTrue(Option.isNone(yield* file.read))
        assert.deepStrictEqual(readdirSync(dataDir), ["visits.json.damaged"])
        assert.strictEqual(readFileSync(join(dataDir, "visits.json.damaged"), "utf8"), text)
      }
    }))

  test("keeps the old file when a new one cannot be written", (dataDir) =>
    Effect.gen(function* () {
      const file = yield* DataFile.make(dataDir, "visits.json", Visits)
      yield* file.write({ version: 1, visits: [1] })
      // A folder in its way, which even root cannot write over.
      mkdirSync(join(dataDir, "visits.json.new"))
      yield* file.write({ version: 1, visits: [2] })
      assert.deepStrictEqual(yield* file.read, Option.some({ version: 1, visits: [1] } as const))
    }))

  test("says so when what must be on disk is not, and goes on from what is", (dataDir) =>
    Effect.gen(function* () {
      const file = yield* DataFile.make(dataDir, "visits.json", Visits)
      yield* Effect.orDie(file.store({ version: 1, visits: [1] }))
      mkdirSync(join(dataDir, "visits.json.new"))
      const failure = yield* Effect.flip(file.store({ version: 1, visits: [2] }))
      assert.strictEqual(failure._tag, "DataFileError")
      assert.strictEqual(failure.file, join(dataDir, "visits.json"))
      assert.deepStrictEqual(yield* file.read, Option.some({ version: 1, visits: [1] } as const))
    }).pipe(Effect.orDie))
})
