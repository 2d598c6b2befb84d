/**
 * The peer handler: what this node does with a message.
 *
 * Requests are answered through the registry, in one place, on the connection that asked and under the reply policy;
 * everything else is handed to its family. A handler sees typed messages and services, never bytes or sockets.
 *
 * Every message is charged to its peer. One beyond its peer's budget is answered all the same if it asks, later than
 * others; if it only tells, it is dropped before its work is done (docs/protocol.md, S-12).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { answerCost, costOf } from "../protocol/Cost.ts"
import { isRequest, type RequestOf } from "../protocol/Exchange.ts"
import type { Message, MessageOf } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { StoreError } from "../services/ChainStore.ts"
import type { Inbound } from "../services/PeerConnections.ts"
import { PeerGuard } from "../services/PeerGuard.ts"
import { type Connection, PeerRegistry, type SingleRequest } from "../services/PeerRegistry.ts"
import type { AnsweredTag, Answers, GossipTag, Reactions } from "./Handlers.ts"
import * as Blocks from "./handlers/Blocks.ts"
import * as Consensus from "./handlers/Consensus.ts"
import * as Health from "./handlers/Health.ts"
import * as Masternodes from "./handlers/Masternodes.ts"
import * as Peers from "./handlers/Peers.ts"
import * as Transactions from "./handlers/Transactions.ts"
import * as Utxos from "./handlers/Utxos.ts"
import * as Policies from "./Policies.ts"

export class PeerHandler extends Context.Service<
  PeerHandler,
  {
    /**
     * Deals with one message of a peer. Succeeds whatever the message is; a store that fails is logged. Gives what it
     * cost in microseconds: infinitely much when that was beyond the peer's budget.
     */
    readonly handle: (inbound: Inbound, from: Connection) => Effect.Effect<number>
  }
>()("timenode/peer/PeerHandler") {
  static readonly layer = Layer.effect(
    PeerHandler,
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const guard = yield* PeerGuard
      const answers: Answers = {
        ...Health.answers,
        ...(yield* Blocks.answers),
        ...(yield* Utxos.answers),
        ...(yield* Peers.answers),
        ...(yield* Masternodes.answers),
        ...(yield* Transactions.answers)
      }
      const reactions: Reactions = {
        ...(yield* Consensus.reactions),
        ...(yield* Health.reactions),
        ...(yield* Blocks.reactions),
        ...(yield* Peers.reactions),
        ...(yield* Masternodes.reactions),
        ...(yield* Transactions.reactions)
      }

      const charge = (peer: PeerId, cost: number): number => (guard.spend(peer, cost) === "within" ? cost : Infinity)

      /** Gives what the bytes of the answer cost. */
      const answer = <T extends AnsweredTag>(
        tag: T,
        request: RequestOf<T>,
        from: Connection
      ): Effect.Effect<number, StoreError> =>
        answers[tag](request, from).pipe(
          Effect.flatMap((response) => {
            if (response === null) return Effect.succeed(0)
            // `T` is one tag here, which the compiler cannot see: the table was indexed by it.
            const asked = request as RequestOf<T> & SingleRequest<RequestOf<T>>
            const cost = "byteLength" in response ? charge(from.peer, answerCost(response.byteLength)) : 0
            return Effect.as(registry.reply(from, asked, response), cost)
          }),
          Effect.timeoutOrElse({ duration: Policies.replyTimeout, orElse: () => Effect.succeed(0) }),
          // The connection that asked is gone or does not drain: nobody is left to tell, and the registry closes it.
          Effect.catchTag("SendError", () => Effect.succeed(0))
        )

      const react = <T extends GossipTag>(
        tag: T,
        message: MessageOf<T>,
        from: Connection
      ): Effect.Effect<void, StoreError> => reactions[tag](message, from)

      const malformed = (from: Connection) =>
        from.direction === "outbound"
          ? Effect.void // A `timed` we dialled can honestly tear a line, see docs/protocol.md, W-6.
          : Effect.flatMap(guard.report(from.peer, "malformedLine"), (verdict) =>
              verdict === "banned" ? registry.disconnect(from.peer, "banned") : Effect.void
            )

      const dispatch = (inbound: Inbound, from: Connection): Effect.Effect<number, StoreError> => {
        const cost = charge(from.peer, costOf(inbound))
        if (inbound._tag === "WireError") return Effect.as(malformed(from), cost)
        if (isRequest(inbound)) {
          return inbound._tag === "Handshake"
            ? Effect.succeed(cost)
            : Effect.map(answer(inbound._tag, inbound, from), (more) => cost + more)
        }
        if (!isGossip(inbound, reactions)) return Effect.succeed(cost)
        if (cost === Infinity && inbound._tag !== "Version") {
          guard.recordDropped(from.peer)
          return Effect.succeed(cost)
        }
        return Effect.as(react(inbound._tag, inbound, from), cost)
      }

      return PeerHandler.of({
        handle: (inbound, from) =>
          Effect.catchTag(
            Effect.suspend(() => dispatch(inbound, from)),
            "StoreError",
            (error) => Effect.as(Effect.logError(`${inbound._tag} was not handled`, error), 0)
          )
      })
    })
  )
}

// --- internal ---

const isGossip = (message: Message, reactions: Reactions): message is MessageOf<GossipTag> =>
  Object.hasOwn(reactions, message._tag)
