/**
 * Two nodes have one connection, the same one, whatever the order in which things happen to them.
 *
 * All orders are tried of everything that two pools do which dial each other, with one disturbance at every point of
 * it, or two pauses; with more, and of whole nodes with real sessions, orders are drawn by seed. Of the pools, whose
 * sessions are a script, it holds after every step that no more than two connections stand, that two stand no longer
 * than they may coexist, that the peer is claimed while one stands, and that no question waits past its deadline; in the
 * end, that one is left, and no question that waits for a closed connection.
 *
 * No stall shorter than a handshake may take costs both: of those schedules one is left though nobody dials again, and
 * as soon as all is delivered. A longer one ends handshakes, or makes a connection look dead; the next dial mends that.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { Claims } from "../../src/layers/registry/Claims.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import * as PeerSession from "../../src/peer/PeerSession.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { peer } from "./Fixture.ts"
import { HeldHub } from "./HeldHub.ts"
import { everySchedule, failedAfter, randomFrom, replay, someSchedules } from "./Schedules.ts"
import { type Budget, TwoPools } from "./TwoPools.ts"

const EACH_DIALS = { A: 1, B: 1 }
const A_DIALS_TWICE = { A: 2, B: 0 }
/** In seconds: longer than a handshake and the coexistence of two connections, and than a silent one is trusted. */
const PAUSES = [6, 16, 40]

/** Name, what may happen, and the least number of schedules that makes: few would mean that little can happen. */
const families: ReadonlyArray<readonly [string, Budget, number]> = [
  ["line by line, and nobody dials again", { dials: EACH_DIALS, isFinal: true }, 4_000],
  [
    "with two pauses anywhere, and nobody dials again",
    { dials: EACH_DIALS, isTogether: true, pauses: [1, 4], mostPauses: 2, isFinal: true },
    10_000
  ],
  ["with a long pause anywhere", { dials: EACH_DIALS, isTogether: true, pauses: PAUSES, mostPauses: 1 }, 1_500],
  ["with a link that breaks anywhere", { dials: EACH_DIALS, isTogether: true, breaks: 1 }, 2_000],
  ["with a link that dies anywhere", { dials: EACH_DIALS, isTogether: true, deaths: 1 }, 350]
]

describe("two pools that dial each other", () => {
  // Both dial as often, so that the mirror image of each schedule, where B has the lower id, is tried as well.
  for (const [name, budget, count] of families) {
    it(`end with one connection: ${name}`, () => {
      assert.isAtLeast(
        everySchedule(() => new TwoPools(budget)),
        count
      )
    })
  }

  it("end with one connection: line by line with a pause somewhere, and nobody dials again", () => {
    // Of 50,960 schedules: too many to try all of them each time.
    someSchedules(10_000, () => new TwoPools({ dials: EACH_DIALS, pauses: [6], mostPauses: 1, isFinal: true }))
  })

  it("end with one connection after many dials, pauses, breaks and deaths", () => {
    someSchedules(
      500,
      () =>
        new TwoPools({
          dials: { A: 3, B: 3 },
          pauses: PAUSES,
          mostPauses: 3,
          breaks: 2,
          deaths: 1
        })
    )
  })
})

describe("two pools that dialled each other at the same time, and then a line was held up", () => {
  /** Each side used to keep the older of its own, and so closed the one that the other kept. */
  it("keep the connection that the lower id dialled, though it was acknowledged late", () => {
    const steps = ["A dials", "B dials", "1 to B", "2 to A", "2 to B", "2 to A", "6 s", "1 to A", "1 to B", "2 to A"]
    const start = () => new TwoPools({ dials: EACH_DIALS, isTogether: true, pauses: [6], mostPauses: 1, isFinal: true })
    replay(start, steps)
  })
})

describe("a pool that dials again", () => {
  for (const [name, disturbance, count] of [
    ["breaks", { breaks: 1 }, 400],
    ["dies, and a pause", { deaths: 1, pauses: [40], mostPauses: 1 }, 1_200]
  ] as const) {
    it(`gets in, or keeps what it has, when its link ${name}`, () => {
      const budget = { dials: A_DIALS_TWICE, isTogether: true, ...disturbance }
      assert.isAtLeast(
        everySchedule(() => new TwoPools(budget)),
        count
      )
    })
  }
})

describe("the search", () => {
  it("finds the order in which each side closes the connection that the other keeps, and can show it again", () => {
    /** Refuses an acknowledged dial when the peer's own connection is no longer young. */
    const hasty = () => {
      const pools = new TwoPools({ dials: EACH_DIALS, isTogether: true, pauses: [6], mostPauses: 1, isFinal: true })
      for (const { pool } of Object.values(pools.sides)) {
        const { claims } = pool
        claims.standing = (newcomer, now) => {
          const standing = Claims.prototype.standing.call(claims, newcomer, now)
          return standing === "shared" && now - newcomer.registeredAt > 5_000 ? "taken" : standing
        }
      }
      return pools
    }
    const message = failure(() => everySchedule(hasty))
    const steps = JSON.parse(message.slice(message.lastIndexOf("["))) as ReadonlyArray<string>
    assert.strictEqual(
      failure(() => replay(hasty, steps)),
      message
    )
  })
})

const failure = (run: () => void): string => {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  return assert.fail("nothing was found")
}

