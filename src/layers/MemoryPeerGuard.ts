/**
 * Scores, bans and budgets in memory: forgotten at the next start.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { NodeConfig } from "../services/NodeConfig.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import * as GuardedPeers from "./GuardedPeers.ts"

export const layer: Layer.Layer<PeerGuard, never, NodeConfig> = Layer.effect(
  PeerGuard,
  GuardedPeers.make([], () => Effect.succeed({ changed: () => {}, keep: Effect.void }))
)
