/**
 * `UtxoStore` as a view of the chain store, with what the last blocks have spent beside it in memory.
 *
 * Whoever reads the whole set gets the set of one block or an error, never a mixture: `applied` counts the changes that
 * are known here, and the store's own tip gives away one that is stored and not yet announced. Reading goes page by
 * page and lets others run in between.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { GENESIS_HEIGHT } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { OutPointState } from "../protocol/Message.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type Utxo, type UtxoState } from "../protocol/Utxo.ts"
import { UtxoSetHasher } from "../protocol/UtxoSetHash.ts"
import { ChainStore, type ChainTip, StoreError } from "../services/ChainStore.ts"
import { type ChainDelta, type UtxoSetSummary, UtxoStore } from "../services/UtxoStore.ts"
import { RecentlySpent } from "./RecentlySpent.ts"

/** A view of the chain store that is provided. It reads what the last blocks have spent when it is built. */
export const layer: Layer.Layer<UtxoStore, StoreError, ChainStore> = Layer.effect(
  UtxoStore,
  Effect.gen(function* () {
    const store = yield* ChainStore
    const scope = yield* Effect.scope
    const recent = new RecentlySpent()
    for (const delta of [...(yield* store.undo(Limits.REORG_DEPTH))].reverse()) recent.connected(delta)
    /** Changes of the chain so far. */
    let changes = 0
    let remembered: UtxoSetSummary | undefined
    let computing: Deferred.Deferred<UtxoSetSummary, StoreError> | undefined

    const getMany = Effect.fnUntraced(function* (outpoints: ReadonlyArray<OutPoint>) {
      if (outpoints.length <= Limits.COINS_PER_READ) return yield* store.utxos(outpoints)
      const found = new Map<OutPointKey, Utxo>()
      for (let at = 0; at < outpoints.length; at += Limits.COINS_PER_READ) {
        const some = yield* store.utxos(outpoints.slice(at, at + Limits.COINS_PER_READ))
        for (const [key, utxo] of some) found.set(key, utxo)
        yield* Effect.yieldNow
      }
      return found
    })

    const statesOf = Effect.fn("UtxoStore.states")(function* (outpoints: ReadonlyArray<OutPoint>) {
      const confirmed = yield* getMany(outpoints)
      return outpoints.flatMap((outpoint): ReadonlyArray<OutPointState> => {
        const key = outPointKey(outpoint)
        const state = confirmed.has(key) ? UNSPENT : recent.get(key)
        return state === undefined ? [] : [{ outpoint, state }]
      })
    })

    /** The set of the current tip, a page a chunk; fails when the tip changes before its end. */
    const pages = (tip: ChainTip | null): Stream.Stream<Utxo, StoreError | ChainMoved> => {
      const started = changes
      const page = Effect.fnUntraced(function* (after: OutPointKey | null) {
        yield* Effect.yieldNow
        const utxos = yield* store.utxoPage(after, Limits.COINS_PER_READ)
        if (changes !== started || !sameTip(tip, yield* store.tip)) return yield* Effect.fail(CHAIN_MOVED)
        const more = utxos.length === Limits.COINS_PER_READ
        return [utxos, more ? Option.some(outPointKey(utxos.at(-1)!.outpoint)) : Option.none<OutPointKey>()] as const
      })
      return Stream.paginate(null as OutPointKey | null, page)
    }

    const summarise = Effect.fnUntraced(function* (): Effect.fn.Return<UtxoSetSummary, StoreError | ChainMoved> {
      const started = changes
      const tip = yield* store.tip
      const hasher = new UtxoSetHasher()
      let count = 0n
      yield* Stream.runForEachArray(pages(tip), (utxos) =>
        Effect.sync(() => {
          for (const utxo of utxos) hasher.add(utxo)
          count += BigInt(utxos.length)
        })
      )
      const summary = { height: tip?.height ?? GENESIS_HEIGHT, hash: hasher.digest(), count }
      if (changes !== started) return yield* Effect.fail(CHAIN_MOVED)
      remembered = summary
      return summary
    })

    // While the node syncs the tip moves all the time; waiting keeps vain attempts from taking turns with the import.
    const compute: Effect.Effect<UtxoSetSummary, StoreError> = Effect.suspend(summarise).pipe(
      Effect.catchTag("ChainMoved", () => Effect.delay(compute, SETTLING_TIME))
    )

    /** It runs in the layer's scope: a caller that gives up takes it from no other. */
    const startComputing = Effect.suspend(() => {
      const deferred = Deferred.makeUnsafe<UtxoSetSummary, StoreError>()
      computing = deferred
      const done = Effect.sync(() => {
        computing = undefined
      })
      return compute.pipe(
        Effect.ensuring(done),
        Deferred.into(deferred),
        Effect.forkIn(scope),
        Effect.andThen(Deferred.await(deferred))
      )
    })

    const applied = ({ connected, disconnected }: ChainDelta): void => {
      changes++
      remembered = undefined
      disconnected.forEach(() => recent.disconnected())
      for (const delta of connected) recent.connected(delta)
    }

    return UtxoStore.of({
      get: (outpoint) => Effect.map(store.utxos([outpoint]), (found) => found.get(outPointKey(outpoint))),
      getMany,
      states: statesOf,
      summary: Effect.suspend(() => {
        if (remembered !== undefined) return Effect.succeed(remembered)
        return computing === undefined ? startComputing : Deferred.await(computing)
      }),
      summaryUnsafe: () => remembered,
      stream: Stream.unwrap(Effect.map(store.tip, pages)).pipe(
        Stream.mapError((error) => (error._tag === "ChainMoved" ? CHANGED_WHILE_READ : error))
      ),
      applied: (delta) => Effect.sync(() => applied(delta))
    })
  })
)

// --- internal ---

interface ChainMoved {
  readonly _tag: "ChainMoved"
}

const CHAIN_MOVED: ChainMoved = { _tag: "ChainMoved" }
const SETTLING_TIME = "250 millis"
const UNSPENT: UtxoState = { _tag: "Unspent" }

const CHANGED_WHILE_READ = new StoreError({
  operation: "stream",
  reason: "Failed",
  detail: "the chain changed while the set was read"
})

const sameTip = (a: ChainTip | null, b: ChainTip | null): boolean =>
  a === null || b === null ? a === b : bytesEqual(a.hash, b.hash)
