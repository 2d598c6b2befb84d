/**
 * The coins: states of single outputs, the whole set, and its hash.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Limits from "../../protocol/Limits.ts"
import type { Utxo } from "../../protocol/Utxo.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import type { AnswersTo } from "../Handlers.ts"

export const answers = Effect.gen(function* () {
  const coins = yield* UtxoStore
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
    GetUTXOSet: (_request, from) =>
      Stream.runCollect(untilFull(coins.stream)).pipe(
        Effect.map((utxos) => Wire.encodedList("UTXOSetResponse", utxos, Limits.UTXO_SET_ANSWER)),
        Effect.tap(({ truncated }) =>
          truncated
            ? Effect.logWarning("UTXO set is larger than one answer may be, cut short for", from.peer)
            : Effect.void
        ),
        Effect.map(({ encoded }) => encoded)
      )
  }
  return table
})

// --- internal ---

/** The outputs from the first on, up to the one that shows that not all of them fit one answer. */
const untilFull = <E>(utxos: Stream.Stream<Utxo, E>): Stream.Stream<Utxo, E> =>
  Stream.suspend(() => {
    let bytes = 0
    return Stream.takeUntil(utxos, ({ scriptPubkey }) => {
      bytes += SHORTEST_UTXO + 2 * scriptPubkey.length
      return bytes > Limits.UTXO_SET_ANSWER
    })
  })

/** What an output with an empty script takes on the wire, at least. Each byte of a script takes two more. */
const SHORTEST_UTXO = 150
