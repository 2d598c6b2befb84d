import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Ask, RangePlan, type Source } from "../../src/peer/RangePlan.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { peer } from "./Fixture.ts"

const LATE = 2_000
const heights = (start: bigint, end: bigint): ReadonlyArray<bigint> =>
  Array.from({ length: Number(end - start) + 1 }, (_, index) => start + BigInt(index))
const source = (number: number, height: number): Source => ({ peer: peer(number), height: BigInt(height) })
const spans = (asks: ReadonlyArray<Ask>) => asks.map((ask) => [ask.peer, ask.start, ask.end])

describe("RangePlan", () => {
  it("spreads ranges over all that have them, two each, and no further than anybody goes", () => {
    const plan = new RangePlan<bigint>(1n)
    assert.deepStrictEqual(spans(plan.plan([source(1, 350), source(2, 350)], 0, LATE)), [
      [peer(1), 1n, 101n],
      [peer(2), 102n, 202n],
      [peer(1), 203n, 303n],
      [peer(2), 304n, 350n]
    ])
    assert.deepStrictEqual(plan.plan([source(1, 350), source(2, 350)], LATE - 1, LATE), [])
  })

  it("asks for no more ranges at once than the bound, not even late ones", () => {
    const plan = new RangePlan<bigint>(1n)
    const sources = heights(1n, 9n).map((number) => source(Number(number), 10_000))
    assert.strictEqual(plan.plan(sources, 0, LATE).length, Limits.SYNC_REQUESTS)
    assert.deepStrictEqual(plan.plan(sources, LATE, LATE), [])
    plan.failed(peer(2), 102n)
    assert.deepStrictEqual(spans(plan.plan(sources.slice(2), LATE, LATE)), [[peer(8), 102n, 202n]])
  })

  it("asks a peer with the beginning of a range only where none has the whole, and for no more than it has", () => {
    const plan = new RangePlan<bigint>(1n)
    assert.deepStrictEqual(spans(plan.plan([source(1, 30), source(2, 90)], 0, LATE)), [[peer(2), 1n, 90n]])
    assert.deepStrictEqual(spans(plan.plan([source(1, 30), source(3, 101)], 0, LATE)), [[peer(3), 91n, 101n]])
    plan.failed(peer(2), 1n)
    assert.deepStrictEqual(spans(plan.plan([source(1, 30)], 0, LATE)), [[peer(1), 1n, 30n]])
  })

  it("asks a second peer for the first missing range when it is late, then a third in place of the first", () => {
    const plan = new RangePlan<bigint>(1n)
    const sources = [source(1, 202), source(2, 202), source(3, 202)]
    plan.plan(sources, 0, LATE)
    assert.strictEqual(plan.lateAt(LATE), LATE)
    plan.answered(peer(2), 102n, heights(102n, 202n), 1)
    assert.deepStrictEqual(plan.plan(sources, LATE - 1, LATE), [])
    const second = plan.plan(sources, LATE, LATE)
    assert.deepStrictEqual(second, [{ peer: peer(2), start: 1n, end: 101n }])
    assert.deepStrictEqual(plan.plan(sources, 3 * LATE - 1, LATE), [])
    assert.deepStrictEqual(plan.plan(sources, 3 * LATE, LATE), [
      { peer: peer(3), start: 1n, end: 101n, insteadOf: peer(1) }
    ])
    assert.deepStrictEqual(plan.answered(peer(3), 1n, heights(1n, 101n), 1), { late: [peer(2)], needless: [] })
    assert.deepStrictEqual(
      plan.ready(1_000).map(({ peer, start }) => [peer, start]),
      [
        [peer(3), 1n],
        [peer(2), 102n]
      ]
    )
  })

  it("who was asked second is no worse for coming second", () => {
    const plan = new RangePlan<bigint>(1n)
    const sources = [source(1, 50), source(2, 50)]
    plan.plan(sources, 0, LATE)
    plan.plan(sources, LATE, LATE)
    assert.deepStrictEqual(plan.answered(peer(1), 1n, heights(1n, 50n), 1), { late: [], needless: [peer(2)] })
  })

  it("asks for the rest of a short answer, and forgets the blocks of a peer that is not trusted", () => {
    const plan = new RangePlan<bigint>(1n)
    plan.plan([source(1, 101)], 0, LATE)
    plan.answered(peer(1), 1n, heights(1n, 60n), 7)
    assert.deepStrictEqual(spans(plan.plan([source(2, 101)], 0, LATE)), [[peer(2), 61n, 101n]])
    plan.forsake(peer(1), true)
    assert.strictEqual(plan.heldBytes, 7)
    plan.forsake(peer(1), false)
    assert.deepStrictEqual([plan.heldBytes, plan.ready(1_000)], [0, []])
    assert.deepStrictEqual(spans(plan.plan([source(2, 101)], 0, LATE)), [[peer(2), 1n, 60n]])
  })

  it("holds no more than the bound, but always takes what comes next", () => {
    const plan = new RangePlan<bigint>(1n)
    const sources = [source(1, 10_000), source(2, 10_000)]
    plan.plan(sources, 0, LATE)
    plan.answered(peer(2), 102n, heights(102n, 202n), Limits.SYNC_BYTES)
    plan.answered(peer(2), 304n, heights(304n, 404n), 1)
    assert.strictEqual(plan.heldBytes, Limits.SYNC_BYTES)
    assert.deepStrictEqual(plan.plan(sources, 1, LATE), [])
    plan.answered(peer(1), 1n, heights(1n, 101n), Limits.SYNC_BYTES)
    assert.strictEqual(plan.ready(202).length, 2)
    plan.connected(203n)
    assert.strictEqual(plan.heldBytes, 0)
    // One answer was as large as all that may wait, so that no other is asked for beside the first that is missing.
    plan.answered(peer(1), 203n, heights(203n, 303n), 1)
    assert.deepStrictEqual(spans(plan.plan(sources, 2, LATE)), [[peer(1), 304n, 404n]])
  })

  const Manner = Schema.Literals(["honest", "short", "slow", "silent", "nothing", "liar"])
  const Step = Schema.Struct({ pick: Schema.Literals([0, 1, 2, 3, 5, 7, 11, 13]), wait: Schema.Literals([0, 50, 900]) })
  it.prop(
    "connects every height that an honest peer has, within its bounds, whatever the others do",
    [
      Schema.Array(Manner),
      Schema.Array(Step),
      Schema.Literals([1, 100, 101, 102, 450, 7_000]),
      Schema.Literals([1, 1 << 20, 40 << 20])
    ],
    ([manners, steps, tip, bytes]) => {
      const all = [
        { ...source(1, tip), manner: "honest" as const },
        ...manners.slice(0, 8).map((manner, index) => ({
          ...source(index + 2, manner === "liar" || manner === "nothing" ? tip + 50 * index : tip),
          manner
        }))
      ]
      const out = new Set<(typeof all)[number]>()
      let flying: Array<Ask & { readonly at: number }> = []
      let plan = new RangePlan<bigint>(1n)
      let now = 0

      const leave = (name: string) => {
        out.add(all.find(({ peer }) => peer === name)!)
        plan.forsake(name as Ask["peer"], true)
        flying = flying.filter(({ peer }) => peer !== name)
      }
      const ask = () => {
        for (const ask of plan.plan(
          all.filter((one) => !out.has(one)),
          now,
          LATE
        )) {
          if (ask.insteadOf !== undefined) leave(ask.insteadOf)
          flying.push({ ...ask, at: now })
        }
        check()
      }
      const check = () => {
        assert.strictEqual(plan.inFlight, flying.length)
        assert.isAtMost(flying.length, Limits.SYNC_REQUESTS)
        const times = new Map<bigint, number>()
        const load = new Map<string, number>()
        for (const { end, peer, start } of flying) {
          load.set(peer, (load.get(peer) ?? 0) + 1)
          for (const height of heights(start, end)) times.set(height, (times.get(height) ?? 0) + 1)
        }
        for (const count of load.values()) assert.isAtMost(count, Limits.SYNC_REQUESTS_PER_PEER)
        const ready = plan.ready(1e9)
        const missing = plan.next + BigInt(ready.reduce((sum, { blocks }) => sum + blocks.length, 0))
        for (const [height, count] of times) {
          assert.isBelow(Number(height - plan.next), Limits.SYNC_BLOCKS + Limits.BLOCKS_PER_ANSWER)
          if (count > 1) assert.isTrue(count === 2 && height < missing + BigInt(Limits.BLOCKS_PER_ANSWER))
        }
        assert.isAtMost(plan.heldBytes, Limits.SYNC_BYTES + bytes * Math.max(1, ready.length))
      }
      const deliver = (flight: (typeof flying)[number]) => {
        const { height, manner } = all.find(({ peer }) => peer === flight.peer)!
        if (manner === "silent" && now - flight.at < 60_000) return
        if (manner === "slow" && now - flight.at < 5_000) return
        flying = flying.filter((one) => one !== flight)
        const last = manner === "liar" ? BigInt(tip) : height
        const end = flight.end < last ? flight.end : last
        if (manner === "silent" || manner === "nothing" || end < flight.start) {
          plan.failed(flight.peer, flight.start)
          out.add(all.find(({ peer }) => peer === flight.peer)!)
          return
        }
        const blocks = heights(flight.start, manner === "short" ? flight.start + (end - flight.start) / 3n : end)
        const rivals = plan.answered(flight.peer, flight.start, blocks, bytes)
        for (const rival of rivals?.late ?? []) leave(rival)
        for (const rival of rivals?.needless ?? []) {
          flying = flying.filter(({ peer, start }) => peer !== rival || start !== flight.start)
        }
      }
      const connect = () => {
        for (const { blocks, start } of plan.ready(404)) {
          assert.strictEqual(start, plan.next)
          plan.connected(start + BigInt(blocks.length))
          out.clear()
        }
      }

      ask()
      for (const { pick, wait } of steps) {
        now += wait
        const flight = flying[pick % Math.max(1, flying.length)]
        if (flight !== undefined && pick !== 13) deliver(flight)
        else connect()
        ask()
      }
      for (let turn = 0; plan.next <= BigInt(tip); turn++) {
        assert.isBelow(turn, 5_000)
        const before = flying
        for (const flight of before) if (flying.includes(flight)) deliver(flight)
        connect()
        ask()
        now += 100
        if (flying.length > 0 || plan.ready(1).length > 0) continue
        out.clear()
        plan = new RangePlan(plan.next)
        ask()
      }
      assert.strictEqual(plan.next, BigInt(tip) + 1n)
    },
    { arbitrary: { runs: 60, seed: 1 } }
  )
})
