/**
 * `ConsensusJournal` in a file of its own: one row, replaced and synced with every entry.
 *
 * A file that cannot be read is an error and not a fresh start: whoever forgets what it signed may sign the opposite.
 */
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Block } from "../protocol/Block.ts"
import { height } from "../protocol/Height.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { StoreError } from "../services/ChainStore.ts"
import { ConsensusJournal, type JournalEntry } from "../services/ConsensusJournal.ts"
import { makeDirectory } from "./DataDirectory.ts"
import { storeError } from "./SqliteChainFile.ts"

/** The journal in that file, which is made if it is missing and is of this process alone. */
export const layer = (options: { readonly file: string }): Layer.Layer<ConsensusJournal, StoreError> =>
  Layer.effect(
    ConsensusJournal,
    Effect.gen(function* () {
      const db = yield* Effect.acquireRelease(
        attempt("open", () => open(options.file)),
        (db) => Effect.sync(() => db.close())
      )
      const put = db.prepare("INSERT OR REPLACE INTO entry VALUES (1, ?, ?)")
      const get = db.prepare("SELECT state, blocks FROM entry")
      return ConsensusJournal.of({
        read: attempt("read", () => decode(get.get())),
        write: (entry) => attempt("write", () => void put.run(...encode(entry)))
      })
    })
  )

// --- internal ---

const Choice = Schema.NullOr(Schema.Struct({ round: Schema.Int, value: Schema.String }))
const Kind = Schema.Literals(["Prevote", "Precommit"])
const State = Schema.fromJsonString(
  Schema.Struct({
    height: Schema.BigIntFromString,
    memory: Schema.Struct({
      round: Schema.Int,
      step: Schema.Literals(["Propose", "Prevote", "Precommit"]),
      locked: Choice,
      valid: Choice,
      votes: Schema.Array(
        Schema.Struct({
          kind: Kind,
          round: Schema.Int,
          voter: Schema.String,
          value: Schema.String,
          signature: Schema.Uint8ArrayFromBase64
        })
      )
    })
  })
)
const decodeState = Schema.decodeUnknownSync(State)
const encodeState = Schema.encodeSync(State)

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({ try: run, catch: (cause) => storeError(`consensus ${operation}`, cause) })

const open = (file: string): DatabaseSync => {
  makeDirectory(dirname(file))
  const db = new DatabaseSync(file)
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    db.exec(
      "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, state TEXT NOT NULL, blocks BLOB NOT NULL) STRICT"
    )
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

/** Blocks lie one after the other, as lines. */
const encode = ({ blocks, height, memory }: JournalEntry): readonly [string, Uint8Array] => [
  encodeState({ height, memory }),
  Buffer.concat(blocks.flatMap((block) => [Wire.encodeBlock(block), LINE_END]))
]

const decode = (row: Record<string, unknown> | undefined): JournalEntry | null => {
  if (row === undefined) return null
  const state = decodeState(row["state"])
  return { height: height(state.height), memory: state.memory, blocks: decodeBlocks(row["blocks"] as Uint8Array) }
}

const decodeBlocks = (bytes: Uint8Array): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (let start = 0, end = bytes.indexOf(LF); end >= 0; start = end + 1, end = bytes.indexOf(LF, start)) {
    const block = Wire.decodeBlock(bytes.subarray(start, end))
    if ("_tag" in block) throw new StoreError({ operation: "consensus read", reason: "Damaged", detail: block.reason })
    blocks.push(block)
  }
  return blocks
}

const LF = 0x0a
const LINE_END = Uint8Array.of(LF)