describe("two whole nodes that dial each other", () => {
  it("end with one connection, however what they say is ordered", async () => {
    for (let seed = 0; seed < WHOLE; seed++) {
      await Effect.runPromise(
        Effect.scoped(wholeNodes(seed)).pipe(
          Effect.provide(TestClock.layer()),
          Effect.provideService(Scheduler.Scheduler, new Scheduler.MixedScheduler("sync")),
          Effect.provideService(References.MinimumLogLevel, "None")
        )
      )
    }
  })
})

// --- internal ---

/** Lets everything happen that needs no time: some ten turns, which cost most of what a schedule does. */
const settle = Effect.andThen(
  TestClock.adjust(0),
  Effect.forEach(Array.from({ length: 25 }), () => Effect.yieldNow, { discard: true })
)
const wait = (duration: Duration.Input) => Effect.andThen(TestClock.adjust(duration), settle)

/** Schedules of whole nodes, and the steps of each before both dial a last time. */
const WHOLE = 60
const STEPS = 30
const ADDRESSES = [1, 2] as const

/** One schedule of two nodes with real sessions, drawn by a seed. */
const wholeNodes = Effect.fnUntraced(function* (seed: number) {
  const hub = new HeldHub()
  const random = randomFrom(seed)
  const nodes = yield* Effect.forEach(ADDRESSES, (address) => startNode(hub, address))
  const steps: Array<string> = []
  const left = new Map(Object.entries({ "1 dials": 2, "2 dials": 2, breaks: 1, "1 s": 1, "6 s": 1, "40 s": 1 }))
  const spend = (kind: string): void => void left.set(kind, (left.get(kind) ?? 0) - 1)
  const isLeft = (kind: string): boolean => left.get(kind)! > 0

  /** Deliveries are drawn more often than what disturbs them, so that nodes get somewhere. */
  const choices = () => [
    ...Array.from(left.keys()).filter((kind) => kind !== "breaks" && isLeft(kind)),
    ...(isLeft("breaks") ? hub.up.map((link) => `${link} breaks`) : []),
    ...hub.underWay,
    ...hub.underWay
  ]
  const questions: Array<Fiber.Fiber<Exit.Exit<unknown, unknown>>> = []
  const ask = Effect.gen(function* () {
    for (const node of nodes) questions.push(yield* node.ask)
  })
  const take = Effect.fnUntraced(function* (step: string) {
    steps.push(step)
    const [subject, verb] = step.split(" ") as [string, string]
    if (verb === "to") return hub.deliver(step)
    spend(verb === "breaks" ? verb : step)
    yield* ask
    if (verb === "dials") yield* nodes[Number(subject) - 1]!.dial
    else if (verb === "breaks") hub.break(Number(subject))
    else yield* wait(`${Number(subject)} seconds`)
  })
  const deliverAll = Effect.gen(function* () {
    while (hub.underWay.length > 0) {
      for (const name of hub.underWay) hub.deliver(name)
      yield* settle
    }
  })

  yield* Effect.gen(function* () {
    for (let count = 0; count < STEPS; count++) {
      const now = choices()
      const step = now[Math.floor(random() * now.length)]
      if (step === undefined) break
      yield* take(step)
      yield* settle
    }
    for (const { dial } of nodes) {
      yield* dial
      for (let second = 0; second < 6; second++) {
        yield* deliverAll
        yield* wait("1 seconds")
      }
    }
    yield* deliverAll
    assert.deepStrictEqual(
      questions.filter((question) => question.pollUnsafe() === undefined),
      [],
      "a question still waits"
    )
    const [[one, ...more], [two, ...others]] = [yield* nodes[0]!.peers, yield* nodes[1]!.peers]
    assert.deepStrictEqual([more, others], [[], []])
    assert.sameMembers([one?.direction, two?.direction], ["inbound", "outbound"])
    for (const node of nodes) {
      const question = yield* node.ask
      yield* settle
      yield* deliverAll
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(question)), "the connection carries nothing")
    }
  }).pipe(Effect.catchDefect((defect) => Effect.die(failedAfter([`seed ${seed}`, ...steps], defect))))
})

const startNode = Effect.fnUntraced(function* (hub: HeldHub, address: (typeof ADDRESSES)[number]) {
  const services = Layer.mergeAll(
    MockNode.layer,
    NodeConfig.layerTest({ externalAddress: peer(address) }),
    NodeIdentity.layerTest({ nodeId: String(address).padStart(32, "0") }),
    hub.layer
  )
  const layer = Listener.layer.pipe(
    Layer.provideMerge(PeerHandler.layer),
    Layer.provideMerge(MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(services))),
    Layer.provideMerge(services)
  )
  // A memo map of its own, so that the two share no layer.
  const context = yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
  const other = peer(address === 1 ? 2 : 1)
  const registry = Context.get(context, PeerRegistry)
  return {
    peers: registry.peers,
    dial: Context.get(context, PeerNetwork)
      .dial({ peer: other, port: testnet.p2pPort })
      .pipe(
        Effect.flatMap(PeerSession.run),
        Effect.scoped,
        Effect.ignore,
        Effect.provideContext(context),
        Effect.forkScoped({ startImmediately: true })
      ),
    /** Asks the other node, and waits for the outcome in a fiber. */
    ask: Effect.forkScoped(Effect.exit(registry.request(other, { _tag: "GetBlockHeight" }, Policies.once("quick"))), {
      startImmediately: true
    })
  }
})
