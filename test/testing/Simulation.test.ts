import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { simulate } from "./Simulation.ts"

describe("a network of masternodes", () => {
  it.live("agrees through faults, crashes, partitions and double spends", () =>
    Effect.gen(function* () {
      const lives = yield* Effect.forEach([101, 102, 103], simulate)
      // The seeds are worth something: each kind of trouble was among them.
      assert.isTrue(lives.some(({ crashes }) => crashes > 0))
      assert.isTrue(lives.some(({ partitions }) => partitions > 0))
      assert.isTrue(lives.some(({ doubleSpends }) => doubleSpends > 0))
      assert.isTrue(lives.every(({ height }) => height > 3))
    })
  )
})
