/**
 * Passing on what is worth knowing: each thing once, to everybody but where it came from.
 *
 * Only what was checked is given here. Things are told apart by the hash of their content, never by height or name.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Message } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { PeerInfo } from "./PeerRegistry.ts"

export class Gossip extends Context.Service<
  Gossip,
  {
    /**
     * Sends to all peers but `from`, or to those of them that `to` chooses, unless it was relayed before. `content` names
     * the thing: a hash in hex.
     */
    readonly relay: (
      content: string,
      message: Message,
      from: PeerId | null,
      to?: (peer: PeerInfo) => boolean
    ) => Effect.Effect<"relayed" | "known">
  }
>()("timenode/services/Gossip") {
  /** Relays nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<Gossip["Service"]> = {}): Layer.Layer<Gossip> =>
    Layer.succeed(Gossip, Gossip.of({ relay: () => Effect.succeed("relayed"), ...overrides }))
}
