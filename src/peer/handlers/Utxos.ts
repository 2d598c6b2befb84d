/**
 * The coins: states of single outputs, the whole set, and its hash.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../../protocol/Limits.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import type { AnswersTo } from "../Handlers.ts"
import * as UtxoSetAnswer from "../UtxoSetAnswer.ts"

export const answers = Effect.gen(function* () {
  const coins = yield* UtxoStore
  const wholeSet = yield* UtxoSetAnswer.make
  const table: AnswersTo<"UTXOStateQuery" | "GetUTXOStateHash" | "GetUTXOSet"> = {
    UTXOStateQuery: ({ outpoints }) =>
      Effect.map(coins.states(outpoints.slice(0, Limits.OUTPOINTS_PER_QUERY)), (states) => ({
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
