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

const locked: UtxoState = { _tag: "Locked", txid: hashOf("locker"), lockedAt: 5n }
const pending: UtxoState = { _tag: "SpentPending", txid: hashOf("spender"), votes: 1, totalNodes: 3, spentAt: 6n }
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
        const unconfirmed = outputs("unconfirmed", 1)[0]!
        const [a, b, c] = outpoints(coins) as [Utxo["outpoint"], Utxo["outpoint"], Utxo["outpoint"]]
        yield* utxos.setState(b, locked)
        yield* utxos.setState(unconfirmed.outpoint, pending)
        const asked = [c, outputs("unknown", 1)[0]!.outpoint, unconfirmed.outpoint, b, a]
        assert.deepStrictEqual(yield* utxos.states(asked), [
          { outpoint: c, state: unspent },
          { outpoint: unconfirmed.outpoint, state: pending },
          { outpoint: b, state: locked },
          { outpoint: a, state: unspent }
        ])
        yield* utxos.setState(b, unspent)
        yield* utxos.setState(unconfirmed.outpoint, unspent)
        assert.deepStrictEqual(yield* utxos.states([b, unconfirmed.outpoint]), [{ outpoint: b, state: unspent }])
      }).pipe(provided)
    )

    it.effect("forgets the state of what a block spends, and of what a disconnected block made", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start])
        const made = next.delta.created[0]!.outpoint
        const spent = coins[0]!.outpoint
        yield* utxos.setState(spent, pending)
        yield* apply([next])
        yield* utxos.setState(made, locked)
        assert.deepStrictEqual(yield* utxos.states([spent, made]), [{ outpoint: made, state: locked }])
        yield* apply([], 1)
        assert.deepStrictEqual(yield* utxos.states([spent, made]), [{ outpoint: spent, state: unspent }])
      }).pipe(provided)
    )

    it.effect("keeps the state of an output that a block confirms", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        yield* apply([start])
        const made = next.delta.created[0]!.outpoint
        yield* utxos.setState(made, pending)
        yield* apply([next])
        assert.deepStrictEqual(yield* utxos.states([made]), [{ outpoint: made, state: pending }])
      }).pipe(provided)
    )

    it.effect("bounds the states it keeps, the oldest forgotten first", () =>
      Effect.gen(function* () {
        const utxos = yield* UtxoStore
        const txid = hashOf("flood")
        for (let vout = 0; vout <= Limits.VOLATILE_STATES; vout++) yield* utxos.setState({ txid, vout }, locked)
        const kept = yield* utxos.states([0, 1, Limits.VOLATILE_STATES].map((vout) => ({ txid, vout })))
        assert.deepStrictEqual(
          kept.map(({ outpoint }) => outpoint.vout),
          [1, Limits.VOLATILE_STATES]
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
