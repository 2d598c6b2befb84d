/**
 * Methods about bans.
 */
import { toUnixSeconds } from "../../protocol/Integer.ts"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Limits from "../../protocol/Limits.ts"
import { PeerGuard, BanReason } from "../../services/PeerGuard.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import { namedPeer, PeerParam, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { rpcError } from "../RpcError.ts"

/** A lifetime, in seconds. */
const LONGEST_BAN = 2 ** 31 - 1

export const listbanned = defineMethod({
  name: "listbanned",
  summary: "The peers that may not connect.",
  params: {},
  result: Schema.Array(
    Schema.Struct({
      address: Schema.String,
      ban_created: SecondsResult,
      banned_until: SecondsResult,
      reason: BanReason.annotate({ description: "misbehaving: for its offences; manual: by the operator" })
    })
  ),
  errors: [],
  run: () =>
    Effect.flatMap(PeerGuard, (guard) =>
      Effect.map(guard.bans, (bans) =>
        bans.map(({ peer, reason, since, until }) => ({
          address: peer,
          ban_created: toUnixSeconds(since),
          banned_until: toUnixSeconds(until),
          reason
        }))
      )
    )
})

export const setban = defineMethod({
  name: "setban",
  summary: "Bans a peer and closes its connection, or ends its ban.",
  params: {
    address: PeerParam,
    command: Schema.Literals(["add", "remove"]).annotate({ description: "add or remove" }),
    seconds: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: LONGEST_BAN })).annotate({
        description: "how long, a day when 0 or left out"
      })
    )
  },
  result: Schema.Null,
  errors: ["InvalidValue", "NotFound"],
  run: Effect.fnUntraced(function* (params) {
    const guard = yield* PeerGuard
    const registry = yield* PeerRegistry
    const peer = namedPeer(params.address)
    if (params.command === "remove") {
      if (yield* guard.lift(peer)) return null
      return yield* rpcError("NotFound", `Not banned: ${peer}`)
    }
    const milliseconds = (params.seconds ?? 0) * 1_000
    yield* guard
      .ban(peer, milliseconds === 0 ? Limits.MANUAL_BAN_DURATION : milliseconds)
      .pipe(
        Effect.mapError(() =>
          rpcError(
            "InvalidValue",
            `${peer} is among the configured peers, which cannot be banned; take it out of the configuration first`
          )
        )
      )
    yield* registry.disconnect(peer, "banned")
    return null
  })
})

export const clearbanned = defineMethod({
  name: "clearbanned",
  summary: "Ends all bans.",
  params: {},
  result: Schema.Null,
  errors: [],
  run: () => Effect.flatMap(PeerGuard, (guard) => Effect.as(guard.clear, null))
})

// --- internal ---
