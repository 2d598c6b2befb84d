/**
 * A snapshot of a stored chain, as a stream of bytes.
 *
 * The outputs at its base are those of now with the undo data of the blocks since laid over them. They are read twice,
 * because their number and hashes come first; so nobody may write to the store meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concatBytes } from "../protocol/ByteArray.ts"
import { type Hash256, sha256Stream } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import { compareOutPoints, type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import type { ChainStore, SnapshotBase, StoreError } from "../services/ChainStore.ts"
import { SnapshotError } from "./SnapshotError.ts"
import { CoinSums, encodeCoin, encodeHeader, encodeSnapshotBlock, SNAPSHOT_BLOCKS } from "./SnapshotFormat.ts"

export interface Snapshot {
  readonly base: SnapshotBase
  /** All its bytes, once. */
  readonly bytes: Stream.Stream<Uint8Array, StoreError>
  /** The hash of the snapshot, when all its bytes were read. */
  readonly hash: () => Hash256
}

/** A snapshot at a height, or as high as one can be. */
export const snapshotOf = Effect.fn("SnapshotWriter.snapshotOf")(function* (
  store: ChainStore["Service"],
  network: Network,
  at?: Height
): Effect.fn.Return<Snapshot, StoreError | SnapshotError> {
  const tip = yield* store.tip
  const began = yield* store.base
  const highest = (tip?.height ?? 0n) - BigInt(SNAPSHOT_BLOCKS)
  const undone = yield* store.undo(Limits.UNDO_BLOCKS)
  // What undoes block h gives the outputs after block h - 1.
  const byUndo = (undone.at(-1)?.height ?? 0n) - 1n
  const lowest = max(byUndo, began?.height ?? 0n, 1n)
  if (tip === null || highest < lowest) {
    return yield* notPossible(`the chain must have at least ${SNAPSHOT_BLOCKS} blocks after the snapshot's`)
  }
  const target = at ?? height(highest)
  if (target < lowest || target > highest) {
    return yield* notPossible(`there can be one at the heights ${lowest} to ${highest}, not at ${target}`)
  }

  /** What was unspent at the base and is not now, and what is unspent now and was not there. */
  const back = new Map<OutPointKey, Utxo>()
  const gone = new Set<OutPointKey>()
  for (const { created, height, spent } of undone) {
    if (height <= target) break
    for (const { outpoint } of created) {
      const key = outPointKey(outpoint)
      if (!back.delete(key)) gone.add(key)
    }
    for (const utxo of spent) back.set(outPointKey(utxo.outpoint), utxo)
  }
  const coins = coinsOf(store, back, gone)

  const [hash] = yield* store.hashes(target, 1)
  if (hash === undefined) return yield* notPossible(`block ${target} is not listed`)
  const sums = new CoinSums()
  yield* Stream.runForEach(coins, (page) => Effect.sync(() => page.forEach((utxo) => sums.add(utxo))))
  const base: SnapshotBase = { height: target, hash, ...sums.digest() }

  const sum = sha256Stream()
  let digest: Hash256 | undefined
  const summed = Stream.fromIterable([encodeHeader(network, base)]).pipe(
    Stream.concat(hashesTo(store, target)),
    Stream.concat(Stream.map(coins, (page) => concatBytes(...page.map(encodeCoin)))),
    Stream.concat(blocksAfter(store, target)),
    Stream.tap((bytes) => Effect.sync(() => sum.update(bytes)))
  )
  const last = Stream.fromEffect(Effect.sync((): Uint8Array => (digest = sum.digest())))
  return { base, bytes: Stream.concat(summed, last), hash: () => digest! }
})

// --- internal ---

const notPossible = (detail: string) => new SnapshotError({ reason: "NotPossible", detail })

const max = (...values: ReadonlyArray<bigint>): bigint => values.reduce((a, b) => (a > b ? a : b))

/** The outputs of the store with a change laid over them, in the order of their keys. */
const coinsOf = (
  store: ChainStore["Service"],
  back: ReadonlyMap<OutPointKey, Utxo>,
  gone: ReadonlySet<OutPointKey>
): Stream.Stream<ReadonlyArray<Utxo>, StoreError> => {
  const page = Effect.fnUntraced(function* ([after, returned]: readonly [OutPointKey | null, number]) {
    yield* Effect.yieldNow
    const found = yield* store.utxoPage(after, Limits.COINS_PER_READ)
    const isLast = found.length < Limits.COINS_PER_READ
    const coins = found.filter(({ outpoint }) => !gone.has(outPointKey(outpoint)))
    let next = returned
    const end = found.at(-1)?.outpoint
    while (next < returns.length && (isLast || compareOutPoints(returns[next]!.outpoint, end!) < 0)) {
      coins.push(returns[next++]!)
    }
    coins.sort((a, b) => compareOutPoints(a.outpoint, b.outpoint))
    return [[coins], isLast ? Option.none() : Option.some([outPointKey(end!), next] as const)] as const
  })
  const returns = [...back.values()].sort((a, b) => compareOutPoints(a.outpoint, b.outpoint))
  return Stream.paginate([null, 0] as readonly [OutPointKey | null, number], page)
}

const hashesTo = (store: ChainStore["Service"], last: Height): Stream.Stream<Uint8Array, StoreError> =>
  Stream.paginate(0n, (from) => {
    const left = Number(last - from + 1n)
    return Effect.map(store.hashes(height(from), Math.min(left, Limits.HASHES_PER_READ)), (hashes) => {
      const next = from + BigInt(hashes.length)
      const isLast = next > last || hashes.length === 0
      return [[concatBytes(...hashes)], isLast ? Option.none() : Option.some(next)] as const
    })
  })

const blocksAfter = (store: ChainStore["Service"], base: Height): Stream.Stream<Uint8Array, StoreError> =>
  Stream.range(1, SNAPSHOT_BLOCKS).pipe(
    Stream.mapEffect((offset) => {
      const at = height(base + BigInt(offset))
      return store.blocks(at, at, { count: 1, bytes: 0 })
    }),
    Stream.map((blocks) => concatBytes(...blocks.map(encodeSnapshotBlock)))
  )
