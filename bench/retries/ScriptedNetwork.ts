/**
 * Eight peers that answer after scripted times, as a registry on Effect's clock.
 *
 * A peer works on one request after the other and answers in that order, as nodes do: a long piece of work, of whoever's
 * asking, delays every answer behind it, and so does a request whose asker has left.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Policies from "../../src/peer/Policies.ts"
import { Exchange, type Request } from "../../src/protocol/Exchange.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { PeerRegistry, RequestError, type RequestPolicy, RequestTimeout } from "../../src/services/PeerRegistry.ts"
import { peer, peerInfo } from "../../test/peer/Fixture.ts"

export interface PeerScript {
  /** Median time on the way, of a log-normal distribution; milliseconds, like all here. */
  readonly median: number
  /** What its pings show. Absent: the median. */
  readonly ping?: number
  /** Share of requests that are never answered. */
  readonly silence?: number
  /** Least and most work for a request. */
  readonly work?: readonly [number, number]
  /** Least and most work once a minute for our own round: the UTXO hash of a `timed`. */
  readonly round?: readonly [number, number]
}

export class ScriptedNetwork {
  asked = 0
  /** Timeouts of requests whose answer would have come within the fixed time. */
  wrongTimeouts = 0
  readonly layer: Layer.Layer<PeerRegistry>

  constructor(scripts: ReadonlyArray<PeerScript>, seed: number) {
    const peers = scripts.map((script, index) =>
      peerInfo({ peer: peer(index + 1), direction: "outbound", ping: script.ping ?? script.median })
    )
    const answering = new Map(
      peers.map(({ peer }, index) => [peer, new Answering(scripts[index]!, seed * 100 + index)])
    )
    this.layer = Layer.effect(
      PeerRegistry,
      Effect.map(PeerRegistry, (registry) => ({
        ...registry,
        peers: Effect.succeed(peers),
        request: ((to: PeerId, request: Request, policy: RequestPolicy) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            this.asked++
            const takes = answering.get(to)!.ask(now) - now
            const timeout = Duration.toMillis(policy.timeout)
            if (takes <= timeout) return Effect.delay(Effect.succeed({}), Duration.millis(takes))
            const fixed = Duration.toMillis(Policies.request[Exchange[request._tag].timeout].timeout)
            const fail = Effect.suspend(() => {
              if (takes <= fixed) this.wrongTimeouts++
              return new RequestError({ reason: new RequestTimeout({ peer: to, request: request._tag }) })
            })
            return Effect.delay(fail, policy.timeout)
          })) as PeerRegistry["Service"]["request"]
      }))
    ).pipe(Layer.provide(PeerRegistry.layerTest()))
  }
}

/** Numbers in [0, 1), the same for the same seed. */
export const randomFrom = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
  }
}

// --- internal ---

const SIGMA = 0.5

class Answering {
  private readonly script: PeerScript
  private readonly random: () => number
  private busyUntil = 0
  private lastAnswer = 0
  private nextRound: number

  constructor(script: PeerScript, seed: number) {
    this.script = script
    this.random = randomFrom(seed)
    this.nextRound = this.random() * 60_000
  }

  /** When the answer to a request of this moment comes. */
  ask(now: number): number {
    const { median, round, silence = 0, work } = this.script
    for (; round !== undefined && this.nextRound <= now; this.nextRound += 60_000) this.labour(this.nextRound, round)
    if (this.random() < silence) return Infinity
    this.labour(now, work ?? [0, 0])
    const normal = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random())
    this.lastAnswer = Math.max(this.lastAnswer, this.busyUntil + median * Math.exp(SIGMA * normal))
    return this.lastAnswer
  }

  private labour(from: number, [least, most]: readonly [number, number]): void {
    this.busyUntil = Math.max(this.busyUntil, from) + least + this.random() * (most - least)
  }
}
