/**
 * A timenode and a real `timed` have one connection, whatever happens to them.
 *
 * Eight pairs, of both builds, in which one side dials by itself or both do, live through 25 rounds each, on a clock 20
 * times faster and under the policies of production. A round is a situation drawn by the seed, then the proof: one
 * established socket at each end, and the same connection in our registry, and that it stays so, and answers. During a
 * round two connections may stand for as long as the rules settle which stays, and no longer. `SEED=n` draws the
 * situations of that seed again; processes keep no order, so that a failure may need several tries.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { loopbackNet } from "../support/loopback.ts"
import { randomFrom } from "../peer/Schedules.ts"
import { type Dialler, type Pair, pair } from "./Pair.ts"
import type { TimedBuild } from "./Processes.ts"
import { sharedFile } from "./Shared.ts"
import { type Situation, situations } from "./Situations.ts"
import { connectionName, isDiallerOf } from "./Sockets.ts"

const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000_000))
const SPEED = 20
const ROUNDS = 25

/** Milliseconds until there must be one connection: the longest pause between dials is 300 s ± 20 % of node time. */
const LIMIT = 25_000
/** Two may stand for 20 s of node time: a handshake, a probe and the tie-break. The rest is for a busy machine. */
const DOUBLE_LIMIT = 3_000
/** One connection for so long is one that stays. Longer than two may coexist. */
const HOLD = 500
const LOOK = 100
/** A session of 60 s of node time counts as a success, and dials begin anew with the shortest pause. */
const SETTLED = 3_200

const pairs: ReadonlyArray<readonly [TimedBuild, Dialler]> = [
  ["1e6d414", "timenode"],
  ["1e6d414", "timed"],
  ["1e6d414", "both"],
  ["1e6d414", "both"],
  ["e9e4319", "timenode"],
  ["e9e4319", "timed"],
  ["e9e4319", "both"],
  ["e9e4319", "both"]
]

interface Round {
  readonly situation: string
  /** Milliseconds from the end of the situation until there was one connection to stay. */
  readonly took: number
  /** Milliseconds for which two stood. */
  readonly double: number
  /** True when connections came into being from both sides. */
  readonly crossed: boolean
}

describe.skipIf(sharedFile("peer/timed-e9e4319") === null)("one connection with a timed", () => {
  it.live(
    `after each of ${pairs.length * ROUNDS} rounds`,
    () =>
      Effect.gen(function* () {
        console.log(`seed ${SEED}`)
        const net = yield* loopbackNet
        const clock = { epoch: 1_764_547_230, anchor: Math.floor(Date.now() / 1000), speed: SPEED }
        const began = yield* Clock.currentTimeMillis
        // Two at a time: a starting program takes a core for a second or two.
        const started = yield* Effect.forEach(
          pairs,
          ([build, dialler], index) =>
            pair({ ours: net.ip(2 * index + 2), theirs: net.ip(2 * index + 3), build, dialler, clock }),
          { concurrency: 2 }
        )
        const rounds = yield* Effect.forEach(
          started,
          (each, index) => live(each, randomFrom(SEED * pairs.length + index)),
          { concurrency: "unbounded" }
        )
        const all = rounds.flat()
        console.log(summary(all, (yield* Clock.currentTimeMillis) - began))
        assert.strictEqual(all.length, pairs.length * ROUNDS)
        // Without collisions nothing would have been shown.
        assert.isAbove(all.filter(({ crossed }) => crossed).length, all.length / 20)
      }).pipe(Effect.scoped),
    900_000
  )
})

// --- internal ---

const live = Effect.fnUntraced(function* (pair: Pair, random: () => number) {
  const rounds: Array<Round> = []
  const name = `${pair.build}, ${pair.dialler} dials`
  yield* proveOne(pair, `${name}, at the start`)
  const possible = situations.filter(({ suits }) => suits(pair))
  for (let round = 1; round <= ROUNDS; round++) {
    const situation = possible[Math.floor(random() * possible.length)]!
    rounds.push(yield* Effect.scoped(play(pair, situation, random, `${name}, round ${round}: ${situation.name}`)))
    if (random() < 0.5) yield* Effect.sleep(SETTLED)
  }
  return rounds
})

