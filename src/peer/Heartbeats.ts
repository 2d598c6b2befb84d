/**
 * The heartbeats of this node, when it is a masternode: one at once, and one every minute, to all peers.
 *
 * A heartbeat counts here, and is stored, before anybody hears of it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { toHex } from "../protocol/Hash.ts"
import { heartbeatDigest } from "../protocol/Heartbeat.ts"
import { Gossip } from "../services/Gossip.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import * as Policies from "./Policies.ts"

/** Says heartbeats for as long as the layer lives. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const masternodes = yield* MasternodeRegistry
    const gossip = yield* Gossip
    if ((yield* masternodes.own) === null) return
    const beat = Effect.gen(function* () {
      const heartbeat = yield* masternodes.beat
      if (heartbeat === null) return
      yield* gossip.relay(toHex(heartbeatDigest(heartbeat)), { _tag: "HeartbeatBroadcast", heartbeat }, null)
    })
    yield* Effect.forkScoped(Effect.repeat(beat, Schedule.fixed(Policies.heartbeatInterval)))
  })
)
