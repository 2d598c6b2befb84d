/**
 * Masternodes: who announces itself, who is named, who is alive.
 *
 * A masternode is the IP of the connection it announces itself on, whatever address it claims. As with `timed`, an
 * announcement within the first seconds of a connection that a peer made to us is ignored.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { sha256, toHex } from "../../protocol/Hash.ts"
import { heartbeatDigest, type WitnessAttestation } from "../../protocol/Heartbeat.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { MasternodeRecord } from "../../protocol/Masternode.ts"
import type { MessageOf } from "../../protocol/Message.ts"
import { formatPeerAddress, isIpv6, peerAddress, type PeerId } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { AddressBook } from "../../services/AddressBook.ts"
import { Gossip } from "../../services/Gossip.ts"
import { type HeartbeatVerdict, MasternodeRegistry } from "../../services/MasternodeRegistry.ts"
import { PeerGuard } from "../../services/PeerGuard.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
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

  const book = yield* AddressBook
  const { network } = yield* NodeConfig

  const punish = (from: PeerId) =>
    Effect.flatMap(guard.report(from, "invalidHeartbeat"), (judged) =>
      judged === "banned" ? registry.disconnect(from, "banned") : Effect.void
    )
  const judge = (verdict: HeartbeatVerdict, from: PeerId, pass: Effect.Effect<void>) =>
    verdict === "new" ? pass : verdict === "invalid" ? punish(from) : Effect.void

  // Told apart by what is signed, the key included: by its name alone a forgery would stand in the way of the real one.
  const passAttestation = (attestation: WitnessAttestation, from: PeerId | null) =>
    gossip.relay(toHex(sha256(attestation.signature)), { _tag: "HeartbeatAttestation", attestation }, from)
  const passHeartbeat = Effect.fnUntraced(function* (message: MessageOf<"HeartbeatBroadcast">, from: PeerId) {
    yield* gossip.relay(toHex(heartbeatDigest(message.heartbeat)), message, from)
    const attestation = yield* masternodes.witness(message.heartbeat)
    if (attestation !== null) yield* passAttestation(attestation, null)
  })

  /** A masternode is worth a link of ours when this one ends. The port it names is its own, as the address may not be. */
  const announced = Effect.fnUntraced(function* (record: MasternodeRecord, from: PeerId) {
    if ((yield* masternodes.announce(from, record)) !== "new") return
    const claimed = peerAddress(record.address, network.p2pPort)
    const port = claimed?.peer === from ? claimed.port : network.p2pPort
    yield* book.learn([formatPeerAddress({ peer: from, port })], from)
  })

  const table: ReactionsTo<"MasternodeAnnouncement" | "HeartbeatBroadcast" | "HeartbeatAttestation"> = {
    MasternodeAnnouncement: ({ _tag, ...record }, from) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        from.direction === "inbound" && now - from.connectedAt < Duration.toMillis(Policies.announcementGrace)
          ? Effect.void
          : announced(record, from.peer)
      ),
    HeartbeatBroadcast: (message, from) =>
      Effect.flatMap(masternodes.heartbeat(message.heartbeat, from.peer), (verdict) =>
        judge(verdict, from.peer, passHeartbeat(message, from.peer))
      ),
    HeartbeatAttestation: ({ attestation }, from) =>
      Effect.flatMap(masternodes.attestation(attestation), (verdict) =>
        judge(verdict, from.peer, Effect.asVoid(passAttestation(attestation, from.peer)))
      )
  }
  return table
})
