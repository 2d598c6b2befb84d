/**
 * Asking one peer, and on failure the next, until one answers.
 *
 * Peers are asked one after the other and never two at once, so that a question costs the network one answer. What may
 * do harm when it is repeated goes to another peer only when the last one cannot have got it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { answers, Exchange, type Request, type ResponseOf } from "../protocol/Exchange.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { type PeerInfo, PeerRegistry, RequestError, type RequestPolicy } from "../services/PeerRegistry.ts"
import * as Policies from "./Policies.ts"

/** No peer answered: why, for each that was asked, in that order. A retry can help later, or when peers have come. */
export class NoPeerAnswered extends Schema.TaggedError<NoPeerAnswered>()("NoPeerAnswered", {
  request: Schema.String,
  /** Each names its peer. Empty when no connected peer answers this kind of request. */
  reasons: Schema.Array(RequestError.fields.reason)
}) {}

export interface RequestAnyOptions {
  /** Whom to choose from. Absent: all connected peers. */
  readonly peers?: ReadonlyArray<PeerId>
  /** For each peer. Absent: one try, as long as the class of the exchange allows. */
  readonly policy?: RequestPolicy
}

export interface PeerAnswer<R extends Request> {
  readonly peer: PeerId
  readonly answer: ResponseOf<R>
}

/** The first answer that a peer gives; those with the shortest ping are asked first. */
export const requestAny = <R extends Request>(
  request: R,
  options: RequestAnyOptions = {}
): Effect.Effect<PeerAnswer<R>, NoPeerAnswered, PeerRegistry> =>
  Effect.gen(function* () {
    const registry = yield* PeerRegistry
    const { idempotent, timeout } = Exchange[request._tag]
    const policy = options.policy ?? Policies.once(timeout)
    const reasons: Array<RequestError["reason"]> = []
    for (const { peer } of candidates(yield* registry.peers, request, options.peers)) {
      const result = yield* Effect.result(registry.request(peer, request, policy))
      if (Result.isSuccess(result)) return { peer, answer: result.success }
      const { reason } = result.failure
      reasons.push(reason)
      if (!idempotent && mayHaveArrived(reason)) break
    }
    return yield* new NoPeerAnswered({ request: request._tag, reasons })
  })

// --- internal ---

const candidates = (
  connected: ReadonlyArray<PeerInfo>,
  request: Request,
  among: ReadonlyArray<PeerId> | undefined
): ReadonlyArray<PeerInfo> => {
  const eligible = among && new Set(among)
  return connected
    .filter((info) => answers(info, request) && (eligible === undefined || eligible.has(info.peer)))
    .sort((one, other) => delay(one) - delay(other))
}

/** A peer without a pong yet comes after those that gave one. */
const delay = ({ ping }: PeerInfo): number => ping ?? Number.MAX_SAFE_INTEGER

const mayHaveArrived = ({ _tag }: RequestError["reason"]): boolean =>
  _tag !== "PeerNotConnected" && _tag !== "SendQueueFull"
