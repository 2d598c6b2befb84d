/**
 * Methods about peers.
 */
import { toUnixSeconds } from "../../protocol/Integer.ts"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MasternodeTier } from "../../protocol/Masternode.ts"
import { limitNames, PeerBudget } from "../../protocol/PeerBudget.ts"
import { formatPeerAddress, peerAddress } from "../../protocol/PeerId.ts"
import { MasternodeRegistry } from "../../services/MasternodeRegistry.ts"
import { PeerGuard } from "../../services/PeerGuard.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import { Count, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { rpcError } from "../RpcError.ts"

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
      gossip_dropped: Count.annotate({ description: "messages dropped because the peer took more than its budget" }),
      inbound: Schema.Boolean.annotate({ description: "whether the peer dialled this node" }),
      is_masternode: Schema.Boolean,
      last_block: Schema.NullOr(SecondsResult).annotate({ description: "when the peer last brought a new block" }),
      last_transaction: Schema.NullOr(SecondsResult).annotate({
        description: "when the peer last brought a new transaction"
      }),
      lastseen: SecondsResult,
      pingtime: Schema.NullOr(Schema.Number).annotate({ description: "seconds; null before the first answer" }),
      requests_in_flight: Count,
      sendqueue_bytes: Schema.Int.annotate({ description: "bytes that wait to be taken by the peer" }),
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
    const guard = yield* PeerGuard
    const announced = (yield* masternodes.list).filter(({ source }) => source !== "hinted")
    const tiers = new Map(announced.map(({ peer, tier }) => [peer, tier]))
    return yield* Effect.forEach(yield* registry.peers, (peer) =>
      Effect.map(guard.spending(peer.peer), ({ dropped }) => ({
        active: true,
        addr: formatPeerAddress(peer),
        bytesrecv: peer.bytesReceived,
        bytessent: peer.bytesSent,
        conntime: toUnixSeconds(peer.connectedAt),
        gossip_dropped: dropped,
        inbound: peer.direction === "inbound",
        is_masternode: tiers.has(peer.peer),
        last_block: secondsOrNull(peer.lastBlockAt),
        last_transaction: secondsOrNull(peer.lastTransactionAt),
        lastseen: toUnixSeconds(peer.lastReceivedAt),
        pingtime: peer.ping === null ? null : peer.ping / 1000,
        requests_in_flight: peer.pendingRequests,
        sendqueue_bytes: peer.outboundBytes,
        services: "0000000000000409",
        subver: `/${peer.agent}/`,
        tier: tiers.get(peer.peer) ?? null,
        timeoffset: 0,
        version: 10_000
      }))
    )
  })
})

export const disconnectnode = defineMethod({
  name: "disconnectnode",
  summary: "Closes the connection with a peer, which may come back.",
  params: {
    address: Schema.String.check(Schema.makeFilter((text) => peerAddress(text, 0) !== undefined)).annotate({
      description: "an IP address, with or without a port"
    })
  },
  result: Schema.Null,
  errors: ["NotFound"],
  run: Effect.fnUntraced(function* (params) {
    const registry = yield* PeerRegistry
    // A peer has one connection, so that the port says nothing more.
    const { peer } = peerAddress(params.address, 0)!
    if (!(yield* registry.peers).some((connected) => connected.peer === peer)) {
      return yield* rpcError("NotFound", `Not connected: ${peer}`)
    }
    yield* registry.disconnect(peer, "requested")
    return null
  })
})

export const getlimits = defineMethod({
  name: "getlimits",
  summary: "What a peer may do to this node: every limit that it can meet.",
  params: {},
  result: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      value: Schema.Int,
      unit: Schema.Literals(["bytes", "milliseconds", "microseconds", "count"]),
      of: Schema.String.annotate({ description: "what it bounds" })
    })
  ),
  errors: [],
  run: () => Effect.succeed(limitNames.map((name) => ({ name, ...PeerBudget[name] })))
})

// --- internal ---

const secondsOrNull = (milliseconds: number | null): bigint | null =>
  milliseconds === null ? null : toUnixSeconds(milliseconds)
