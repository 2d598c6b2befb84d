import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { scratchDirectory } from "../../../src/cli/programs/ScratchDirectory.ts"
import { scratch } from "../../support/timenode.ts"

describe("the scratch directory of a chain", () => {
  it.effect("is one process's at a time, and goes with the scope", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      const folder = yield* Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* scratchDirectory(dataDir)
          assert.strictEqual(dirname(folder), dataDir)
          const again = yield* Effect.flip(scratchDirectory(dataDir))
          assert.strictEqual(again.reason, "dataDirectory")
          assert.match(again.detail, /^another timenode chain verify is at work in /)
          assert.isTrue(existsSync(folder))
          return folder
        })
      )
      assert.deepStrictEqual(readdirSync(dataDir), [])
      assert.strictEqual(yield* scratchDirectory(dataDir), folder)
    })
  )

  it.effect("loses what a killed process has left in it", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratch
      const folder = yield* Effect.scoped(scratchDirectory(dataDir))
      mkdirSync(join(folder, "rebuilt"), { recursive: true })
      writeFileSync(join(folder, "rebuilt", "chain.db"), "half of it")
      yield* scratchDirectory(dataDir)
      assert.isFalse(existsSync(join(folder, "rebuilt")))
    })
  )

  it.effect("says that there must be room where it cannot be made", () =>
    Effect.gen(function* () {
      const file = join(yield* scratch, "file")
      writeFileSync(file, "")
      const refused = yield* Effect.flip(scratchDirectory(file))
      assert.strictEqual(refused.reason, "failed")
      assert.match(refused.detail, /^there must be room for a copy of the chain in /)
    })
  )
})
