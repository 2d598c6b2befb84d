/**
 * What every `ChainStore` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Schema } from "effect"
import { height } from "../../src/protocol/Height.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import {
  ChainStore,
  type ConnectedBlock,
  type HistoryEntry,
  type StoreError,
  type TransactionPlace
} from "../../src/services/ChainStore.ts"
import { ChainModel, hashOf, link, links, outputs, utxo } from "../fixtures/Deltas.ts"

const ANY = { count: 1_000_000, bytes: 1_000_000_000 }

const append = (connect: ReadonlyArray<ConnectedBlock>, disconnect = 0) =>
  Effect.flatMap(ChainStore, (store) => store.commit({ disconnect, connect, durability: "batched" }))

/** The whole set, read in small pages. */
const allUtxos = Effect.gen(function* () {
  const store = yield* ChainStore
  const all: Array<Utxo> = []
  let after: OutPointKey | null = null
  for (;;) {
    const page: ReadonlyArray<Utxo> = yield* store.utxoPage(after, 3)
    all.push(...page)
    if (page.length < 3) return all
    after = outPointKey(page[2]!.outpoint)
  }
})

/** Compares what the indexes say with what the model finds by looking at everything, in small pages. */
const hasIndexes = Effect.fnUntraced(function* (model: ChainModel) {
  const store = yield* ChainStore
  for (const { delta } of model.blocks) {
    for (const [index, txid] of delta.txids.entries()) {
      assert.deepStrictEqual(yield* store.transaction(txid), { height: delta.height, index })
    }
  }
  for (const script of model.scripts().slice(-5)) {
    const unspent: Array<Utxo> = []
    for (let after: OutPointKey | null = null; ; after = outPointKey(unspent.at(-1)!.outpoint)) {
      const page: ReadonlyArray<Utxo> = yield* store.unspentOf(script, { after, limit: 2 })
      unspent.push(...page)
      if (page.length < 2) break
    }
    assert.deepStrictEqual(
      unspent,
      model.sorted().filter(({ scriptPubkey }) => Buffer.from(scriptPubkey).equals(script))
    )
    const history: Array<HistoryEntry> = []
    for (let before: TransactionPlace | null = null; ; before = history.at(-1)!) {
      const page: ReadonlyArray<HistoryEntry> = yield* store.history(script, { before, limit: 2 })
      history.push(...page)
      if (page.length < 2) break
    }
    assert.deepStrictEqual(history, model.history(script))
  }
})

/** Compares all that a store says with what the model holds. */
const matches = Effect.fnUntraced(function* (model: ChainModel) {
  const store = yield* ChainStore
  const { tip } = model
  const expected = tip && { height: tip.height, hash: tip.hash, timestamp: tip.timestamp }
  assert.deepStrictEqual(yield* store.tip, expected)
  assert.strictEqual(yield* store.utxoCount, model.utxos.size)
  assert.deepStrictEqual(yield* allUtxos, model.sorted())
  const hashes = yield* store.hashes(height(0), 1_000_000)
  assert.deepStrictEqual(
    hashes,
    model.blocks.map(({ delta }) => delta.hash)
  )
  const bytes = yield* store.blocks(height(0), height(MAX_U64), ANY)
  assert.deepStrictEqual(
    bytes.map((block) => Buffer.from(block).toString()),
    model.blocks.map((block) => Buffer.from(block.bytes).toString())
  )
  yield* hasIndexes(model)
  const undo = yield* store.undo(1_000_000)
  assert.deepStrictEqual(
    undo,
    model.blocks
      .slice(-Limits.UNDO_BLOCKS)
      .map(({ delta }) => delta)
      .reverse()
  )
})

/** Commits to both; the batch is refused by the store and changes nothing. */
const isRefused = Effect.fnUntraced(function* (
  model: ChainModel,
  connect: ReadonlyArray<ConnectedBlock>,
  disconnect = 0
) {
  const error = yield* Effect.flip(append(connect, disconnect))
  assert.strictEqual(error.reason, "Failed")
  yield* matches(model)
})

const filled = Effect.fnUntraced(function* (blocks: ReadonlyArray<ConnectedBlock>) {
  const model = new ChainModel()
  for (const block of blocks) model.connect(block)
  yield* append(blocks)
  return model
})

/** One batch, in terms of whatever chain there is when it is made. */
const Step = Schema.Struct({
  disconnect: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  connect: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
  spends: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })),
  creates: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })),
  pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))
})

