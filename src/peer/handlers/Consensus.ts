/**
 * Proposals, votes and certificates of blocks, for the part that decides on them and passes on what it has checked.
 */
import * as Effect from "effect/Effect"
import { Consensus } from "../../services/Consensus.ts"
import type { ReactionsTo } from "../Handlers.ts"

export const reactions = Effect.map(
  Consensus,
  (consensus): ReactionsTo<"BlockProposal" | "BlockVote" | "BlockCommit"> => ({
    BlockProposal: (message, from) => consensus.receive(message, from.peer),
    BlockVote: (message, from) => consensus.receive(message, from.peer),
    BlockCommit: (message, from) => consensus.receive(message, from.peer)
  })
)
