/**
 * All that a chain store holds, indexes included, in a form that can be compared and looked at.
 */
import { Effect } from "effect"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { MAX_U64 } from "../../src/protocol/Integer.ts"
import { outPointKey, type Utxo } from "../../src/protocol/Utxo.ts"
import type { ChainStore } from "../../src/services/ChainStore.ts"

const ALL = 10_000_000

const coin = (utxo: Utxo) => [outPointKey(utxo.outpoint), utxo.value, toHex(utxo.scriptPubkey), utxo.address].join(" ")

export const storeContents = Effect.fnUntraced(function* (store: ChainStore["Service"]) {
  const tip = yield* store.tip
  const coins = yield* store.utxoPage(null, ALL)
  const undo = yield* store.undo(ALL)
  const touched = [...coins, ...undo.flatMap(({ created, spent }) => [...created, ...spent])]
  const scripts = new Map(touched.map(({ scriptPubkey }) => [toHex(scriptPubkey), scriptPubkey]))
  return {
    tip: tip && [tip.height, tip.timestamp, toHex(tip.hash)].join(" "),
    hashes: (yield* store.hashes(height(0), ALL)).map(toHex),
    bodies: (yield* store.blocks(height(0), height(MAX_U64), { count: ALL, bytes: 2 ** 40 })).map((bytes) =>
      Buffer.from(bytes).toString()
    ),
    count: yield* store.utxoCount,
    coins: coins.map(coin),
    undo: undo.map(({ created, hash, height, previousHash, spenders, spent, timestamp, txids }) => {
      const header = [height, toHex(hash), toHex(previousHash), timestamp].join(" ")
      return [header, txids.map(toHex), spent.map(coin), spenders, created.map(coin)].join(" ")
    }),
    places: yield* Effect.forEach(
      undo.flatMap(({ txids }) => txids),
      (txid) => Effect.map(store.transaction(txid), (place) => `${toHex(txid)} ${place?.height} ${place?.index}`)
    ),
    scripts: yield* Effect.forEach([...scripts.keys()].sort(), (key) =>
      Effect.gen(function* () {
        const script = scripts.get(key)!
        const history = yield* store.history(script, { before: null, limit: ALL })
        const unspent = yield* store.unspentOf(script, { after: null, limit: ALL })
        return [key, history.map((entry) => `${entry.height}/${entry.index}/${toHex(entry.txid)}`), unspent.map(coin)]
      })
    )
  }
})

/** The names of the parts in which two stores differ. */
export const differences = <A extends object>(a: A, b: A): ReadonlyArray<string> =>
  Object.keys(a).filter((key) => text(a[key as keyof A]) !== text(b[key as keyof A]))

const text = (value: unknown): string => JSON.stringify(value) ?? ""
