import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { height } from "../../src/protocol/Height.ts"
import { mainnet, type Network, testnet } from "../../src/protocol/Network.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore, type ConnectedBlock, type StoreError } from "../../src/services/ChainStore.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { link, links } from "../fixtures/Deltas.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { chainStoreSuite } from "../services/ChainStoreSuite.ts"
import { storeContents } from "../support/StoreContents.ts"

/** 60 blocks of `spendingChain`, as timenode 0.1.0 stored them, with undo data of the last 20. */
const SCHEMA_1 = new URL("../vectors/chain/schema-1.db.gz", import.meta.url)

const temporary = Layer.unwrap(
  Effect.map(temporaryFolder, (folder) => SqliteChainStore.layer({ file: join(folder, "chain.db"), network: testnet }))
)

chainStoreSuite("SqliteChainStore", temporary)

const newFile = Effect.map(temporaryFolder, (folder) => join(folder, "data", "chain.db"))

/** Runs with the store open, and closes it. */
const opened = <A, E>(file: string, use: (store: ChainStore["Service"]) => Effect.Effect<A, E>, network = testnet) =>
  Effect.flatMap(ChainStore, use).pipe(Effect.provide(SqliteChainStore.layer({ file, network }), { local: true }))

const written = (file: string, connect: ReadonlyArray<ConnectedBlock>) =>
  opened(file, (store) => store.commit({ disconnect: 0, connect, durability: "batched" }))

const refusal = (file: string, network: Network = testnet) =>
  Effect.map(
    Effect.flip(opened(file, () => Effect.void, network) as Effect.Effect<void, StoreError>),
    ({ reason }) => reason
  )

/** Opening is refused with the reason, and leaves every byte of the file as it was. */
const isLeftAlone = Effect.fnUntraced(function* (file: string, reason: StoreError["reason"], network = testnet) {
  const before = readFileSync(file)
  assert.strictEqual(yield* refusal(file, network), reason)
  assert.isTrue(before.equals(readFileSync(file)))
})

/** A program that opens the file, writes the block and says so; then it waits to be killed. */
const holder = (file: string): string => `
  import { Effect } from "effect"
  const at = (path) => new URL(path, ${JSON.stringify(new URL("../../", import.meta.url).href)})
  const SqliteChainStore = await import(at("src/layers/SqliteChainStore.ts"))
  const { ChainStore } = await import(at("src/services/ChainStore.ts"))
  const { testnet } = await import(at("src/protocol/Network.ts"))
  const { links } = await import(at("test/fixtures/Deltas.ts"))
  await Effect.runPromise(
    Effect.gen(function* () {
      const store = yield* ChainStore
      yield* store.commit({ disconnect: 0, connect: links(3), durability: "batched" })
      console.log("holding")
      yield* Effect.sleep(60_000)
    }).pipe(Effect.provide(SqliteChainStore.layer({ file: ${JSON.stringify(file)}, network: testnet })))
  )
`

/** Another process that holds the file. */
const heldByAnother = (file: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", holder(file)], {
        cwd: new URL("../../", import.meta.url),
        stdio: ["ignore", "pipe", "inherit"]
      })
      await once(child.stdout, "data")
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  )