/** Does the step on the model and returns the batch that does it on a store. */
const advance = (model: ChainModel, step: typeof Step.Type, name: string) => {
  const disconnect = Math.min(step.disconnect, model.blocks.length)
  for (let i = 0; i < disconnect; i++) model.disconnect()
  const connect: Array<ConnectedBlock> = []
  for (let i = 0; i < step.connect; i++) {
    const there = model.sorted()
    const spent = new Set(
      there.length === 0 ? [] : Array.from({ length: step.spends }, (_, n) => (step.pick * (n + 1)) % there.length)
    )
    // Three transactions and four scripts, so that each has much to do with the others.
    const txids = [0, 1, 2].map((index) => hashOf(`${name}.${i}.${index}`))
    const value = BigInt(step.pick) * 2n ** 53n
    const block = link(model.tip, `${name}.${i}`, {
      txids,
      spent: [...spent].map((index) => there[index]!),
      spenders: [...spent].map((index) => (index + step.pick) % 3),
      created: Array.from({ length: step.creates }, (_, n) =>
        utxo({ txid: txids[n % 3]!, vout: n * 7 }, value, `script ${(step.pick + n * n) % 4}`)
      )
    })
    model.connect(block)
    connect.push(block)
  }
  return { disconnect, connect, durability: step.pick % 2 === 0 ? ("durable" as const) : ("batched" as const) }
}

