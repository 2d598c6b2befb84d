import { assert, describe, it } from "@effect/vitest"
import { advance, begin, EPOCH_ROUNDS, memoryOf } from "../../src/consensus/BftRound.ts"
import { type BftAction, type BftEvent, type BftState, type Epoch, NIL } from "../../src/consensus/BftState.ts"
import { leaderOf } from "../../src/consensus/LeaderSchedule.ts"
import { height } from "../../src/protocol/Height.ts"
import { BFT_ROUNDS_AHEAD, BFT_ROUNDS_KEPT } from "../../src/protocol/Limits.ts"
import { play, type Scenario } from "./BftModel.ts"

const HEIGHT = height(7)
const members = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
const epoch: Epoch = { first: 0, members }
const leader = (round: number) => leaderOf(HEIGHT, round, members)!
/** Somebody who leads none of the first three rounds. */
const self = members.find((member) => [0, 1, 2].every((round) => leader(round) !== member))!
const others = members.filter((member) => member !== self)

const start: BftEvent = { _tag: "Start", epoch }
const proposal = (round: number, value: string, isValid = true): BftEvent => ({
  _tag: "Proposal",
  proposal: { round, value, isValid }
})
const vote = (kind: "Prevote" | "Precommit", round: number, voter: string, value: string): BftEvent => ({
  _tag: "Vote",
  vote: { kind, round, voter, value, signature: new Uint8Array(0) }
})
const votes = (kind: "Prevote" | "Precommit", round: number, value: string, from = others) =>
  from.map((voter) => vote(kind, round, voter, value))
const timeout = (step: "Propose" | "Prevote" | "Precommit", round: number): BftEvent => ({
  _tag: "Timeout",
  step,
  round
})

/** Plays events to a state, giving our own votes back to it as a driver does. */
const feed = (
  from: BftState,
  ...events: ReadonlyArray<BftEvent>
): { readonly state: BftState; readonly actions: ReadonlyArray<BftAction> } => {
  const left = [...events]
  const all: Array<BftAction> = []
  let state = from
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    const [after, actions] = advance(state, next)
    state = after
    all.push(...actions)
    for (const action of actions) {
      if (action._tag === "Cast") left.unshift(vote(action.kind, action.round, self, action.value))
    }
  }
  return { state, actions: all }
}

const cast = (actions: ReadonlyArray<BftAction>): ReadonlyArray<string> =>
  actions.flatMap((action) => (action._tag === "Cast" ? [`${action.kind} ${action.round} ${action.value}`] : []))

/** Locked on `a` in round 0, now in round 1. */
const locked = () =>
  feed(
    begin(HEIGHT, self),
    start,
    proposal(0, "a"),
    ...votes("Prevote", 0, "a"),
    ...votes("Precommit", 0, NIL),
    timeout("Precommit", 0)
  ).state