describe("SqliteChainStore's file", () => {
  it.effect("is the same after it was closed and opened", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      const blocks = links(150)
      yield* written(file, blocks.slice(0, 100))
      yield* written(file, blocks.slice(100))
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* store.tip)!.height, 149n)
          assert.strictEqual(yield* store.utxoCount, 150)
          assert.strictEqual((yield* store.utxoPage(null, 1_000)).length, 150)
          const found = yield* store.blocks(height(0), height(149), { count: 150, bytes: 1_000_000 })
          assert.deepStrictEqual(
            found,
            blocks.map(({ bytes }) => bytes)
          )
          yield* store.commit({ disconnect: 100, connect: [], durability: "durable" })
          assert.strictEqual(yield* store.utxoCount, 50)
        })
      )
    })
  )

  it.effect("is held by one store at a time", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* refusal(file), "InUse")
          yield* store.commit({ disconnect: 0, connect: links(1), durability: "durable" })
        })
      )
      yield* opened(file, (store) => store.tip)
    })
  )

  it.live(
    "is held by one process at a time, and by none that was killed",
    () =>
      Effect.gen(function* () {
        const file = yield* newFile
        const child = yield* heldByAnother(file)
        assert.strictEqual(yield* refusal(file), "InUse")
        yield* Effect.promise(() => {
          child.kill("SIGKILL")
          return once(child, "exit")
        })
        const tip = yield* opened(file, (store) => store.tip)
        assert.strictEqual(tip?.height, 2n)
      }),
    30_000
  )

  it.effect("is refused on another network", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      yield* written(file, links(2))
      yield* isLeftAlone(file, "WrongNetwork", mainnet)
      yield* opened(file, (store) => store.tip)
    })
  )

  it.effect("is refused when a later program made it", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      yield* written(file, links(2))
      const db = new DatabaseSync(file)
      db.exec("UPDATE meta SET schema = schema + 2")
      db.exec("CREATE TABLE later (of TEXT)")
      db.close()
      yield* isLeftAlone(file, "NewerSchema")
    })
  )

  it.effect("is refused and left alone when it is damaged", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "chain.db")
      const damages: ReadonlyArray<(file: string) => void> = [
        (file) => writeFileSync(file, "this is no database at all, however long it is. ".repeat(200)),
        (file) => truncateSync(file, 10_000),
        (file) => {
          const bytes = readFileSync(file)
          bytes.fill(0xa5, 3 * 4096, 12 * 4096)
          writeFileSync(file, bytes)
        },
        (file) => {
          const bytes = readFileSync(file)
          bytes.fill(0, 0, 4096)
          writeFileSync(file, bytes)
        }
      ]
      for (const damage of damages) {
        writeFileSync(file, "")
        yield* written(file, links(400))
        damage(file)
        yield* isLeftAlone(file, "Damaged")
      }
    })
  )

  it.effect("is damaged, and neither newer nor of another network, when it does not agree with itself", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "chain.db")
      yield* written(file, links(5))
      const sound = readFileSync(file)
      const flips = [
        "UPDATE meta SET schema = schema | 64",
        "UPDATE meta SET schema = 3",
        "UPDATE meta SET schema = 1",
        "UPDATE meta SET network = 'uestnet'",
        "UPDATE meta SET network = 'mainnet'",
        "UPDATE meta SET genesis = zeroblob(32)",
        "DELETE FROM meta",
        "ALTER TABLE utxo RENAME COLUMN value TO valug",
        "ALTER TABLE history RENAME TO histosy",
        "UPDATE undo SET delta = 'a text' WHERE height = 3",
        "UPDATE block SET timestamp = 1e300 WHERE height = 3"
      ]
      for (const flip of flips) {
        writeFileSync(file, sound)
        const db = new DatabaseSync(file)
        db.exec(flip)
        db.close()
        yield* isLeftAlone(file, "Damaged")
      }
      // The byte of the header that says whether the file may be written.
      const bytes = Buffer.from(sound)
      bytes[18]! ^= 1 << 5
      writeFileSync(file, bytes)
      yield* isLeftAlone(file, "Damaged")
    })
  )

  it.effect("is no damage when the system does not let it be opened", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      assert.strictEqual(yield* refusal(folder), "Failed")
    })
  )

  it.effect("is refused with its log left alone when it is damaged and was not closed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "chain.db")
      const left = join(folder, "left.db")
      yield* written(file, links(400))
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          const tip = yield* store.tip
          yield* store.commit({ disconnect: 0, connect: [link(tip, "in the log")], durability: "durable" })
          // What a killed process leaves behind.
          copyFileSync(file, left)
          copyFileSync(`${file}-wal`, `${left}-wal`)
        })
      )
      const bytes = readFileSync(left)
      bytes.fill(0xa5, 3 * 4096, 12 * 4096)
      writeFileSync(left, bytes)
      const log = readFileSync(`${left}-wal`)
      assert.isAbove(log.length, 0)
      yield* isLeftAlone(left, "Damaged")
      assert.isTrue(log.equals(readFileSync(`${left}-wal`)))
    })
  )

  it.effect("is refused when it is a database of something else", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "notes.db")
      const db = new DatabaseSync(file)
      db.exec("CREATE TABLE note (text TEXT)")
      db.close()
      yield* isLeftAlone(file, "Damaged")
    })
  )

  it.effect("is new when it is empty, as a process leaves it that ends while it makes the file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "chain.db")
      writeFileSync(file, "")
      assert.isNull(yield* opened(file, (store) => store.tip))
    })
  )

  it.effect("is refused with the name of what is damaged when a value is not what was written", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "chain.db")
      const damages: ReadonlyArray<readonly [sql: string, table: string]> = [
        ["UPDATE block SET timestamp = timestamp + 1 WHERE height = 1", "block"],
        ["UPDATE body SET bytes = x'7b7d' WHERE height = 1", "body"],
        ["DELETE FROM body WHERE height = 2", "body"],
        ["UPDATE undo SET delta = x'00' WHERE height = 2", "undo"],
        ["UPDATE utxo SET value = value + 1 WHERE key = (SELECT max(key) FROM utxo)", "utxo"],
        ["DELETE FROM utxo WHERE key = (SELECT max(key) FROM utxo)", "utxo"],
        ["DELETE FROM txids WHERE height = 0", "txids"],
        ["UPDATE tx SET place = place + 1 WHERE place = 0", "tx"],
        ["UPDATE script SET id = 9 WHERE id = 1", "script"],
        ["DELETE FROM coin WHERE script = 1", "coin"],
        ["UPDATE history SET place = place + 1 WHERE script = 2", "history"]
      ]
      for (const [sql, table] of damages) {
        writeFileSync(file, "")
        yield* written(file, links(3))
        const db = new DatabaseSync(file)
        db.exec(sql)
        db.close()
        yield* isLeftAlone(file, "Damaged")
        const { detail } = yield* Effect.flip(opened(file, () => Effect.void) as Effect.Effect<void, StoreError>)
        assert.include(detail, `(table ${table})`)
      }
    })
  )

  it.effect("of schema 1 gets the indexes of a chain that was put on anew", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "chain.db")
      writeFileSync(file, gunzipSync(readFileSync(SCHEMA_1)))
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      const upgraded = yield* opened(file, storeContents).pipe(Effect.provide(Logger.layer([logger])))
      assert.include(String(lines[0]), "its 60 blocks get indexes")

      const blocks = spendingChain(60)
      yield* TestClock.setTime(Number(blocks.at(-1)!.header.timestamp) * 1_000)
      const fresh = yield* Effect.gen(function* () {
        yield* (yield* Blockchain).connect(blocks)
        return yield* storeContents(yield* ChainStore)
      }).pipe(
        Effect.provide(
          LocalBlockchain.layer.pipe(
            Layer.provide(MemoryMempool.layer),
            Layer.provide(ViewUtxoStore.layer),
            Layer.provideMerge(MemoryChainStore.layer),
            Layer.provide(NodeConfig.layerTest())
          )
        )
      )
      // The file keeps undo data of fewer blocks, as one does that is longer than that.
      assert.lengthOf(upgraded.undo, 20)
      const kept = { undo: fresh.undo.slice(0, 20), places: upgraded.places, scripts: fresh.scripts }
      assert.deepStrictEqual(upgraded, { ...fresh, ...kept })
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          for (const [at, block] of blocks.entries()) {
            for (const [index, transaction] of block.transactions.entries()) {
              assert.deepStrictEqual(yield* store.transaction(txid(transaction)), { height: height(at), index })
            }
          }
          yield* store.commit({ disconnect: 20, connect: [], durability: "durable" })
        })
      )
      yield* opened(file, (store) => store.tip)
    })
  )

  it.effect("of schema 1 stays that when the upgrade meets damage", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "chain.db")
      writeFileSync(file, gunzipSync(readFileSync(SCHEMA_1)))
      const db = new DatabaseSync(file)
      db.exec("DELETE FROM body WHERE height = 50")
      db.close()
      assert.strictEqual(yield* refusal(file), "Damaged")
      const after = new DatabaseSync(file, { readOnly: true })
      assert.strictEqual(after.prepare("SELECT schema FROM meta").get()?.["schema"], 1)
      assert.isUndefined(after.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tx'").get())
      after.close()
    })
  )

  it.effect("keeps the old state when a batch throws in its middle", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      const blocks = links(3)
      yield* written(file, blocks)
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          const good = link(blocks[2]!.delta, "good", { spent: blocks[0]!.delta.created })
          const bad = { ...link(good.delta, "bad"), bytes: Symbol("nothing to store") as unknown as Uint8Array }
          const error = yield* Effect.flip(
            store.commit({ disconnect: 1, connect: [blocks[2]!, good, bad], durability: "durable" })
          )
          assert.strictEqual(error.reason, "Failed")
          assert.strictEqual((yield* store.tip)?.height, 2n)
          assert.strictEqual(yield* store.utxoCount, 3)
        })
      )
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* store.tip)?.height, 2n)
          assert.strictEqual((yield* store.utxoPage(null, 10)).length, 3)
        })
      )
    })
  )
})
