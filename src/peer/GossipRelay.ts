/**
 * Gossip over the registry: a bounded memory of what was passed on already.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Limits from "../protocol/Limits.ts"
import { Gossip } from "../services/Gossip.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"

export const layer = Layer.effect(
  Gossip,
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    // A Set iterates in the order of insertion, so that its first entry is the oldest.
    const seen = new Set<string>()
    return Gossip.of({
      relay: (content, message, from, to) =>
        Effect.suspend(() => {
          const name = `${message._tag} ${content}`
          if (seen.has(name)) return Effect.succeed("known")
          seen.add(name)
          if (seen.size > Limits.SEEN_GOSSIP) seen.delete(seen.values().next().value!)
          return Effect.as(registry.broadcast(message, { ...(from && { except: from }), ...(to && { to }) }), "relayed")
        })
    })
  })
)
