/**
 * Where a stored chain ends.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { replayedHeight } from "../../layers/AdoptedHistory.ts"
import { toHex } from "../../protocol/Hash.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import type { StoredBase } from "../../services/ChainStore.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { readStoppedChain } from "./StoppedChain.ts"

export const printInfo = (flags: StorageFlagValues) =>
  readStoppedChain(
    flags,
    Effect.fnUntraced(function* ({ dataDir, network }, { store, tip }) {
      const base = yield* store.base
      const { count, hash } = yield* (yield* UtxoStore).summary
      yield* Console.log(
        [
          `network: ${network.name}`,
          `height: ${tip.height}`,
          `tip: ${toHex(tip.hash)}`,
          `utxo-count: ${count}`,
          `utxo-hash: ${toHex(hash)}`,
          ...(base === null ? [] : [`snapshot: ${describeBase(base, replayedHeight(dataDir) ?? 0n)}`])
        ].join("\n")
      )
    })
  )

// --- internal ---

const describeBase = ({ height, refuted }: StoredBase, replayed: bigint): string => {
  if (refuted !== null) return `false, ${refuted}`
  if (replayed > height) return `verified, timenode start takes blocks 1 to ${height} over`
  return `not verified, ${replayed} of ${height} blocks before it were checked`
}
