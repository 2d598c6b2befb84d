import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { link, outputs } from "../fixtures/Deltas.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { apply, utxoStoreSuite } from "../services/UtxoStoreSuite.ts"

const sqlite = Layer.unwrap(
  Effect.map(temporaryFolder, (folder) => SqliteChainStore.layer({ file: join(folder, "chain.db"), network: testnet }))
)

utxoStoreSuite("ViewUtxoStore in memory", ViewUtxoStore.layer.pipe(Layer.provideMerge(MemoryChainStore.layer)))
utxoStoreSuite("ViewUtxoStore on SQLite", ViewUtxoStore.layer.pipe(Layer.provideMerge(sqlite)))

describe("ViewUtxoStore, built over a chain that is there", () => {
  it.effect("knows what the last blocks have spent", () => {
    const coins = outputs("coins", 3)
    const start = link(null, "start", { created: coins })
    const next = link(start.delta, "next", { spent: coins.slice(1, 2) })
    return Effect.gen(function* () {
      const store = yield* ChainStore
      yield* store.commit({ disconnect: 0, connect: [start, next], durability: "batched" })
      const states = yield* Effect.flatMap(UtxoStore, (utxos) => utxos.states([coins[1]!.outpoint])).pipe(
        Effect.provide(ViewUtxoStore.layer, { local: true })
      )
      assert.strictEqual(states[0]?.state._tag, "Confirmed")
    }).pipe(Effect.provide(MemoryChainStore.layer, { local: true }))
  })
})

/** A store that counts the pages it is asked for and does something of the test's after each. */
const watched = (afterPage: (page: number) => Effect.Effect<void, unknown, ChainStore>) => {
  const pages = { count: 0 }
  const store = Layer.effect(
    ChainStore,
    Effect.map(ChainStore, (inner) =>
      ChainStore.of({
        ...inner,
        utxoPage: (after, limit) =>
          inner
            .utxoPage(after, limit)
            .pipe(Effect.tap(() => Effect.orDie(Effect.provideService(afterPage(++pages.count), ChainStore, inner))))
      })
    )
  ).pipe(Layer.provide(MemoryChainStore.layer))
  return { pages, layer: ViewUtxoStore.layer.pipe(Layer.provideMerge(store)) }
}

/** Lets time pass until the fiber has ended. */
const settled = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust("100 millis")
    yield* Effect.yieldNow
  }
  return yield* Fiber.join(fiber)
})

const PAGES = 5
const many = outputs("many", (PAGES - 1) * Limits.COINS_PER_READ + 1)
const start = link(null, "start", { created: many })
const next = link(start.delta, "next", { spent: many.slice(7, 9), created: outputs("next", 3) })
const after = [...many.slice(0, 7), ...many.slice(9), ...next.delta.created]

describe("ViewUtxoStore's summary", () => {
  it.effect("is computed once for all who ask meanwhile", () => {
    const { layer, pages } = watched(() => Effect.void)
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      const summaries = yield* Effect.all(
        Array.from({ length: 20 }, () => utxos.summary),
        { concurrency: "unbounded" }
      )
      assert.isTrue(summaries.every((summary) => summary === summaries[0]))
      yield* utxos.summary
      assert.strictEqual(pages.count, PAGES)
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("comes to those who wait although the first who asked gave up", () => {
    const { layer, pages } = watched(() => Effect.void)
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      const first = yield* Effect.forkChild(utxos.summary, { startImmediately: true })
      const second = yield* Effect.forkChild(utxos.summary, { startImmediately: true })
      yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual((yield* Fiber.join(second)).hash, utxoSetHash(many))
      assert.strictEqual(pages.count, PAGES)
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("lets others run between the pages", () => {
    const { layer } = watched(() => Effect.void)
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      let turns = 0
      const other = yield* Effect.forkChild(Effect.forever(Effect.sync(() => turns++)))
      yield* utxos.summary
      yield* Fiber.interrupt(other)
      assert.isAtLeast(turns, PAGES - 1)
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("begins again when the tip changes before its end", () => {
    let change: Effect.Effect<void, unknown, ChainStore> = Effect.void
    const { layer, pages } = watched((page) => (page === 3 ? change : Effect.void))
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      change = Effect.provideService(apply([next]), UtxoStore, utxos)
      const fiber = yield* Effect.forkChild(utxos.summary)
      assert.deepStrictEqual(yield* settled(fiber), {
        height: next.delta.height,
        hash: utxoSetHash(after),
        count: BigInt(after.length)
      })
      assert.strictEqual(pages.count, 3 + PAGES)
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("is not of a block that is stored and not announced yet", () => {
    let commit: Effect.Effect<void, unknown, ChainStore> = Effect.void
    const { layer } = watched((page) => (page === 3 ? commit : Effect.void))
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      commit = Effect.flatMap(ChainStore, (store) =>
        store.commit({ disconnect: 0, connect: [next], durability: "batched" })
      )
      const fiber = yield* Effect.forkChild(utxos.summary)
      assert.deepStrictEqual((yield* settled(fiber)).hash, utxoSetHash(after))
    }).pipe(Effect.provide(layer, { local: true }))
  })

  it.effect("makes a stream fail rather than mix two sets", () => {
    let change: Effect.Effect<void, unknown, ChainStore> = Effect.void
    const { layer } = watched((page) => (page === 3 ? change : Effect.void))
    return Effect.gen(function* () {
      const utxos = yield* UtxoStore
      yield* apply([start])
      change = Effect.provideService(apply([next]), UtxoStore, utxos)
      const error = yield* Effect.flip(Stream.runDrain(utxos.stream))
      assert.strictEqual(error.reason, "Failed")
      assert.strictEqual(yield* Stream.runCount(utxos.stream), after.length)
    }).pipe(Effect.provide(layer, { local: true }))
  })
})
