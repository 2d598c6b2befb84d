/**
 * The whole UTXO set as an answer: written page by page, once a tip, and kept for whoever asks next.
 *
 * A `timed` asks for it every minute while its own set differs. Peers that ask at the same time share one writing of it.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { Hash256 } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import type { MessageOf } from "../protocol/Message.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import { Blockchain } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { UtxoStore } from "../services/UtxoStore.ts"

/** Makes the answer for the current tip. A set that does not fit one answer is cut short, which is logged. */
export const make = Effect.gen(function* () {
  const chain = yield* Blockchain
  const coins = yield* UtxoStore
  const writing = yield* Semaphore.make(1)
  let kept: { readonly tip: Hash256; readonly answer: Wire.Encoded<MessageOf<"UTXOSetResponse">> } | undefined

  const write = Effect.gen(function* () {
    const list = Wire.listWriter("UTXOSetResponse", Limits.UTXO_SET_ANSWER)
    yield* Stream.runForEachWhile(coins.stream, (utxo) => Effect.sync(() => list.add(utxo)))
    const { encoded, truncated } = list.done()
    if (truncated) yield* Effect.logWarning("The UTXO set does not fit one answer, and was cut short")
    return encoded
  })

  return writing.withPermit(
    Effect.suspend((): Effect.Effect<Wire.Encoded<MessageOf<"UTXOSetResponse">>, StoreError> => {
      const tip = chain.tip().hash
      if (kept !== undefined && bytesEqual(kept.tip, tip)) return Effect.succeed(kept.answer)
      return Effect.tap(write, (answer) => Effect.sync(() => void (kept = { tip, answer })))
    }).pipe(
      // The chain moves while it is read, now and then; a new tip is the better one to read.
      Effect.retry({ times: 3, while: ({ reason }) => reason === "Failed" })
    )
  )
})
