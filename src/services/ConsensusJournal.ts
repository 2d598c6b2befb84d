/**
 * What this node has signed for a block, and what it is locked on.
 *
 * It is on disk before anything of it is sent: a node that comes back never contradicts what it said before.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Memory } from "../consensus/BftState.ts"
import type { Block } from "../protocol/Block.ts"
import type { Height } from "../protocol/Height.ts"
import type { StoreError } from "./ChainStore.ts"

export interface JournalEntry {
  readonly height: Height
  readonly memory: Memory
  /** Those that the memory speaks of: what is locked has to be proposed again. */
  readonly blocks: ReadonlyArray<Block>
}

export class ConsensusJournal extends Context.Service<
  ConsensusJournal,
  {
    /** The last entry; null when there is none. */
    readonly read: Effect.Effect<JournalEntry | null, StoreError>
    /** Replaces it. It survives a power cut when this returns. */
    readonly write: (entry: JournalEntry) => Effect.Effect<void, StoreError>
  }
>()("timenode/services/ConsensusJournal") {
  /** Remembers as long as it lives. */
  static readonly layerMemory: Layer.Layer<ConsensusJournal> = Layer.sync(ConsensusJournal, () => {
    let last: JournalEntry | null = null
    return ConsensusJournal.of({
      read: Effect.sync(() => last),
      write: (entry) =>
        Effect.sync(() => {
          last = entry
        })
    })
  })
}
