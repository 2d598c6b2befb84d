/**
 * Our decoder and the Rust node's parser make the same of lines nobody would send. The long form of this test is
 * `scripts/fuzz-wire.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { makeLineFuzzer } from "../protocol/wire/LineFuzzer.ts"
import { allLines } from "../protocol/wire/Vectors.ts"
import { compareWithOracle, oraclePath } from "../protocol/wire/WireOracle.ts"
import { sha256 } from "../../src/protocol/Hash.ts"

const LINES = 20_000

if (oraclePath === undefined) console.log("skipped: wire interop tests need peer/wire-oracle, see TIMENODE_SHARED")

describe.skipIf(oraclePath === undefined)("against the Rust node's parser", () => {
  it(`agrees on ${LINES} damaged lines`, { timeout: 120_000 }, () => {
    const fuzzer = makeLineFuzzer(20_251_214, allLines())
    const { differences, accepted } = compareWithOracle(oraclePath!, Array.from({ length: LINES }, fuzzer.next))
    assert.deepStrictEqual(differences, [])
    assert.isAbove(accepted, LINES / 10)
  })

  it("agrees on which random bytes are public keys", () => {
    const lines = Array.from({ length: 4_000 }, (_, seed) => {
      const key = [...sha256(Buffer.from(`interop ${seed}`))].join(",")
      return Buffer.from(
        `{"MasternodeAnnouncement":{"address":"a","reward_address":"b","tier":"Free","public_key":[${key}]}}`
      )
    })
    const { differences, accepted } = compareWithOracle(oraclePath!, lines)
    assert.deepStrictEqual(differences, [])
    assert.isTrue(accepted > 1_500 && accepted < 2_500, `${accepted} keys accepted`)
  })
})
