/**
 * What every `UtxoStore` over a `ChainStore` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Stream } from "effect"
import * as Limits from "../../src/protocol/Limits.ts"
import { outPointKey, type Utxo, type UtxoState } from "../../src/protocol/Utxo.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { ChainStore, type ConnectedBlock, type StoreError } from "../../src/services/ChainStore.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { hashOf, link, outputs } from "../fixtures/Deltas.ts"

/** Changes the chain as `Blockchain` does: the store first, then the view. */
export const apply = Effect.fnUntraced(function* (connected: ReadonlyArray<ConnectedBlock>, disconnect = 0) {
  const store = yield* ChainStore
  const utxos = yield* UtxoStore
  const disconnected = yield* store.undo(disconnect)
  yield* store.commit({ disconnect, connect: connected, durability: "batched" })
  yield* utxos.applied({ disconnected, connected: connected.map(({ delta }) => delta) })
})

const unspent: UtxoState = { _tag: "Unspent" }

const outpoints = (utxos: ReadonlyArray<Utxo>) => utxos.map(({ outpoint }) => outpoint)

export const utxoStoreSuite = (name: string, layer: Layer.Layer<UtxoStore | ChainStore, StoreError>): void => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R | UtxoStore | ChainStore>) =>
    Effect.provide(effect, layer, { local: true })

  const coins = outputs("coins", 12)
  const start = link(null, "start", { created: coins })
  const next = link(start.delta, "next", { spent: coins.slice(0, 4), created: outputs("new", 2) })

  describe(`${name} is a UtxoStore`, () => {
    it.effect("finds confirmed outputs", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start, next])
        assert.isUndefined(yield* utxos.get(coins[0]!.outpoint))
        assert.deepStrictEqual(yield* utxos.get(coins[4]!.outpoint), coins[4])
        const found = yield* utxos.getMany(outpoints([...coins.slice(2, 6), ...outputs("unknown", 1)]))
        assert.deepStrictEqual(
          new Map(found),
          new Map(coins.slice(4, 6).map((coin) => [outPointKey(coin.outpoint), coin]))
        )
      }).pipe(provided)
    )

    it.effect("finds more outputs than it looks up in one go", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        const many = outputs("many", 2 * Limits.COINS_PER_READ + 1)
        yield* apply([link(null, "start", { created: many })])
        assert.strictEqual((yield* utxos.getMany(outpoints(many))).size, many.length)
        assert.strictEqual((yield* utxos.states(outpoints(many))).length, many.length)
      }).pipe(provided)
    )

    it.effect("tells the states of known outputs in the order asked", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start])
        const [a, b] = outpoints(coins) as [Utxo["outpoint"], Utxo["outpoint"]]
        assert.deepStrictEqual(yield* utxos.states([b, outputs("unknown", 1)[0]!.outpoint, a]), [
          { outpoint: b, state: unspent },
          { outpoint: a, state: unspent }
        ])
      }).pipe(provided)
    )

    it.effect("names who spent an output and in which block, until the block comes off", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        const [first, second] = [hashOf("first"), hashOf("second")]
        const block = link(start.delta, "two spend", {
          txids: [first, second],
          spent: coins.slice(0, 2),
          spenders: [1, 0]
        })
        yield* apply([start, block])
        const { height: blockHeight, timestamp: confirmedAt } = block.delta
        const asked = outpoints(coins.slice(0, 3)) as [Utxo["outpoint"], Utxo["outpoint"], Utxo["outpoint"]]
        const confirmed = (txid: typeof first): UtxoState => ({ _tag: "Confirmed", txid, blockHeight, confirmedAt })
        assert.deepStrictEqual(yield* utxos.states(asked), [
          { outpoint: asked[0], state: confirmed(second) },
          { outpoint: asked[1], state: confirmed(first) },
          { outpoint: asked[2], state: unspent }
        ])
        yield* apply([], 1)
        assert.deepStrictEqual(
          yield* utxos.states(asked),
          asked.map((outpoint) => ({ outpoint, state: unspent }))
        )
      }).pipe(provided)
    )

    it.effect("remembers what was spent for as many blocks as can come off", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start])
        const blocks: Array<ConnectedBlock> = []
        for (let at = 0; at <= Limits.REORG_DEPTH; at++) {
          const spent = at < 2 ? [coins[at]!] : []
          blocks.push(link(blocks.at(-1)?.delta ?? start.delta, `block ${at}`, { spent }))
        }
        yield* apply(blocks.slice(0, -1))
        assert.strictEqual((yield* utxos.states(outpoints(coins.slice(0, 2)))).length, 2)
        yield* apply(blocks.slice(-1))
        const left = yield* utxos.states(outpoints(coins.slice(0, 2)))
        assert.deepStrictEqual(
          outpoints(coins.slice(1, 2)),
          left.map(({ outpoint }) => outpoint)
        )
      }).pipe(provided)
    )

    it.effect("summarises the set of the tip", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        assert.deepStrictEqual(yield* utxos.summary, { height: 0n as never, hash: utxoSetHash([]), count: 0n })
        yield* apply([start])
        assert.deepStrictEqual(yield* utxos.summary, { height: 0n as never, hash: utxoSetHash(coins), count: 12n })
        yield* apply([next])
        const left = [...coins.slice(4), ...next.delta.created]
        const summary = yield* utxos.summary
        assert.deepStrictEqual(summary, { height: 1n as never, hash: utxoSetHash(left), count: 10n })
        yield* apply([], 1)
        assert.deepStrictEqual((yield* utxos.summary).hash, utxoSetHash(coins))
      }).pipe(provided)
    )

    it.effect("remembers the summary until the tip changes", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start])
        assert.isUndefined(utxos.summaryUnsafe())
        const summary = yield* utxos.summary
        assert.deepStrictEqual(utxos.summaryUnsafe(), summary)
        yield* apply([next])
        assert.isUndefined(utxos.summaryUnsafe())
      }).pipe(provided)
    )

    it.effect("streams the set in the order of its hash", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        const many = outputs("many", 2 * Limits.COINS_PER_READ + 1)
        yield* apply([link(null, "start", { created: many })])
        const keys = yield* Stream.runCollect(Stream.map(utxos.stream, ({ outpoint }) => outPointKey(outpoint)))
        assert.deepStrictEqual(keys, many.map(({ outpoint }) => outPointKey(outpoint)).sort())
      }).pipe(provided)
    )
  })
}
