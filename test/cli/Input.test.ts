import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { openInput } from "../../src/cli/programs/Input.ts"
import { scratch } from "../support/timenode.ts"

describe("the input of a command", () => {
  const bytes = randomBytes(1_000_000)
  for (const [name, content] of [
    ["blocks", bytes],
    ["blocks.gz", gzipSync(bytes)]
  ] as const) {
    it.live(`tells how much of ${name} is read`, () =>
      Effect.gen(function* () {
        const file = join(yield* scratch, name)
        writeFileSync(file, content)
        const input = yield* openInput(file)
        assert.isUndefined(input.share())
        const shares: Array<number> = []
        let length = 0
        yield* Stream.runForEach(input.bytes, (part) =>
          Effect.sync(() => {
            length += part.length
            shares.push(input.share()!)
          })
        )
        assert.strictEqual(length, bytes.length)
        assert.isBelow(shares[0]!, 0.5)
        assert.deepStrictEqual(
          shares,
          shares.toSorted((a, b) => a - b)
        )
        assert.strictEqual(shares.at(-1), 1)
      }).pipe(Effect.provide(NodeServices.layer), Effect.scoped)
    )
  }

  it.effect("tells nothing of standard input", () =>
    Effect.gen(function* () {
      assert.isUndefined((yield* openInput("-")).share())
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
