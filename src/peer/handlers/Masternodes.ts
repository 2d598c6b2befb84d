/**
 * Masternodes: who announces itself, who is named, who is alive.
 *
 * A masternode is the IP of the connection it announces itself on, whatever address it claims. As with `timed`, an
 * announcement within the first seconds of a connection that a peer made to us is ignored.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { heartbeatDigest } from "../../protocol/Heartbeat.ts"
import { sha256, toHex } from "../../protocol/Hash.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Message } from "../../protocol/Message.ts"
import { isIpv6 } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { Gossip } from "../../services/Gossip.ts"
import { MasternodeRegistry } from "../../services/MasternodeRegistry.ts"
import { PeerGuard } from "../../services/PeerGuard.ts"
import { type Connection, PeerRegistry } from "../../services/PeerRegistry.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"
import * as Policies from "../Policies.ts"

export const answers = Effect.gen(function* () {
  const masternodes = yield* MasternodeRegistry
  const table: AnswersTo<"GetMasternodes"> = {
    GetMasternodes: (_request, from) =>
      masternodes.list.pipe(
        Effect.map((known) =>
          Wire.encodedList(
            "MasternodesResponse",
            known.filter(({ peer }) => from.agent === "timenode" || !isIpv6(peer)),
            Limits.MASTERNODES_ANSWER
          )
        ),
        Effect.tap(({ truncated }) =>
          truncated
            ? Effect.logWarning("Masternodes are more than one answer may hold, cut short for", from.peer)
            : Effect.void
        ),
        Effect.map(({ encoded }) => encoded)
      )
  }
  return table
})

export const reactions = Effect.gen(function* () {
  const masternodes = yield* MasternodeRegistry
  const gossip = yield* Gossip
  const guard = yield* PeerGuard
  const registry = yield* PeerRegistry

  const judge = (verdict: "new" | "known" | "invalid", message: Message, from: Connection, content: () => string) => {
    switch (verdict) {
      case "new":
        return Effect.asVoid(gossip.relay(content(), message, from.peer))
      case "known":
        return Effect.void
      case "invalid":
        return Effect.flatMap(guard.report(from.peer, "invalidHeartbeat"), (judged) =>
          judged === "banned" ? registry.disconnect(from.peer, "banned") : Effect.void
        )
    }
  }

  const table: ReactionsTo<"MasternodeAnnouncement" | "HeartbeatBroadcast" | "HeartbeatAttestation"> = {
    MasternodeAnnouncement: ({ _tag, ...record }, from) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        from.direction === "inbound" && now - from.connectedAt < Duration.toMillis(Policies.announcementGrace)
          ? Effect.void
          : Effect.asVoid(masternodes.announce(from.peer, record))
      ),
    // Told apart by what is signed, the key included: by its name alone a forgery would stand in the way of the real one.
    HeartbeatBroadcast: (message, from) =>
      Effect.flatMap(masternodes.heartbeat(message.heartbeat), (verdict) =>
        judge(verdict, message, from, () => toHex(heartbeatDigest(message.heartbeat)))
      ),
    HeartbeatAttestation: (message, from) =>
      Effect.flatMap(masternodes.attestation(message.attestation), (verdict) =>
        judge(verdict, message, from, () => toHex(sha256(message.attestation.signature)))
      )
  }
  return table
})
