/**
 * BFT messages. Until a node takes part in consensus it ignores them: passing on what was not checked would make every
 * node an amplifier.
 */
import * as Effect from "effect/Effect"
import type { ReactionsTo } from "../Handlers.ts"

export const reactions: ReactionsTo<"BlockProposal" | "BlockVote" | "BlockCommit"> = {
  BlockProposal: () => Effect.void,
  BlockVote: () => Effect.void,
  BlockCommit: () => Effect.void
}