describe("BftRound", () => {
  it("decides what a quorum precommitted, once", () => {
    const first = feed(begin(HEIGHT, self), start, proposal(0, "a"), ...votes("Prevote", 0, "a"))
    assert.deepStrictEqual(cast(first.actions), ["Prevote 0 a", "Precommit 0 a"])
    const { actions, state } = feed(first.state, ...votes("Precommit", 0, "a"), ...votes("Precommit", 0, "a"))
    assert.deepStrictEqual(
      actions.filter(({ _tag }) => _tag === "Decide"),
      [{ _tag: "Decide", round: 0, value: "a" }]
    )
    assert.deepStrictEqual(state.decided, { round: 0, value: "a" })
  })

  it("does not decide by one vote less, votes of two rounds, or votes said twice", () => {
    const two = others.slice(0, 2)
    const { state } = feed(
      begin(HEIGHT, null),
      start,
      proposal(0, "a"),
      ...votes("Precommit", 0, "a", two),
      ...votes("Precommit", 0, "a", two),
      vote("Precommit", 1, others[2]!, "a"),
      vote("Precommit", 0, "203.0.113.1", "a")
    )
    assert.isNull(state.decided)
  })

  it("needs two thirds of a set of any size", () => {
    const names = members.concat("10.0.0.5", "10.0.0.6", "10.0.0.7")
    for (const [size, enough] of [
      [3, 2],
      [4, 3],
      [5, 4],
      [6, 4],
      [7, 5]
    ] as const) {
      const set: Epoch = { first: 0, members: names.slice(0, size) }
      const decided = (count: number) =>
        feed(
          begin(HEIGHT, null),
          { _tag: "Start", epoch: set },
          proposal(0, "a"),
          ...votes("Precommit", 0, "a", set.members.slice(0, count))
        ).state.decided
      assert.isNull(decided(enough - 1), `${size}`)
      assert.isNotNull(decided(enough), `${size}`)
    }
  })

  it("votes for no block when the proposal is invalid, or does not come", () => {
    assert.deepStrictEqual(cast(feed(begin(HEIGHT, self), start, proposal(0, "a", false)).actions), [
      `Prevote 0 ${NIL}`
    ])
    const late = feed(begin(HEIGHT, self), start, timeout("Propose", 0), proposal(0, "a"))
    assert.deepStrictEqual(cast(late.actions), [`Prevote 0 ${NIL}`])
  })

  it("holds to what it is locked on, until a later quorum is for something else", () => {
    assert.deepStrictEqual(locked().locked, { round: 0, value: "a" })
    const waits = feed(locked(), proposal(1, "b"))
    assert.deepStrictEqual(cast(waits.actions), [])
    assert.deepStrictEqual(cast(feed(waits.state, timeout("Propose", 1)).actions), [`Prevote 1 ${NIL}`])
    assert.deepStrictEqual(cast(feed(locked(), proposal(1, "a")).actions), ["Prevote 1 a"])

    // A quorum of round 1 that is seen in round 2 frees it; that of its own round 0 could not have been.
    const next = feed(waits.state, timeout("Propose", 1), ...votes("Precommit", 1, NIL), timeout("Precommit", 1)).state
    assert.deepStrictEqual(cast(feed(next, proposal(2, "b")).actions), [])
    assert.deepStrictEqual(cast(feed(next, proposal(2, "b"), ...votes("Prevote", 1, "b")).actions), ["Prevote 2 b"])
  })

  it("is not freed by a quorum from before its lock", () => {
    const { state } = feed(
      begin(HEIGHT, self),
      start,
      proposal(0, "a"),
      ...votes("Precommit", 0, NIL),
      timeout("Precommit", 0),
      proposal(1, "b"),
      ...votes("Prevote", 1, "b"),
      ...votes("Precommit", 1, NIL),
      timeout("Precommit", 1)
    )
    assert.deepStrictEqual(state.locked, { round: 1, value: "b" })
    assert.deepStrictEqual(cast(feed(state, ...votes("Prevote", 0, "a"), proposal(2, "a")).actions), [])
  })

  it("precommits a block that it knows, and nothing twice in a round", () => {
    const unknown = feed(begin(HEIGHT, self), start, timeout("Propose", 0), ...votes("Prevote", 0, "a"))
    assert.deepStrictEqual(cast(unknown.actions), [`Prevote 0 ${NIL}`])
    const known = feed(unknown.state, proposal(0, "a"), timeout("Prevote", 0), timeout("Prevote", 0))
    assert.deepStrictEqual(cast(known.actions), ["Precommit 0 a"])
  })

  it("proposes the block that had a quorum", () => {
    const mine = [3, 4, 5, 6].find((round) => leader(round) === self)!
    const events: Array<BftEvent> = []
    for (let round = 1; round < mine; round++)
      events.push(...votes("Precommit", round, NIL), timeout("Precommit", round))
    const { actions } = feed(locked(), ...events)
    assert.deepStrictEqual(
      actions.filter(({ _tag }) => _tag === "Propose"),
      [{ _tag: "Propose", round: mine, value: "a" }]
    )
  })

  it("goes to a round that somebody honest is in, and not to one that a single member names", () => {
    const one = feed(begin(HEIGHT, self), start, vote("Prevote", 900, others[0]!, "x"))
    assert.strictEqual(one.state.round, 0)
    const two = feed(one.state, vote("Prevote", 40, others[1]!, "x"))
    assert.strictEqual(two.state.round, 40)
  })

  it("shows who signs two things, and counts both votes", () => {
    const { actions, state } = feed(
      begin(HEIGHT, self),
      start,
      proposal(0, "a"),
      proposal(0, "b"),
      proposal(0, "c"),
      vote("Prevote", 0, others[0]!, NIL),
      vote("Prevote", 0, others[0]!, "b"),
      vote("Prevote", 0, others[0]!, "unheard of"),
      ...votes("Prevote", 0, "b", others.slice(1))
    )
    assert.deepStrictEqual(
      actions.flatMap((action) => (action._tag === "Equivocation" ? [[action.voter, action.what]] : [])),
      [
        [leader(0), "Proposal"],
        [leader(0), "Proposal"],
        [others[0], "Prevote"],
        [others[0], "Prevote"]
      ]
    )
    assert.deepStrictEqual(state.locked, { round: 0, value: "b" })
    assert.deepStrictEqual([...state.values.keys()], ["a", "b"])
  })

  it("comes back as it went, and signs nothing again", () => {
    const before = locked()
    const prevoted = feed(before, proposal(1, "a")).state
    const { actions, state } = feed(begin(HEIGHT, self, memoryOf(prevoted)), start, proposal(1, "c"), proposal(1, "a"))
    assert.deepStrictEqual(cast(actions), [])
    assert.deepStrictEqual([state.round, state.step, state.locked], [1, "Prevote", { round: 0, value: "a" }])
    const next = feed(state, ...votes("Prevote", 1, NIL))
    assert.deepStrictEqual(cast(next.actions), [`Precommit 1 ${NIL}`])
  })

  it("counts each round by its own set, and keeps its lock when the set changes", () => {
    const fewer: Epoch = { first: EPOCH_ROUNDS, members: members.filter((member) => member !== others[0]) }
    const { state } = feed(locked(), { _tag: "Start", epoch: fewer })
    assert.deepStrictEqual([state.round, state.locked], [EPOCH_ROUNDS, { round: 0, value: "a" }])
    // Two of three are a quorum now, but not with a vote of somebody who is no longer in the set.
    const outside = [vote("Precommit", EPOCH_ROUNDS, others[0]!, "a"), vote("Precommit", EPOCH_ROUNDS, others[1]!, "a")]
    assert.isNull(feed(state, ...outside).state.decided)
    assert.isNotNull(feed(state, ...outside, vote("Precommit", EPOCH_ROUNDS, others[2]!, "a")).state.decided)
    assert.isNull(feed(state, ...votes("Precommit", 0, "a", others.slice(0, 1))).state.decided)
  })

  it("keeps a bounded number of rounds, its own among them", () => {
    const events: Array<BftEvent> = []
    for (let round = 1; round < 2 * BFT_ROUNDS_KEPT; round++) {
      events.push(...votes("Precommit", round, NIL), timeout("Precommit", round))
      events.push(vote("Prevote", round + BFT_ROUNDS_AHEAD + 1, others[0]!, "x"))
    }
    const { state } = feed(locked(), ...events)
    assert.isAtMost(state.rounds.size, BFT_ROUNDS_KEPT)
    assert.isTrue(state.rounds.has(0) && state.rounds.has(state.round - 1))
  })
})