const play = Effect.fnUntraced(function* (pair: Pair, situation: Situation, random: () => number, where: string) {
  const watch: Watch = { double: 0, before: new Set(pair.sockets().all.map(connectionName)), diallers: new Set() }
  yield* Effect.forkScoped(watchSockets(pair, watch))
  yield* situation.happen(pair, random)
  const took = yield* proveOne(pair, where)
  assert.isAtMost(watch.double, DOUBLE_LIMIT, `${where}: two connections, in ms`)
  return { situation: situation.name, took, double: watch.double, crossed: watch.diallers.size === 2 } satisfies Round
})

/** Waits until there is one connection that stays and answers. How long that took. */
const proveOne = Effect.fnUntraced(function* (pair: Pair, where: string) {
  const began = yield* Clock.currentTimeMillis
  let since = began
  let held: string | undefined
  let answers = false
  while (true) {
    const { is, seen } = yield* look(pair)
    const now = yield* Clock.currentTimeMillis
    if (is === undefined || is !== held) {
      held = is
      since = now
      answers = false
    } else if (now - since >= HOLD) {
      // At e9e4319 a connection that we dialled answers nothing, and nothing can be proven by asking.
      answers ||= (pair.build === "e9e4319" && is.startsWith("outbound")) || (yield* pair.ping)
      if (answers) return since - began
    }
    if (now - began > LIMIT) {
      return yield* Effect.die(new Error(`SEED=${SEED}, ${where}: ${seen}\n${pair.log().slice(-60).join("\n")}`))
    }
    yield* Effect.sleep(LOOK)
  }
})

/** The one connection, if both sides see one and the same, and what is seen. */
const look = Effect.fnUntraced(function* (pair: Pair) {
  const peers = yield* pair.peers
  const { ours, theirs } = pair.sockets()
  const [peer] = peers
  const one = peers.length === 1 && ours.length === 1 && theirs.length === 1
  const isSame = one && ours[0]!.remotePort === peer!.port && theirs[0]!.localPort === peer!.port
  return {
    is: isSame ? `${peer!.direction} ${peer!.generation}` : undefined,
    seen: JSON.stringify({ peers, ours, theirs })
  }
})

interface Watch {
  /** The longest time for which our end had more than one, while both could act, in milliseconds. */
  double: number
  /** What there was when the round began. */
  readonly before: ReadonlySet<string>
  /** The addresses that have dialled since. */
  readonly diallers: Set<string>
}

const watchSockets = Effect.fnUntraced(function* (pair: Pair, watch: Watch) {
  let since: number | undefined
  while (true) {
    const now = yield* Clock.currentTimeMillis
    const { all, ours } = pair.sockets()
    for (const socket of all) {
      if (watch.before.has(connectionName(socket))) continue
      watch.diallers.add(isDiallerOf(pair.ours, socket) ? pair.ours : pair.theirs)
    }
    since = pair.isAwake() && ours.length > 1 ? (since ?? now) : undefined
    if (since !== undefined) watch.double = Math.max(watch.double, now - since)
    yield* Effect.sleep(LOOK)
  }
})

const summary = (rounds: ReadonlyArray<Round>, elapsed: number): string => {
  const lines = situations.map(({ name }) => {
    const own = rounds.filter(({ situation }) => situation === name)
    const took = own.map(({ took }) => took).sort((a, b) => a - b)
    const double = Math.max(0, ...own.map(({ double }) => double))
    const median = took[took.length >> 1] ?? 0
    const crossed = own.filter(({ crossed }) => crossed).length
    return (
      `  ${name}: ${own.length} rounds, dialled from both sides in ${crossed}; one connection after ${median} ms ` +
      `(median), ${took.at(-1) ?? 0} ms (longest); two for ${double} ms at most`
    )
  })
  return [`${rounds.length} rounds in ${Math.round(elapsed / 1000)} s`, ...lines].join("\n")
}
