/**
 * The coins: states of single outputs, the whole set, and its hash.
 *
 * What an output's state is gets decided here: a block that has spent it has the last word, then the pool, and what
 * neither knows to be spent is unspent if it is in the set. So a parent that is confirmed late never frees what a
 * transaction of the pool spends of it.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../../protocol/Limits.ts"
import type { OutPointState } from "../../protocol/Message.ts"
import type { OutPoint } from "../../protocol/Transaction.ts"
import { outPointKey } from "../../protocol/Utxo.ts"
import { Mempool } from "../../services/Mempool.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import type { AnswersTo } from "../Handlers.ts"
import * as UtxoSetAnswer from "../UtxoSetAnswer.ts"

export const answers = Effect.gen(function* () {
  const coins = yield* UtxoStore
  const pool = yield* Mempool
  const wholeSet = yield* UtxoSetAnswer.make
  const table: AnswersTo<"UTXOStateQuery" | "GetUTXOStateHash" | "GetUTXOSet"> = {
    UTXOStateQuery: ({ outpoints }) =>
      Effect.map(statesOf(coins, pool, outpoints.slice(0, Limits.OUTPOINTS_PER_QUERY)), (states) => ({
        _tag: "UTXOStateResponse",
        states
      })),
    GetUTXOStateHash: () =>
      Effect.map(coins.summary, ({ count, hash, height }) => ({
        _tag: "UTXOStateHashResponse",
        hash,
        height,
        utxoCount: count
      })),
    GetUTXOSet: () => wholeSet
  }
  return table
})

// --- internal ---

const statesOf = Effect.fnUntraced(function* (
  coins: UtxoStore["Service"],
  pool: Mempool["Service"],
  outpoints: ReadonlyArray<OutPoint>
) {
  const confirmed = new Map(
    (yield* coins.states(outpoints)).map(({ outpoint, state }) => [outPointKey(outpoint), state])
  )
  const pooled = yield* pool.states(outpoints)
  return outpoints.flatMap((outpoint): ReadonlyArray<OutPointState> => {
    const key = outPointKey(outpoint)
    const chainState = confirmed.get(key)
    const state = chainState?._tag === "Confirmed" ? chainState : (pooled.get(key) ?? chainState)
    return state === undefined ? [] : [{ outpoint, state }]
  })
})
