/**
 * Asking one peer, and on failure or silence the next, until one answers.
 *
 * Peers are asked one after the other, so that a question costs the network one answer. Only where an answer is quick to
 * give and harmless to ask for twice is a second peer asked beside one that is slow, and never a third
 * (docs/decisions/0007-asking-again.md). What may do harm when it is repeated goes to another peer only when the last
 * one cannot have got it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { answers, Exchange, type Request, type ResponseOf } from "../protocol/Exchange.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { type PeerInfo, PeerRegistry, RequestError, type RequestPolicy } from "../services/PeerRegistry.ts"
import * as Policies from "./Policies.ts"

/** No peer answered: why, for each that was asked, in the order they failed. A retry can help later, or when peers have come. */
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
    const left = candidates(yield* registry.peers, request, options.peers)
    const ask: Effect.Effect<PeerAnswer<R>, Unanswered> = Effect.gen(function* () {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const result = yield* Effect.result(registry.request(next.peer, request, policy))
        if (Result.isSuccess(result)) return { peer: next.peer, answer: result.success }
        const { reason } = result.failure
        reasons.push(reason)
        if (!idempotent && mayHaveArrived(reason)) break
      }
      return yield* Effect.fail(UNANSWERED)
    })
    const answer = idempotent && timeout === "quick" ? withSecond(ask) : ask
    return yield* Effect.catch(answer, () => new NoPeerAnswered({ request: request._tag, reasons }))
  })

// --- internal ---

type Unanswered = typeof UNANSWERED
const UNANSWERED = "unanswered" as const

/**
 * Has the same done a second time beside the first, when that takes long. Both take peers from one list, so that none is
 * asked twice; the first answer interrupts the other.
 */
const withSecond = <A>(ask: Effect.Effect<A, Unanswered>): Effect.Effect<A, Unanswered> =>
  Effect.scoped(
    Effect.gen(function* () {
      const first = yield* Effect.forkScoped(ask, { startImmediately: true })
      const early = yield* Effect.timeoutOption(Fiber.await(first), Policies.secondPeer)
      return yield* Option.isSome(early) ? early.value : Effect.race(Fiber.join(first), ask)
    })
  )

const candidates = (
  connected: ReadonlyArray<PeerInfo>,
  request: Request,
  among: ReadonlyArray<PeerId> | undefined
): Array<PeerInfo> => {
  const eligible = among && new Set(among)
  return connected
    .filter((info) => answers(info, request) && (eligible === undefined || eligible.has(info.peer)))
    .sort((one, other) => delay(one) - delay(other))
}

/** A peer without a pong yet comes after those that gave one. */
const delay = ({ ping }: PeerInfo): number => ping ?? Number.MAX_SAFE_INTEGER

const mayHaveArrived = ({ _tag }: RequestError["reason"]): boolean =>
  _tag !== "PeerNotConnected" && _tag !== "SendQueueFull"
