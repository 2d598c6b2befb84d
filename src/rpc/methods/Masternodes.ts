/**
 * Methods about masternodes, their heartbeats, and who decides.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quorum } from "../../consensus/Quorum.ts"
import { toHex } from "../../protocol/Hash.ts"
import { toUnixSeconds } from "../../protocol/Integer.ts"
import * as Limits from "../../protocol/Limits.ts"
import { MasternodeTier } from "../../protocol/Masternode.ts"
import {
  type CountedHeartbeat,
  isVerified,
  type KnownMasternode,
  MasternodeRegistry
} from "../../services/MasternodeRegistry.ts"
import { Count, namedPeer, PeerParam, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"

const Uptime = Schema.BigInt.annotate({ description: "seconds that its heartbeats cover, gaps left out" })
const Sequence = Schema.BigInt.annotate({ description: "the number of a heartbeat" })

export const masternodelist = defineMethod({
  name: "masternodelist",
  summary: "Every known masternode, and why it is active or not.",
  params: {},
  result: Schema.Struct({
    masternodes: Schema.Array(
      Schema.Struct({
        address: Schema.String,
        collateral: Schema.Int.annotate({ description: "proven collateral: none, since nothing backs a tier" }),
        is_active: Schema.Boolean,
        last_heartbeat: Schema.NullOr(SecondsResult).annotate({
          description: "as it was signed; null before the first"
        }),
        public_key: Schema.String,
        registered_at: SecondsResult,
        status: Schema.String.annotate({ description: "active, silent, hinted, or unproven and why" }),
        tier: MasternodeTier.annotate({ description: "as claimed" }),
        total_uptime: Uptime,
        uptime_start: Schema.NullOr(SecondsResult).annotate({ description: "null when it is not active" }),
        wallet_address: Schema.String
      })
    ),
    total: Count
  }),
  errors: [],
  run: () =>
    Effect.flatMap(MasternodeRegistry, ({ list }) =>
      Effect.map(list, (known) => ({
        masternodes: known.map((masternode) => ({
          address: masternode.address,
          collateral: 0,
          is_active: masternode.status === "active",
          last_heartbeat: masternode.lastHeartbeat?.timestamp ?? null,
          public_key: toHex(masternode.publicKey),
          registered_at: toUnixSeconds(masternode.firstSeen),
          status: statusText[masternode.status],
          tier: masternode.tier,
          total_uptime: masternode.uptime,
          uptime_start: masternode.activeSince,
          wallet_address: masternode.rewardAddress
        })),
        total: known.length
      }))
    )
})

export const masternodestatus = defineMethod({
  name: "masternodestatus",
  summary: "Whether this node is a masternode, and an active one.",
  params: {},
  result: Schema.Union([
    Schema.Struct({
      address: Schema.String,
      is_active: Schema.Boolean,
      public_key: Schema.String,
      reward_address: Schema.String,
      status: Schema.String,
      tier: MasternodeTier,
      total_uptime: Uptime
    }),
    Schema.Struct({ message: Schema.String, status: Schema.String })
  ]),
  errors: [],
  run: () =>
    Effect.flatMap(MasternodeRegistry, ({ list }) =>
      Effect.map(list, (known) => {
        const own = known.find(({ source }) => source === "own")
        if (own === undefined) {
          return { message: "This node is not configured as a masternode", status: "Not a masternode" }
        }
        return {
          address: own.address,
          is_active: own.status === "active",
          public_key: toHex(own.publicKey),
          reward_address: own.rewardAddress,
          status: statusText[own.status],
          tier: own.tier,
          total_uptime: own.uptime
        }
      })
    )
})

export const getconsensusinfo = defineMethod({
  name: "getconsensusinfo",
  summary: "How many masternodes are active now, and how many of them decide.",
  params: {},
  result: Schema.Struct({ masternodes: Count, quorum: Count, type: Schema.String }),
  errors: [],
  run: Effect.fnUntraced(function* () {
    const registry = yield* MasternodeRegistry
    const now = toUnixSeconds(yield* Clock.currentTimeMillis)
    const { length } = registry.activeAt(now)
    return { masternodes: length, quorum: quorum(length), type: "BFT" }
  })
})

export const getattestationstats = defineMethod({
  name: "getattestationstats",
  summary: "Heartbeats of the last hour, and how many of them others have attested.",
  params: {},
  result: Schema.Struct({
    pending_heartbeats: Count,
    total_heartbeats: Count,
    total_verified_count: Count.annotate({ description: "verified since they are known, of all masternodes" }),
    unique_masternodes: Count,
    verification_rate: Schema.Number.annotate({ description: "percent" }),
    verified_heartbeats: Count
  }),
  errors: [],
  run: Effect.fnUntraced(function* () {
    const registry = yield* MasternodeRegistry
    const heartbeats = yield* registry.heartbeats
    const known = yield* registry.list
    const verified = heartbeats.filter(isVerified).length
    return {
      pending_heartbeats: heartbeats.length - verified,
      total_heartbeats: heartbeats.length,
      total_verified_count: known.reduce((sum, { verifiedHeartbeats }) => sum + verifiedHeartbeats, 0),
      unique_masternodes: new Set(heartbeats.map(({ peer }) => peer)).size,
      verification_rate: heartbeats.length === 0 ? 0 : (100 * verified) / heartbeats.length,
      verified_heartbeats: verified
    }
  })
})

export const getheartbeathistory = defineMethod({
  name: "getheartbeathistory",
  summary: "The latest heartbeats of a masternode, newest first, and who attested them.",
  params: {
    address: PeerParam,
    limit: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Limits.HEARTBEATS_KEPT })).annotate({
        description: `how many, 10 when left out, ${Limits.HEARTBEATS_KEPT} at most`
      })
    )
  },
  result: Schema.Struct({
    address: Schema.String,
    latest_sequence: Schema.NullOr(Sequence),
    recent_heartbeats: Schema.Array(
      Schema.Struct({
        sequence: Sequence,
        timestamp: SecondsResult,
        unique_witnesses: Count,
        verified: Schema.Boolean,
        witness_count: Count,
        witnesses: Schema.Array(Schema.String)
      })
    ),
    total_verified_heartbeats: Count
  }),
  errors: [],
  run: Effect.fnUntraced(function* ({ address, limit }) {
    const registry = yield* MasternodeRegistry
    const peer = namedPeer(address)
    const known = (yield* registry.list).find((masternode) => masternode.peer === peer)
    const heartbeats = (yield* registry.heartbeats).filter((heartbeat) => heartbeat.peer === peer)
    return {
      address: peer,
      latest_sequence: known?.lastHeartbeat?.sequenceNumber ?? null,
      recent_heartbeats: heartbeats.slice(0, limit ?? 10).map(described),
      total_verified_heartbeats: known?.verifiedHeartbeats ?? 0
    }
  })
})

// --- internal ---

const statusText: Readonly<Record<KnownMasternode["status"], string>> = {
  active: "active",
  silent: "silent",
  unproven: "unproven: heartbeat key differs from the announced one",
  hinted: "hinted"
}

/** A witness counts once, so that their number is that of different ones. */
const described = (heartbeat: CountedHeartbeat) => ({
  sequence: heartbeat.sequence,
  timestamp: heartbeat.timestamp,
  unique_witnesses: heartbeat.witnesses.length,
  verified: isVerified(heartbeat),
  witness_count: heartbeat.witnesses.length,
  witnesses: heartbeat.witnesses
})
