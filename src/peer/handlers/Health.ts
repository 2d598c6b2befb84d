/**
 * Signs of life, and what a peer says of its own program.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { PeerConnections } from "../../services/PeerConnections.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import { Sync } from "../../services/Sync.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"
import { toUnixSeconds } from "../../protocol/Integer.ts"

export const answers: AnswersTo<"Ping"> = {
  Ping: ({ nonce }) =>
    Effect.map(Clock.currentTimeMillis, (now) => ({ _tag: "Pong", nonce, timestamp: toUnixSeconds(now) }))
}

export const reactions = Effect.gen(function* () {
  const connections = yield* PeerConnections
  const registry = yield* PeerRegistry
  const sync = yield* Sync
  const table: ReactionsTo<"Version"> = {
    // A peer that dialled us answers questions only if it is a timenode, which we know from here on.
    Version: (version, from) =>
      connections.identify(from, version).pipe(
        Effect.andThen(sync.consider(from.peer)),
        Effect.catchTags({
          AlreadyConnected: () => Effect.void,
          ConnectedToSelf: () => registry.disconnect(from.peer, "connectedToSelf")
        })
      )
  }
  return table
})
