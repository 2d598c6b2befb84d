/**
 * A read of the chain in several steps, all of them of one tip.
 */
import * as Effect from "effect/Effect"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { ChainStore, type ChainTip, type StoreError } from "../services/ChainStore.ts"
import { type RpcError, rpcError } from "./RpcError.ts"

/**
 * Reads again when a block came in between, or when `read` gives `undefined` because it saw that itself; a few times,
 * then fails with `TimedOut`, which a later try may not.
 */
export const steadyRead = Effect.fnUntraced(function* <A, E, R>(
  read: (tip: ChainTip) => Effect.Effect<A | undefined, E, R>
): Effect.fn.Return<A, E | RpcError | StoreError, R | ChainStore> {
  const store = yield* ChainStore
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = yield* store.tip
    if (before === null) break
    const found = yield* read(before)
    const after = yield* store.tip
    if (found !== undefined && after !== null && bytesEqual(before.hash, after.hash)) return found
  }
  return yield* rpcError("TimedOut", "The chain changes faster than it can be read; try again later")
})

// --- internal ---

const ATTEMPTS = 3
