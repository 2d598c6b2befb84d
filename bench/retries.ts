/**
 * How long it takes until one of eight peers has answered, and how many are asked for that, when timeouts are fixed,
 * adapt to each peer, or a second peer is asked early:
 *
 *   npm run bench -- retries [--requests 3000] [--seed 1]
 *
 * Everything runs on a virtual clock, so that the same seed gives the same figures on any machine.
 */
import { parseArgs } from "node:util"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { Exchange, type Request } from "../src/protocol/Exchange.ts"
import { height } from "../src/protocol/Height.ts"
import { PeerRegistry } from "../src/services/PeerRegistry.ts"
import { type PeerScript, randomFrom, ScriptedNetwork } from "./retries/ScriptedNetwork.ts"
import { strategies } from "./retries/Strategies.ts"

const { values: flags } = parseArgs({
  options: { requests: { type: "string", default: "3000" }, seed: { type: "string", default: "1" } }
})
const requests = Number(flags.requests)
const seed = Number(flags.seed)

/**
 * Mean time between two requests, milliseconds. The next does not wait for the answer to the last, since else a strategy
 * that is stuck would be asked less, and look better for it.
 */
const interval = { quick: 1_000, normal: 60_000, bulk: 20_000 }

const hash: Request = { _tag: "GetBlockHash", height: height(9) }
const utxoHash: Request = { _tag: "GetUTXOStateHash" }
const blocks: Request = { _tag: "GetBlocks", start: height(1), end: height(101) }

const mixed: ReadonlyArray<PeerScript> = [5, 5, 50, 50, 50, 200, 200, 200].map((median) => ({ median }))
/** The nearest peer, which is asked first, and the usual ones after it. */
const nearest = (...odd: ReadonlyArray<PeerScript>): ReadonlyArray<PeerScript> => [
  ...odd.map((script) => ({ ping: 1, ...script })),
  ...mixed.slice(odd.length)
]
const slow: PeerScript = { median: 1_500 }
const stalling: PeerScript = { median: 5, silence: 0.05 }
const dead: PeerScript = { median: 5, silence: 1 }
const with101Blocks = (script: PeerScript): PeerScript => ({ ...script, work: [200, 3_000] })
const timed = (script: PeerScript): PeerScript => ({ ...script, work: [2_000, 20_000] })

const networks: ReadonlyArray<readonly [string, Request, ReadonlyArray<PeerScript>]> = [
  ["hash, all near", hash, mixed.map(() => ({ median: 5 }))],
  ["hash, mixed", hash, mixed],
  ["hash, all far", hash, mixed.map(() => ({ median: 200 }))],
  ["hash, all slow", hash, mixed.map(() => slow)],
  ["hash, nearest slow", hash, nearest(slow)],
  ["hash, nearest stalls 5 %", hash, nearest(stalling)],
  ["hash, all stall 5 %", hash, mixed.map((script) => ({ ...script, silence: 0.05 }))],
  ["hash, nearest dead", hash, nearest(dead)],
  ["hash, dead, stalling, slow", hash, nearest(dead, stalling, slow)],
  ["hash, timeds at work", hash, mixed.map((script) => ({ ...script, round: [2_000, 20_000] as const }))],
  ["UTXO hash, timeds", utxoHash, mixed.map(timed)],
  ["UTXO hash, nearest dead", utxoHash, nearest(dead, ...mixed.slice(1).map(timed))],
  ["blocks, mixed", blocks, mixed.map(with101Blocks)],
  ["blocks, all stall 5 %", blocks, mixed.map((script) => with101Blocks({ ...script, silence: 0.05 }))]
]

const measure = (request: Request, scripts: ReadonlyArray<PeerScript>, strategy: keyof typeof strategies) =>
  Effect.gen(function* () {
    const network = new ScriptedNetwork(scripts, seed)
    const random = randomFrom(seed)
    const times: Array<number> = []
    let failed = 0
    const load = Effect.gen(function* () {
      const ask = strategies[strategy]!(yield* PeerRegistry)
      const one = Effect.gen(function* () {
        const began = yield* Clock.currentTimeMillis
        if ((yield* Effect.exit(ask(request)))._tag === "Failure") failed++
        times.push((yield* Clock.currentTimeMillis) - began)
      })
      const asking: Array<Fiber.Fiber<void>> = []
      for (let n = 0; n < requests; n++) {
        yield* Effect.sleep(-Math.log(1 - random()) * interval[Exchange[request._tag].timeout])
        asking.push(yield* Effect.forkChild(one))
      }
      yield* Fiber.awaitAll(asking)
    }).pipe(Effect.provide(network.layer))
    const fiber = yield* Effect.forkChild(load)
    // Far more than the longest run: the clock goes from event to event.
    yield* TestClock.adjust("3650 days")
    yield* Fiber.join(fiber)
    times.sort((a, b) => a - b)
    const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))]!)
    return {
      median: at(0.5),
      p95: at(0.95),
      p99: at(0.99),
      max: at(1),
      "requests/answer": (network.asked / (requests - failed)).toFixed(2),
      "wrong timeouts": network.wrongTimeouts,
      "no answer": failed
    }
  }).pipe(Effect.provide(TestClock.layer()))

for (const [name, request, scripts] of networks) {
  console.log(`\n${name}`)
  const rows: Record<string, unknown> = {}
  for (const strategy of Object.keys(strategies)) {
    rows[strategy] = await Effect.runPromise(measure(request, scripts, strategy))
  }
  console.table(rows)
}
