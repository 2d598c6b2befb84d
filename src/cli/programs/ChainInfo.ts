/**
 * Where a stored chain ends.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { toHex } from "../../protocol/Hash.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { readStoppedChain } from "./StoppedChain.ts"

export const printInfo = (flags: StorageFlagValues) =>
  readStoppedChain(
    flags,
    Effect.fnUntraced(function* ({ network }, { store, tip }) {
      const base = yield* store.base
      const { count, hash } = yield* (yield* UtxoStore).summary
      yield* Console.log(
        [
          `network: ${network.name}`,
          `height: ${tip.height}`,
          `tip: ${toHex(tip.hash)}`,
          `utxo-count: ${count}`,
          `utxo-hash: ${toHex(hash)}`,
          ...(base === null ? [] : [`snapshot: not verified, blocks 1 to ${base.height} are not here`])
        ].join("\n")
      )
    })
  )
