import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqliteConsensusJournal from "../../src/layers/SqliteConsensusJournal.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { ConsensusJournal, type JournalEntry } from "../../src/services/ConsensusJournal.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"

const blocks = spendingChain(3).slice(1)
const value = toHex(blockHash(blocks[0]!.header))
const entry = (round: number): JournalEntry => ({
  height: height(2n ** 60n),
  memory: {
    round,
    step: "Precommit",
    locked: { round: round - 1, value },
    valid: null,
    votes: [{ kind: "Prevote", round, voter: "203.0.113.1", value, signature: new Uint8Array(105).fill(round) }]
  },
  blocks
})

const open = <A, E>(folder: string, run: Effect.Effect<A, E, ConsensusJournal>) =>
  Effect.provide(run, Layer.fresh(SqliteConsensusJournal.layer({ file: join(folder, "data", "consensus.db") })))
const read = Effect.flatMap(ConsensusJournal, (journal) => journal.read)
const write = (entry: JournalEntry) => Effect.flatMap(ConsensusJournal, (journal) => journal.write(entry))

describe("SqliteConsensusJournal", () => {
  it.effect("gives back what was written last, when it is opened again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      assert.isNull(yield* open(folder, read))
      yield* open(folder, Effect.andThen(write(entry(3)), write(entry(1_004))))
      assert.deepStrictEqual(yield* open(folder, read), entry(1_004))
      yield* open(folder, write({ ...entry(5), blocks: [] }))
      assert.deepStrictEqual(yield* open(folder, read), { ...entry(5), blocks: [] })
    })
  )

  it.effect("is of one process, and fails where it cannot be read", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const second = yield* open(folder, Effect.andThen(write(entry(3)), Effect.flip(open(folder, read))))
      assert.strictEqual(second.reason, "InUse")
      writeFileSync(
        join(folder, "data", "consensus.db"),
        "no database, but longer than its header would be ".repeat(99)
      )
      assert.strictEqual((yield* Effect.flip(open(folder, read))).reason, "Damaged")
    })
  )
})
