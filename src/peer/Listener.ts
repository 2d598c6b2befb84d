/**
 * Lives every connection that peers make to us, each in its own fiber and scope.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { PeerNetwork } from "../services/PeerTransport.ts"
import * as PeerSession from "./PeerSession.ts"

/** Accepts for as long as the layer lives. Sessions end with it. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const network = yield* PeerNetwork
    const sessions = yield* FiberSet.make()
    yield* network.accept.pipe(
      Effect.flatMap((transport) => FiberSet.run(sessions, Effect.ignore(PeerSession.run(transport)))),
      Effect.forever({ disableYield: true }),
      Effect.forkScoped
    )
  })
)
