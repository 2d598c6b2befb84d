/**
 * The blocks up to the base of a snapshot: replayed beside the chain, until it is known whether the snapshot is true.
 *
 * A node that began with its genesis has nothing to replay. Whoever gives the blocks need not be trusted: only those that
 * the chain names by hash are put on, and a snapshot is refuted by nothing that one peer could have made up.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Block } from "../protocol/Block.ts"
import type { Height } from "../protocol/Height.ts"
import type { SnapshotBase, StoreError } from "./ChainStore.ts"

export type HistoryState =
  /** The chain has all its blocks. */
  | { readonly _tag: "Whole" }
  /** Blocks up to this height were replayed. */
  | { readonly _tag: "Replaying"; readonly base: SnapshotBase; readonly height: Height }
  /** The blocks leave the outputs of the snapshot. They become part of the chain when the node starts again. */
  | { readonly _tag: "Verified"; readonly base: SnapshotBase }
  /** The snapshot is false. Nothing follows it any more. */
  | { readonly _tag: "Refuted"; readonly base: SnapshotBase; readonly why: string }

/**
 * What became of blocks: all of them were put on; one is not the next of the chain; one breaks a rule, which may be due to
 * a body that came before; or all came to the base, and what they leave proves nothing, so that it begins anew.
 */
export type Replayed = "Connected" | "Unlisted" | "Doubtful" | "Restarted"

export class History extends Context.Service<
  History,
  {
    /** A plain read. */
    readonly state: () => HistoryState
    /** Puts on the blocks that follow those replayed so far. At the base it says, by the state, what has come out. */
    readonly replay: (blocks: ReadonlyArray<Block>) => Effect.Effect<Replayed, StoreError>
    /** Forgets all blocks, because one of them had a false body. */
    readonly restart: Effect.Effect<void, StoreError>
    /** Once verified: puts on the chain's own blocks, as far as no reorganisation takes them off. */
    readonly extend: Effect.Effect<void, StoreError>
  }
>()("timenode/services/History") {
  /** A whole chain, except as overridden. */
  static readonly layerTest = (overrides: Partial<History["Service"]> = {}): Layer.Layer<History> =>
    Layer.succeed(
      History,
      History.of({
        state: () => ({ _tag: "Whole" }),
        replay: () => Effect.succeed("Connected" as const),
        restart: Effect.void,
        extend: Effect.void,
        ...overrides
      })
    )
}
