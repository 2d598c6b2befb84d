/**
 * Runs messages through the peer handler over mocked services.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GossipRelay from "../../../src/peer/GossipRelay.ts"
import { PeerHandler } from "../../../src/peer/PeerHandler.ts"
import type { Message } from "../../../src/protocol/Message.ts"
import type { PeerId } from "../../../src/protocol/PeerId.ts"
import type { Inbound } from "../../../src/services/PeerConnections.ts"
import { type Offence, PeerGuard } from "../../../src/services/PeerGuard.ts"
import type { DisconnectReason, SentMessage, Usefulness } from "../../../src/services/PeerRegistry.ts"
import * as MockNode from "../../../src/testing/MockNode.ts"
import { connection, registry } from "../Fixture.ts"

/** Everything the handler did to the outside. */
export interface Deeds {
  readonly sent: Array<SentMessage>
  /** What was passed on to everybody but one. */
  readonly relayed: Array<readonly [Message, PeerId | undefined]>
  readonly offences: Array<readonly [PeerId, Offence]>
  readonly disconnects: Array<readonly [PeerId, DisconnectReason]>
  readonly useful: Array<readonly [PeerId, Usefulness]>
}

export const deeds = (): Deeds => ({ sent: [], relayed: [], offences: [], disconnects: [], useful: [] })

/**
 * The handler with real gossip, over harmless mocks; `layers` replace some of them. A peer is banned at its
 * `banAt`th offence.
 */
export const handling = (
  seen: Deeds,
  layers: Layer.Layer<never> | Layer.Layer<any> = Layer.empty,
  options: { readonly banAt?: number } = {}
): Layer.Layer<PeerHandler> => {
  const services = Layer.mergeAll(
    MockNode.layer,
    registry(
      { sent: seen.sent },
      {
        broadcast: (message, options) =>
          Effect.sync(() => {
            seen.relayed.push([message, options?.except])
            return { sent: 1, skipped: 0 }
          }),
        disconnect: (peer, reason) => Effect.sync(() => void seen.disconnects.push([peer, reason])),
        recordUseful: (peer, what) => Effect.sync(() => void seen.useful.push([peer, what]))
      }
    ),
    PeerGuard.layerTest({
      report: (peer, offence) =>
        Effect.sync(() => {
          seen.offences.push([peer, offence])
          return seen.offences.length >= (options.banAt ?? Infinity) ? "banned" : "tolerated"
        })
    }),
    layers as Layer.Layer<never>
  )
  return PeerHandler.layer.pipe(Layer.provide(GossipRelay.layer), Layer.provide(services))
}

/** Handles the messages one after the other, and lets what they set off happen. */
export const handle = Effect.fnUntraced(function* (messages: ReadonlyArray<Inbound>, from = connection()) {
  const handler = yield* PeerHandler
  for (const message of messages) yield* handler.handle(message, from)
  for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
})
