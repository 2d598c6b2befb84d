/**
 * What follows when a peer answers with a block that proves misbehaviour (docs/protocol.md, S-9).
 */
import * as Effect from "effect/Effect"
import type { PeerId } from "../protocol/PeerId.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"

/** Reports the offence and closes the connection, whether or not that makes a ban. */
export const expel = Effect.fnUntraced(function* (peer: PeerId) {
  const guard = yield* PeerGuard
  const registry = yield* PeerRegistry
  yield* guard.report(peer, "invalidBlock")
  yield* registry.disconnect(peer, "misbehaving")
})