export const chainStoreSuite = (name: string, layer: Layer.Layer<ChainStore, StoreError>): void => {
  const provided = <A, E>(effect: Effect.Effect<A, E, ChainStore>) => Effect.provide(effect, layer, { local: true })

  describe(`${name} is a ChainStore`, () => {
    it.effect("is empty at first", () => provided(matches(new ChainModel())))

    it.effect.prop(
      "holds what the batches make of it",
      [Schema.Array(Step).check(Schema.isMaxLength(12))],
      ([steps]) =>
        Effect.gen(function* () {
          const store = yield* ChainStore
          const model = new ChainModel()
          for (const [index, step] of steps.entries()) {
            yield* store.commit(advance(model, step, String(index)))
            yield* matches(model)
          }
        }).pipe(provided),
      { timeout: 60_000, arbitrary: { runs: 40 } }
    )

    it.effect("takes blocks off and puts others on in one batch", () =>
      Effect.gen(function* () {
        const coins = outputs("coins", 5)
        const start = link(null, "start", { created: coins })
        const spending = link(start.delta, "spending", { spent: coins.slice(0, 2), created: outputs("a", 2) })
        const model = yield* filled([start, spending])
        model.disconnect()
        const other = link(start.delta, "other", { spent: coins.slice(1, 4), created: outputs("b", 3) })
        model.connect(other)
        yield* append([other], 1)
        yield* matches(model)
      }).pipe(provided)
    )

    it.effect("refuses a batch that leaves a gap, and changes nothing", () =>
      Effect.gen(function* () {
        const blocks = links(5)
        const model = yield* filled(blocks.slice(0, 2))
        yield* isRefused(model, blocks.slice(3))
        yield* isRefused(model, [blocks[2]!, blocks[4]!])
        yield* isRefused(model, [blocks[1]!])
        yield* isRefused(model, [link({ ...blocks[1]!.delta, hash: hashOf("another") }, "stranger")])
        yield* isRefused(model, [blocks[2]!], 1)
      }).pipe(provided)
    )

    it.effect("does not begin above genesis", () =>
      Effect.gen(function* () {
        yield* isRefused(new ChainModel(), links(2).slice(1))
      }).pipe(provided)
    )

    it.effect("refuses a batch that contradicts the UTXO set, and changes nothing", () =>
      Effect.gen(function* () {
        const model = yield* filled(links(3))
        const good = link(model.tip, "good", { spent: model.sorted().slice(0, 1) })
        const unknown = link(good.delta, "unknown", { spent: outputs("nobody's", 1) })
        yield* isRefused(model, [good, unknown])
        const again = link(good.delta, "again", { spent: good.delta.spent })
        yield* isRefused(model, [good, again])
        const twice = link(good.delta, "twice", { created: good.delta.created })
        yield* isRefused(model, [good, twice])
        model.connect(good)
        yield* append([good])
        yield* matches(model)
      }).pipe(provided)
    )

    it.effect("refuses to take off more than it has", () =>
      Effect.gen(function* () {
        const model = yield* filled(links(3))
        yield* isRefused(model, [], 4)
      }).pipe(provided)
    )

    it.effect("can be taken back to nothing", () =>
      Effect.gen(function* () {
        yield* filled(links(3))
        yield* append([], 3)
        yield* matches(new ChainModel())
      }).pipe(provided)
    )

    it.effect("finds the unspent ones among the outputs asked for", () =>
      Effect.gen(function* () {
        const store = yield* ChainStore
        const coins = outputs("coins", 4)
        const start = link(null, "start", { created: coins })
        yield* filled([start, link(start.delta, "next", { spent: coins.slice(0, 2) })])
        const found = yield* store.utxos([...coins, ...outputs("unknown", 1)].map(({ outpoint }) => outpoint))
        assert.deepStrictEqual(
          found,
          new Map(coins.slice(2).map((coin) => [outPointKey(coin.outpoint), coin] as const))
        )
      }).pipe(provided)
    )

    it.effect("keeps every amount, script and output number exactly", () =>
      Effect.gen(function* () {
        const txid = hashOf("extremes")
        const created = [
          utxo({ txid, vout: 0 }, 0n, ""),
          utxo({ txid, vout: 0xffff_ffff }, MAX_U64, "\ufeffbom"),
          {
            ...utxo({ txid, vout: 1 }, 2n ** 63n),
            scriptPubkey: new Uint8Array([0xff, 0, 0xc3]),
            address: "\ufffd\0\ufffd"
          }
        ]
        const model = yield* filled([link(null, "start", { created })])
        yield* matches(model)
        const next = link(model.tip, "next", { spent: created, created: [] })
        model.connect(next)
        yield* append([next])
        yield* matches(model)
        model.disconnect()
        yield* append([], 1)
        yield* matches(model)
      }).pipe(provided)
    )

    it.effect("cuts hashes and blocks to what is asked for", () =>
      Effect.gen(function* () {
        const store = yield* ChainStore
        const blocks = links(10)
        yield* filled(blocks)
        const size = blocks[4]!.bytes.length
        const count = (from: number, to: bigint | number, limits = ANY) =>
          Effect.map(store.blocks(height(from), height(to), limits), (found) => found.length)
        assert.strictEqual(yield* count(4, 6), 3)
        assert.strictEqual(yield* count(4, 4), 1)
        assert.strictEqual(yield* count(6, 4), 0)
        assert.strictEqual(yield* count(8, MAX_U64), 2)
        assert.strictEqual(yield* count(10, 20), 0)
        assert.strictEqual((yield* store.blocks(height(MAX_U64), height(MAX_U64), ANY)).length, 0)
        assert.strictEqual(yield* count(4, 9, { count: 2, bytes: 1_000 }), 2)
        assert.strictEqual(yield* count(4, 9, { count: 9, bytes: 3 * size }), 3)
        assert.strictEqual(yield* count(4, 9, { count: 9, bytes: 3 * size - 1 }), 2)
        assert.strictEqual(yield* count(4, 9, { count: 9, bytes: 0 }), 1)
        assert.deepStrictEqual(yield* store.blocks(height(4), height(5), ANY), [blocks[4]!.bytes, blocks[5]!.bytes])
        assert.deepStrictEqual(yield* store.hashes(height(7), 2), [blocks[7]!.delta.hash, blocks[8]!.delta.hash])
        assert.deepStrictEqual(yield* store.hashes(height(10), 2), [])
        assert.deepStrictEqual(yield* store.hashes(height(MAX_U64), 2), [])
      }).pipe(provided)
    )

    it.effect("serves no block that was taken off", () =>
      Effect.gen(function* () {
        const store = yield* ChainStore
        const blocks = links(4)
        yield* filled(blocks)
        yield* store.blocks(height(0), height(3), ANY)
        const other = link(blocks[1]!.delta, "other")
        yield* append([other], 2)
        const found = yield* store.blocks(height(1), height(9), ANY)
        assert.deepStrictEqual(found, [blocks[1]!.bytes, other.bytes])
      }).pipe(provided)
    )

    it.effect("forgets the transactions and histories that are taken off", () =>
      Effect.gen(function* () {
        const store = yield* ChainStore
        const coins = outputs("coins", 2)
        const script = coins[0]!.scriptPubkey
        const start = link(null, "start", { created: coins })
        const next = link(start.delta, "next", { spent: coins })
        yield* filled([start, next])
        const history = (limit = 9, before: TransactionPlace | null = null) => store.history(script, { before, limit })
        assert.deepStrictEqual(
          (yield* history()).map(({ height }) => height),
          [1n, 0n]
        )
        assert.deepStrictEqual(yield* history(9, { height: height(MAX_U64), index: 0 }), yield* history())
        yield* append([], 1)
        assert.isUndefined(yield* store.transaction(next.delta.txids[0]!))
        assert.lengthOf(yield* history(), 1)
        assert.lengthOf(yield* store.unspentOf(script, { after: null, limit: 9 }), 2)
        yield* append([], 1)
        assert.lengthOf(yield* history(), 0)
        assert.lengthOf(yield* store.unspentOf(script, { after: null, limit: 9 }), 0)
      }).pipe(provided)
    )

    it.effect("refuses an output of a transaction that its block does not have", () =>
      Effect.gen(function* () {
        const good = link(null, "good")
        yield* isRefused(new ChainModel(), [{ ...good, delta: { ...good.delta, txids: [hashOf("another")] } }])
      }).pipe(provided)
    )

    it.effect("keeps undo data of the last blocks only", () =>
      Effect.gen(function* () {
        const store = yield* ChainStore
        const blocks = links(Limits.UNDO_BLOCKS + 20)
        const model = yield* filled(blocks)
        yield* matches(model)
        assert.strictEqual((yield* store.undo(MAX_COUNT)).length, Limits.UNDO_BLOCKS)
        yield* isRefused(model, [], Limits.UNDO_BLOCKS + 1)
        yield* append([], Limits.UNDO_BLOCKS)
        assert.strictEqual((yield* store.tip)!.height, 19n)
      }).pipe(provided)
    )
  })
}

const MAX_COUNT = 1_000_000
