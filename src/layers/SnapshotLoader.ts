/**
 * A new chain out of a snapshot: all of it, or none.
 *
 * The file is made in a folder beside its place, goes through every check that a stored chain goes through when it is
 * opened, and takes the blocks after the base by every rule. Only then it gets its name, in one step that fails where a
 * chain has come meanwhile. A process that ends before leaves the folder, which nobody reads and the next load removes.
 */
import { existsSync, linkSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createdOutputs } from "../consensus/BlockRules.ts"
import type { Block } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import { dueTime, type Network } from "../protocol/Network.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { Blockchain } from "../services/Blockchain.ts"
import type { ChainTip, SnapshotBase, StoreError } from "../services/ChainStore.ts"
import type { NodeConfigValues } from "../services/NodeConfig.ts"
import { isExchanging } from "./ChainExchange.ts"
import { chainFile, makeDirectory, removeHistory, syncPath } from "./DataDirectory.ts"
import { replayChain } from "./ReplayChain.ts"
import { SnapshotError } from "./SnapshotError.ts"
import { SnapshotReader, type SnapshotSink } from "./SnapshotFormat.ts"
import { SqliteIndexes } from "./SqliteIndexes.ts"
import { baseRow } from "./SqliteBase.ts"
import { BASE_TABLES, CHAIN_TABLES, INDEX_TABLES, SNAPSHOT_SCHEMA_VERSION } from "./SqliteSchema.ts"
import { SqliteSums } from "./SqliteSums.ts"
import { rowKey, rowValue } from "./UtxoRow.ts"

export interface LoadedSnapshot {
  readonly base: SnapshotBase
  readonly tip: ChainTip
  /** Of the whole snapshot. */
  readonly hash: Hash256
}

export interface LoadOptions {
  readonly chain: NodeConfigValues & { readonly dataDir: string }
  /** The hash that the snapshot must have. */
  readonly expected?: Hash256 | undefined
  /** Is told how much there is to read, and how much was. */
  readonly onProgress?: (coins: bigint, of: bigint) => Effect.Effect<void>
}

/** Makes the chain of a data directory that has none. */
export const loadSnapshot = Effect.fn("SnapshotLoader.loadSnapshot")(function* (
  { chain, expected, onProgress }: LoadOptions,
  bytes: Stream.Stream<Uint8Array, { readonly message: string }>
): Effect.fn.Return<LoadedSnapshot, SnapshotError | StoreError> {
  const file = chainFile(chain.dataDir)
  // A log without its file would be taken for that of the new one.
  if (existsSync(file) || existsSync(`${file}-wal`) || isExchanging(file)) return yield* notEmpty(chain.dataDir)
  const folder = join(chain.dataDir, "snapshot.loading")
  const scratch = { ...chain, dataDir: folder }
  return yield* Effect.gen(function* () {
    yield* attempt(() => {
      rmSync(folder, { recursive: true, force: true })
      makeDirectory(folder)
    })
    const { base, blocks, hash } = yield* read(scratch, bytes, onProgress)
    if (expected !== undefined && !bytesEqual(expected, hash)) {
      return yield* new SnapshotError({ reason: "OtherHash", detail: `its hash is ${toHex(hash)}` })
    }
    const tip = yield* connect(blocks).pipe(Effect.provide(replayChain(chainFile(folder), scratch), { local: true }))
    yield* attempt(() => {
      syncPath(chainFile(folder))
      // Blocks that were compared with another snapshot say nothing about this one.
      removeHistory(chain.dataDir)
      try {
        linkSync(chainFile(folder), file)
      } catch (cause) {
        throw existsSync(file) ? notEmpty(chain.dataDir) : cause
      }
      syncPath(chain.dataDir)
    })
    return { base, tip, hash }
  }).pipe(Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true }))))
})

// --- internal ---

type Chain = LoadOptions["chain"]

const notEmpty = (dataDir: string) =>
  new SnapshotError({ reason: "NotEmpty", detail: `there is a chain in ${dataDir} already` })

const failed = (cause: unknown): SnapshotError =>
  cause instanceof SnapshotError
    ? cause
    : new SnapshotError({ reason: "Failed", detail: cause instanceof Error ? cause.message : String(cause) })

const attempt = <A>(run: () => A): Effect.Effect<A, SnapshotError> => Effect.try({ try: run, catch: failed })

