/**
 * What keeps a pool: the changes of its transactions as they happen, and the votes of this node.
 *
 * The pool works in memory and writes every change here first. A journal knows no rules.
 */
import * as Effect from "effect/Effect"
import { toHex, type Hash256 } from "../protocol/Hash.ts"
import type { OutPoint } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey } from "../protocol/Utxo.ts"
import type { Vote } from "../protocol/Vote.ts"
import type { StoreError } from "../services/ChainStore.ts"
import type { PooledTransaction } from "../services/Mempool.ts"

export type PoolChange =
  | { readonly _tag: "Add"; readonly pooled: PooledTransaction }
  /** Its phase, and perhaps its electorate, has changed. */
  | { readonly _tag: "Advance"; readonly pooled: PooledTransaction }
  | { readonly _tag: "Drop"; readonly txid: Hash256 }
  /** A block contains it; it is kept until no reorganisation can bring it back. */
  | { readonly _tag: "Mine"; readonly txid: Hash256; readonly height: bigint }
  | { readonly _tag: "Pledge"; readonly vote: Vote; readonly outpoints: ReadonlyArray<OutPoint> }
  /** A block of that height spends the outputs; null when it came off. */
  | { readonly _tag: "Spend"; readonly outpoints: ReadonlyArray<OutPoint>; readonly height: bigint | null }
  /** Forgets transactions that were mined, and votes on outputs that were spent, up to that height. */
  | { readonly _tag: "Prune"; readonly height: bigint }

/** A transaction as it was kept; `mined` is the height of the block that contains it. */
export interface KeptTransaction {
  readonly pooled: PooledTransaction
  readonly mined: bigint | null
}

export interface PoolJournal {
  /** Everything that was kept, in order of arrival. */
  readonly load: Effect.Effect<ReadonlyArray<KeptTransaction>, StoreError>
  /** All of the changes or none. `durable` ones survive a power cut, `batched` ones the end of the process. */
  readonly write: (
    changes: ReadonlyArray<PoolChange>,
    durability: "durable" | "batched"
  ) => Effect.Effect<void, StoreError>
  readonly voteOn: (txid: Hash256) => Effect.Effect<Vote | undefined, StoreError>
  /** The transactions that were approved as spenders of any of the outputs. */
  readonly pledged: (outpoints: ReadonlyArray<OutPoint>) => Effect.Effect<ReadonlyArray<Hash256>, StoreError>
  /** Of outputs; a plain read. */
  readonly pledges: () => number
}

/** A journal that keeps votes in memory and nothing else. */
export const memoryJournal = (): PoolJournal => {
  const byOutput = new Map<OutPointKey, { readonly vote: Vote; spent: bigint | null }>()
  const byTransaction = new Map<string, Vote>()
  const write = (change: PoolChange): void => {
    switch (change._tag) {
      case "Pledge":
        byTransaction.set(toHex(change.vote.txid), change.vote)
        for (const outpoint of change.outpoints) byOutput.set(outPointKey(outpoint), { vote: change.vote, spent: null })
        return
      case "Spend":
        for (const outpoint of change.outpoints) {
          const pledge = byOutput.get(outPointKey(outpoint))
          if (pledge !== undefined) pledge.spent = change.height
        }
        return
      case "Prune":
        for (const [key, { spent, vote }] of byOutput) {
          if (spent === null || spent > change.height) continue
          byOutput.delete(key)
          byTransaction.delete(toHex(vote.txid))
        }
        return
      default:
        return
    }
  }
  return {
    load: Effect.succeed([]),
    write: (changes) => Effect.sync(() => changes.forEach(write)),
    voteOn: (txid) => Effect.sync(() => byTransaction.get(toHex(txid))),
    pledged: (outpoints) =>
      Effect.sync(() =>
        outpoints.flatMap((outpoint) => {
          const pledge = byOutput.get(outPointKey(outpoint))
          return pledge === undefined ? [] : [pledge.vote.txid]
        })
      ),
    pledges: () => byOutput.size
  }
}
