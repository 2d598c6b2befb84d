/**
 * Ways to have one of many peers answer: as the node does it, and candidates for it that are only measured here.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Policies from "../../src/peer/Policies.ts"
import { NoPeerAnswered, type PeerAnswer, requestAny } from "../../src/peer/RequestAny.ts"
import { Exchange, type Request } from "../../src/protocol/Exchange.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { PeerRegistry, type RequestError, type RequestPolicy } from "../../src/services/PeerRegistry.ts"
import { RecentTimes, SmoothedTimes } from "./AnswerTimes.ts"

type Registry = PeerRegistry["Service"]
type Ask = (request: Request) => Effect.Effect<PeerAnswer<Request>, NoPeerAnswered>

/** Each call starts without any knowledge of the peers. */
export const strategies: Readonly<Record<string, (registry: Registry) => Ask>> = {
  fixed: (registry) => inTurn(registry),
  "adaptive, at least 1 s": (registry) => inTurn(adaptive(registry, 1_000)),
  "adaptive, at least 0.2 s": (registry) => inTurn(adaptive(registry, 200)),
  "second after p95": (registry) => hedged(registry),
  "second after p95, one in ten": (registry) => hedged(registry, 0.1),
  "second after p95, adaptive": (registry) => hedged(adaptive(registry, 1_000)),
  "requestAny (second after 0.5 s)": (registry) => (request) =>
    Effect.provideService(requestAny(request), PeerRegistry, registry)
}

// --- internal ---

const inTurn =
  (registry: Registry): Ask =>
  (request) =>
    Effect.flatMap(asker(registry, request), (ask) => ask)

/**
 * Two askers that share a list of peers. The second begins when the first answer is later than 95 % of the others, for
 * no more than a share of the requests.
 */
const hedged = (registry: Registry, share = 1): Ask => {
  const recent = new RecentTimes()
  let allowed = 0
  return (request) =>
    Effect.gen(function* () {
      const ask = yield* asker(registry, request, (millis) => recent.add(millis))
      const late = recent.percentile95
      allowed = Math.min(10, allowed + share)
      if (!Exchange[request._tag].idempotent || late === undefined) return yield* ask
      const second = Effect.suspend(() => {
        if (allowed < 1) return new NoPeerAnswered({ request: request._tag, reasons: [] })
        allowed--
        return ask
      })
      return yield* Effect.race(ask, Effect.delay(second, Duration.millis(late)))
    })
}

/** Asks one peer after the other, each for the fixed time; when it is run twice, both take from the same list. */
const asker = (registry: Registry, request: Request, answered: (millis: number) => void = () => {}) =>
  Effect.map(registry.peers, (peers) => {
    const left = peers.toSorted((one, other) => one.ping! - other.ping!)
    const reasons: Array<RequestError["reason"]> = []
    return Effect.gen(function* () {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const began = yield* Clock.currentTimeMillis
        const policy = Policies.once(Exchange[request._tag].timeout)
        const result = yield* Effect.result(registry.request(next.peer, request, policy))
        if (Result.isSuccess(result)) {
          answered((yield* Clock.currentTimeMillis) - began)
          return { peer: next.peer, answer: result.success }
        }
        reasons.push(result.failure.reason)
      }
      return yield* new NoPeerAnswered({ request: request._tag, reasons })
    })
  })

/** The registry with every timeout shortened to what the peer's answers so far suggest. */
const adaptive = (registry: Registry, floor: number): Registry => {
  const times = new SmoothedTimes(floor)
  return watched(registry, {
    timeout: (peer, request, fixed) => times.timeout(peer, Exchange[request._tag].timeout, fixed),
    answered: (peer, request, millis) => times.answered(peer, Exchange[request._tag].timeout, millis),
    timedOut: (peer, request) => times.timedOut(peer, Exchange[request._tag].timeout)
  })
}

interface Watcher {
  readonly timeout: (peer: PeerId, request: Request, fixed: number) => number
  readonly answered: (peer: PeerId, request: Request, millis: number) => void
  readonly timedOut: (peer: PeerId, request: Request) => void
}

const watched = (registry: Registry, watcher: Watcher): Registry => ({
  ...registry,
  request: ((peer: PeerId, request: Request, policy: RequestPolicy) =>
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      const timeout = Duration.millis(watcher.timeout(peer, request, Duration.toMillis(policy.timeout)))
      const answer = yield* registry
        .request(peer, request, { timeout })
        .pipe(
          Effect.tapError(({ reason }) =>
            Effect.sync(() => (reason._tag === "RequestTimeout" ? watcher.timedOut(peer, request) : undefined))
          )
        )
      watcher.answered(peer, request, (yield* Clock.currentTimeMillis) - began)
      return answer
    })) as Registry["request"]
})