/** Reads the snapshot into a file. Gives the blocks after its base, which are as many as a reorganisation takes off. */
const read = Effect.fnUntraced(function* (
  { dataDir, network }: Chain,
  bytes: Stream.Stream<Uint8Array, { readonly message: string }>,
  onProgress: LoadOptions["onProgress"]
) {
  const builder = yield* Effect.acquireRelease(
    attempt(() => new Builder(chainFile(dataDir), network)),
    (builder) => Effect.sync(() => builder.close())
  )
  const reader = new SnapshotReader(network, builder)
  yield* bytes.pipe(
    Stream.mapError(({ message }) => new SnapshotError({ reason: "Unreadable", detail: message })),
    Stream.runForEach((chunk) =>
      Effect.gen(function* () {
        yield* attempt(() => reader.push(chunk))
        yield* Effect.yieldNow
        if (onProgress !== undefined && builder.base !== undefined) {
          yield* onProgress(builder.coins, builder.base.utxoCount)
        }
      })
    )
  )
  return yield* attempt(() => {
    const end = reader.finish()
    builder.finish()
    return { ...end, blocks: builder.blocks }
  })
}, Effect.scoped)

/** Puts the blocks after the base on the chain that is provided. */
const connect = Effect.fnUntraced(function* (blocks: ReadonlyArray<Uint8Array>) {
  const chain = yield* Blockchain
  const decoded: Array<Block> = []
  for (const bytes of blocks) {
    const block = Wire.decodeBlock(bytes)
    if ("_tag" in block) return yield* invalid(`a block of it cannot be read: ${block.message}`)
    decoded.push(block)
  }
  const verdicts = yield* chain
    .connect(decoded)
    .pipe(Effect.catchTag("BlockRejected", ({ message }) => Effect.fail(invalid(message))))
  if (verdicts.length !== blocks.length || verdicts.some(({ _tag }) => _tag !== "Connected")) {
    return yield* invalid("a block of it does not follow the one before it")
  }
  return chain.tip()
})

const invalid = (detail: string) => new SnapshotError({ reason: "Invalid", detail })

/** The file of a chain up to a snapshot's base. Nobody else sees it, so that it is written without a log. */
class Builder implements SnapshotSink {
  base: SnapshotBase | undefined
  /** Outputs that have come. */
  coins = 0n
  readonly blocks: Array<Uint8Array> = []
  #size = 0
  readonly #db: DatabaseSync
  readonly #network: Network
  readonly #sums: SqliteSums
  readonly #indexes: SqliteIndexes
  readonly #statements

  constructor(file: string, network: Network) {
    this.#network = network
    const db = new DatabaseSync(file)
    this.#db = db
    db.exec("PRAGMA journal_mode = OFF")
    db.exec("PRAGMA synchronous = OFF")
    db.exec("BEGIN")
    db.exec(CHAIN_TABLES + INDEX_TABLES + BASE_TABLES)
    db.prepare("INSERT INTO meta VALUES (?, ?, ?)").run(SNAPSHOT_SCHEMA_VERSION, network.name, genesis(network).hash)
    this.#sums = new SqliteSums(db)
    this.#indexes = new SqliteIndexes(db, this.#sums)
    this.#statements = {
      block: db.prepare("INSERT INTO block VALUES (?, ?, ?)"),
      utxo: db.prepare("INSERT INTO utxo VALUES (?, ?, ?)")
    }
  }

  begin(base: SnapshotBase): void {
    this.base = base
    const row = baseRow({ ...base, refuted: null })
    this.#db.prepare("INSERT INTO base VALUES (?, ?, ?, ?, ?, ?)").run(...row)
    this.#sums.add("base", ...row)
    this.#insertGenesis()
  }

  hash(at: bigint, hash: Hash256): void {
    const time = dueTime(this.#network, height(at))
    this.#statements.block.run(at, hash, time)
    this.#sums.add("block", at, hash, time)
  }

  coin(utxo: Parameters<SnapshotSink["coin"]>[0]): void {
    const key = rowKey(utxo.outpoint)
    const value = rowValue(utxo.value)
    this.#statements.utxo.run(key, value, utxo.scriptPubkey)
    this.#sums.add("utxo", key, value, utxo.scriptPubkey)
    this.#indexes.addCoin(utxo)
    this.coins += 1n
  }

  block(bytes: Uint8Array): void {
    this.#size += bytes.length
    if (this.#size > Limits.SNAPSHOT_BLOCK_BYTES) {
      throw new SnapshotError({
        reason: "Damaged",
        detail: `its blocks take more than ${Limits.SNAPSHOT_BLOCK_BYTES} bytes`
      })
    }
    this.blocks.push(bytes)
  }

  finish(): void {
    this.#sums.write()
    this.#db.exec("COMMIT")
  }

  close(): void {
    this.#db.close()
  }

  /** The one block of the past that nobody has to send. */
  #insertGenesis(): void {
    const { block, hash, txids } = genesis(this.#network)
    const { height, previousHash, timestamp } = block.header
    const created = createdOutputs(block, txids)
    this.#indexes.addGenesis({ height, hash, previousHash, timestamp, txids, spent: [], spenders: [], created })
    const bytes = Wire.encodeBlock(block)
    this.#db.prepare("INSERT INTO body VALUES (?, ?)").run(height, bytes)
    this.#sums.add("body", height, bytes)
  }
}
