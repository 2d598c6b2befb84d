import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import { height } from "../../src/protocol/Height.ts"
import { mainnet, type Network, testnet } from "../../src/protocol/Network.ts"
import { ChainStore, type ConnectedBlock, type StoreError } from "../../src/services/ChainStore.ts"
import { link, links } from "../fixtures/Deltas.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { chainStoreSuite } from "../services/ChainStoreSuite.ts"

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
      db.exec("UPDATE meta SET schema = schema + 1")
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

  it.effect("is Damaged to whoever meets the damage later", () =>
    Effect.gen(function* () {
      const file = yield* newFile
      yield* written(file, links(3))
      const db = new DatabaseSync(file)
      db.exec("UPDATE undo SET delta = x'00' WHERE height = 2; DELETE FROM body WHERE height = 1")
      db.close()
      yield* opened(file, (store) =>
        Effect.gen(function* () {
          const all = { count: 9, bytes: 1_000 }
          assert.strictEqual((yield* Effect.flip(store.undo(1))).reason, "Damaged")
          assert.strictEqual((yield* Effect.flip(store.blocks(height(0), height(2), all))).reason, "Damaged")
          const off = store.commit({ disconnect: 1, connect: [], durability: "durable" })
          assert.strictEqual((yield* Effect.flip(off)).reason, "Damaged")
          assert.strictEqual((yield* store.tip)?.height, 2n)
        })
      )
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
