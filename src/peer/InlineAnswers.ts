/**
 * The answers that need no turn of the handler: ping, height, hash, UTXO hash.
 *
 * They are the bytes that {@link ./PeerHandler.ts} would send, given from the transport's callback.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Response } from "../protocol/Exchange.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import type { Encoded } from "../protocol/wire/Encoded.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { InlineAnswers } from "../services/InlineAnswers.ts"
import { UtxoStore, type UtxoSetSummary } from "../services/UtxoStore.ts"

export const layer = Layer.effect(
  InlineAnswers,
  Effect.gen(function* () {
    const chain = yield* Blockchain
    const coins = yield* UtxoStore
    const clock = yield* Clock.Clock
    const encodedSummary = memoised((summary: UtxoSetSummary) =>
      Wire.encode({
        _tag: "UTXOStateHashResponse",
        hash: summary.hash,
        height: summary.height,
        utxoCount: summary.count
      })
    )
    return (request): Encoded<Response> | undefined => {
      switch (request._tag) {
        case "Ping":
          return Wire.encode({
            _tag: "Pong",
            nonce: request.nonce,
            timestamp: toUnixSeconds(clock.currentTimeMillisUnsafe())
          })
        case "GetBlockHeight":
          return Wire.encode({ _tag: "BlockHeightResponse", height: chain.tip().height })
        case "GetBlockHash":
          return Wire.encode({
            _tag: "BlockHashResponse",
            height: request.height,
            hash: chain.hashAt(request.height) ?? null
          })
        case "GetUTXOStateHash": {
          const summary = coins.summaryUnsafe()
          return summary === undefined ? undefined : encodedSummary(summary)
        }
        default:
          return undefined
      }
    }
  })
)

// --- internal ---

/** Remembers the result for the last argument, by identity. */
const memoised = <A extends object, B>(f: (a: A) => B): ((a: A) => B) => {
  let last: readonly [A, B] | undefined
  return (a) => {
    if (last?.[0] !== a) last = [a, f(a)]
    return last[1]
  }
}
