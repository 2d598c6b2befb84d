/**
 * Votes and proposals that came before their height has begun here, because others are ahead or their clocks are.
 *
 * Each member has one place for each vote of a round; what finds no place is dropped, and sent again by its sender.
 */
import type { Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { ConsensusMessage } from "../services/Consensus.ts"

export interface Received {
  readonly message: ConsensusMessage
  readonly from: PeerId
}

export class EarlyMessages {
  private readonly votes = new Map<string, Received>()
  private readonly proposals = new Map<string, Received>()

  keep(height: Height, name: string, received: Received): void {
    const isProposal = received.message._tag === "BlockProposal"
    const kept = isProposal ? this.proposals : this.votes
    if (kept.size < (isProposal ? Limits.EARLY_PROPOSALS : Limits.EARLY_BALLOTS))
      kept.set(`${height} ${name}`, received)
  }

  /** What came for that height, proposals first; what came for earlier ones is dropped. */
  take(height: Height): ReadonlyArray<Received> {
    const taken: Array<Received> = []
    for (const kept of [this.proposals, this.votes]) {
      for (const [key, received] of kept) {
        const of = BigInt(key.slice(0, key.indexOf(" ")))
        if (of > height) continue
        kept.delete(key)
        if (of === height) taken.push(received)
      }
    }
    return taken
  }
}
