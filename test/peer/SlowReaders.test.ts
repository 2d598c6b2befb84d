/**
 * Peers that ask and never read: what they cost the others, over real sockets and with a node's own layers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startNode } from "../support/hostile/NodeProcess.ts"
import { type Crowd, PeersProcess } from "../support/hostile/PeersProcess.ts"
import { loopbackNet } from "../support/loopback.ts"

const ROUNDS = 5
const ROUND_MILLIS = 250
/** For the stuck ones to pile up what they ask for. */
const PILE_UP_MILLIS = 150

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const start = (crowd: Crowd) =>
  Effect.acquireRelease(
    Effect.promise(() => PeersProcess.start(crowd)),
    (peers) => Effect.promise(() => peers.stop())
  )

/** A network of clients, three octets. */
const clientNet = Effect.map(loopbackNet, (net) => net.ip(1).split(".").slice(0, 3).join("."))

describe("peers that never read", () => {
  it.live("leave the others at least half of what they had", () =>
    Effect.gen(function* () {
      const target = yield* startNode((yield* loopbackNet).ip(1))
      const honest = yield* start({ target, net: yield* clientNet, peers: 20 })
      const measure = Effect.promise(() => honest.measure(ROUND_MILLIS))
      const alone: Array<number> = []
      const beside: Array<number> = []
      for (let round = 0; round < ROUNDS; round++) {
        alone.push((yield* measure).perSecond)
        const { lost, perSecond } = yield* Effect.scoped(
          Effect.gen(function* () {
            const bad = yield* start({ target, net: yield* clientNet, peers: "blocks" })
            yield* Effect.sleep(PILE_UP_MILLIS)
            const served = yield* measure
            assert.strictEqual((yield* Effect.promise(() => bad.fate())).joined, 20)
            return served
          })
        )
        assert.strictEqual(lost, 0)
        beside.push(perSecond)
      }
      const share = median(beside) / median(alone)
      assert.isAtLeast(share, 0.5, `alone ${alone.map(Math.round)}, beside ${beside.map(Math.round)}`)
    }).pipe(Effect.scoped)
  )
})
