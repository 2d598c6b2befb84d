/**
 * Methods about peers.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MasternodeTier } from "../../protocol/Masternode.ts"
import { formatPeerAddress } from "../../protocol/PeerId.ts"
import { MasternodeRegistry } from "../../services/MasternodeRegistry.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import { Count, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"

export const getpeerinfo = defineMethod({
  name: "getpeerinfo",
  summary: "The connected peers.",
  params: {},
  result: Schema.Array(
    Schema.Struct({
      active: Schema.Boolean,
      addr: Schema.String.annotate({ description: "IP and port of the peer's end of the connection" }),
      bytesrecv: Count,
      bytessent: Count,
      conntime: SecondsResult,
      inbound: Schema.Boolean.annotate({ description: "whether the peer dialled this node" }),
      is_masternode: Schema.Boolean,
      lastseen: SecondsResult,
      pingtime: Schema.NullOr(Schema.Number).annotate({ description: "seconds; null before the first answer" }),
      services: Schema.String,
      subver: Schema.String,
      tier: Schema.NullOr(MasternodeTier),
      timeoffset: Schema.Int,
      version: Schema.Int
    })
  ),
  errors: [],
  run: Effect.fnUntraced(function* () {
    const registry = yield* PeerRegistry
    const masternodes = yield* MasternodeRegistry
    const tiers = new Map((yield* masternodes.list).map(({ peer, tier }) => [peer, tier]))
    return (yield* registry.peers).map((peer) => ({
      active: true,
      addr: formatPeerAddress(peer),
      bytesrecv: peer.bytesReceived,
      bytessent: peer.bytesSent,
      conntime: seconds(peer.connectedAt),
      inbound: peer.direction === "inbound",
      is_masternode: tiers.has(peer.peer),
      lastseen: seconds(peer.lastReceivedAt),
      pingtime: peer.ping === null ? null : peer.ping / 1000,
      services: "0000000000000409",
      subver: `/${peer.agent}/`,
      tier: tiers.get(peer.peer) ?? null,
      timeoffset: 0,
      version: 10_000
    }))
  })
})

// --- internal ---

const seconds = (milliseconds: number): bigint => BigInt(Math.floor(milliseconds / 1000))