/** Networks of 3 to 7, with as many faulty members as there may be, or none. */
const scenario = (seed: number): Scenario => {
  const size = [4, 3, 7, 4, 5, 6][seed % 6]!
  return {
    seed,
    members: size,
    faulty: seed % 4 === 3 ? 0 : Math.ceil(size / 3) - 1,
    heals: seed % 10 === 0 ? 0 : 200,
    ...(seed % 5 === 1 ? { secondSet: 120 } : {})
  }
}

/** More of them with `BFT_SEEDS`. */
const seeds = Number(process.env["BFT_SEEDS"] ?? 150)

describe("BftRound among members of which some are faulty", () => {
  it(`decides one valid block, whatever ${seeds} seeds do`, { timeout: 60_000 + 50 * seeds }, () => {
    let mostRounds = 0
    let equivocations = 0
    for (let seed = 0; seed < seeds; seed++) {
      const tried = scenario(seed)
      const outcome = play(tried)
      const decided = [...outcome.decided.values()]
      const at = JSON.stringify(tried)
      assert.strictEqual(new Set(decided).size, 1, `${at}: ${decided.join()}`)
      assert.strictEqual(decided.length, tried.members - tried.faulty, `${at}: somebody has not decided`)
      assert.isFalse(decided[0]!.endsWith("bad"), at)
      assert.deepStrictEqual(outcome.contradictions, [], at)
      mostRounds = Math.max(mostRounds, outcome.rounds)
      equivocations += outcome.equivocations
    }
    // The schedules are hard enough to matter.
    assert.isAbove(mostRounds, 2)
    assert.isAbove(equivocations, seeds)
  })
})
