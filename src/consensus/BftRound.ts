/**
 * One height decided by the masternodes: Tendermint (Buchman, Kwon, Milosevic 2018) as a pure function of state and
 * event.
 *
 * While fewer than a third of a set are faulty, no two members decide different blocks, whatever is lost, delayed or
 * repeated; and once messages arrive again within the timeouts, one is decided. A quorum here is two thirds, rounded up.
 * There are three differences from the paper, none of which loosens when a vote may be given:
 *
 * - A proposal does not say in which round its block had a quorum before. A member that is locked on another block looks
 *   for that quorum in the votes it holds, and waits for it until the timeout.
 * - The valid block is updated by a quorum of an earlier round that becomes known later, too.
 * - A round is skipped to when enough members have voted in it or beyond it, so that votes far ahead need not be kept.
 *
 * The set can change at an {@link Epoch}. What a member is locked on stays with it.
 */
import type { VoteKind } from "../protocol/Bft.ts"
import type { Height } from "../protocol/Height.ts"
import { BFT_EPOCHS, BFT_ROUNDS_AHEAD, BFT_ROUNDS_KEPT } from "../protocol/Limits.ts"
import {
  type BftAction,
  type BftEvent,
  type BftState,
  type Choice,
  type Epoch,
  type Memory,
  NIL,
  type RoundProposal,
  type RoundRecord,
  type RoundVote,
  type Step,
  type Value,
  type VoteSet
} from "./BftState.ts"
import { leaderOf } from "./LeaderSchedule.ts"
import { honestMinority, quorum } from "./Quorum.ts"

/**
 * Rounds of one epoch: each has a range of its own, so that a round's number says which set votes in it. It is a prime,
 * so that epochs which last only a round or two do not all begin with the same leader.
 */
export const EPOCH_ROUNDS = 1_009

/** A height that has not begun, with what is remembered of it from before a crash. */
export const begin = (height: Height, self: string | null, memory: Memory | null = null): BftState => ({
  height,
  self,
  epochs: [],
  round: -1,
  step: memory?.step ?? "Propose",
  locked: memory?.locked ?? null,
  valid: memory?.valid ?? null,
  decided: null,
  rounds: memory === null ? new Map() : recordsOf(memory.votes),
  values: new Map([memory?.locked, memory?.valid].flatMap((choice) => (choice ? [[choice.value, true]] : []))),
  heard: new Map(self === null || memory === null ? [] : [[self, memory.round]])
})

/** What the event changes, and what is to be done about it, in order. A height that is decided changes no more. */
export const advance = (state: BftState, event: BftEvent): readonly [BftState, ReadonlyArray<BftAction>] => {
  if (state.decided !== null) return [state, []]
  const draft = new Draft(state)
  draft.take(event)
  draft.settle()
  return [draft.state, draft.actions]
}

/** What must be on disk before anything that was signed in this state is sent. */
export const memoryOf = ({ locked, round, rounds, self, step, valid }: BftState): Memory => {
  const votes = self === null ? [] : [round - 1, round].flatMap((at) => votesOf(rounds.get(at), self))
  return { round, step, locked, valid, votes }
}

/** The set that votes in a round, if it is known. */
export const epochOf = ({ epochs }: Pick<BftState, "epochs">, round: number): Epoch | undefined =>
  epochs.findLast(({ first }) => round >= first && round < first + EPOCH_ROUNDS)

/** The votes of a round that are for a value. */
export const votesFor = (state: BftState, kind: VoteKind, { round, value }: Choice): ReadonlyArray<RoundVote> => [
  ...(state.rounds.get(round)?.[kind].byValue.get(value)?.values() ?? [])
]

/** True if this very vote is counted already. */
export const isCounted = ({ rounds }: BftState, { kind, round, value, voter }: Omit<RoundVote, "signature">): boolean =>
  rounds.get(round)?.[kind].byValue.get(value)?.has(voter) === true

// --- internal ---

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

class Draft {
  readonly state: Mutable<BftState>
  readonly actions: Array<BftAction> = []

  constructor(state: BftState) {
    this.state = { ...state }
  }

  take(event: BftEvent): void {
    switch (event._tag) {
      case "Start":
        return this.start(event.epoch)
      case "Proposal":
        return this.proposed(event.proposal)
      case "Vote":
        return this.voted(event.vote)
      case "Certificate":
        return this.decided(event.choice)
      case "Timeout":
        return this.timedOut(event.step, event.round)
    }
  }

  /** Applies the rules until none has anything left to do. */
  settle(): void {
    while (this.state.decided === null && (this.decide() || this.skip() || this.proceed()));
  }

  private start(epoch: Epoch): void {
    const { self, step } = this.state
    const remembered = self === null ? undefined : this.state.heard.get(self)
    const wasRunning = this.state.round >= 0
    this.state.epochs = [...this.state.epochs, epoch].slice(-BFT_EPOCHS)
    if (wasRunning || remembered === undefined || remembered < epoch.first) return this.enter(epoch.first)
    // What was signed before the crash is signed: the round goes on where it was, and a proposal is not made twice.
    this.state.round = remembered
    this.state.step = step
    this.actions.push({ _tag: "Wait", step, round: remembered })
  }

  private enter(round: number): void {
    if (round <= this.state.round) return
    this.state.round = round
    this.state.step = "Propose"
    this.forgetOldest()
    if (this.state.self !== null && this.leader(round) === this.state.self) {
      this.actions.push({ _tag: "Propose", round, value: this.state.valid?.value ?? null })
    }
    this.actions.push({ _tag: "Wait", step: "Propose", round })
  }

  private proposed({ isValid, round, value }: RoundProposal): void {
    if (epochOf(this.state, round) === undefined || round > this.state.round + BFT_ROUNDS_AHEAD) return
    const { proposals } = this.record(round)
    if (proposals.includes(value)) return
    if (proposals.length > 0) {
      this.actions.push({ _tag: "Equivocation", voter: this.leader(round)!, round, what: "Proposal" })
    }
    if (proposals.length > 1) return
    this.update(round, { proposals: [...proposals, value] })
    if (!this.state.values.has(value)) this.state.values = new Map(this.state.values).set(value, isValid)
  }

  private voted(vote: RoundVote): void {
    const { kind, round, value, voter } = vote
    if (epochOf(this.state, round)?.members.includes(voter) !== true) return
    if ((this.state.heard.get(voter) ?? -1) < round) this.state.heard = new Map(this.state.heard).set(voter, round)
    if (round > this.state.round + BFT_ROUNDS_AHEAD || isCounted(this.state, vote)) return
    const set = this.record(round)[kind]
    if (set.voters.has(voter)) {
      this.actions.push({ _tag: "Equivocation", voter, round, what: kind })
      // Values that nobody proposed have no end.
      if (value !== NIL && !this.state.values.has(value)) return
    }
    this.update(round, { [kind]: withVote(set, vote) })
  }

  private timedOut(step: Step, round: number): void {
    if (round !== this.state.round) return
    if (step === "Precommit") return this.enter(round + 1)
    if (step !== this.state.step) return
    if (step === "Propose") this.cast("Prevote", NIL)
    else this.cast("Precommit", NIL)
  }

  /** A quorum of precommits in any round decides. */
  private decide(): boolean {
    for (const [round, { Precommit }] of this.state.rounds) {
      const value = this.agreed(round, Precommit)
      if (value === undefined || value === NIL) continue
      this.decided({ round, value })
      return true
    }
    return false
  }

  private decided(choice: Choice): void {
    this.state.decided = choice
    this.actions.push({ _tag: "Decide", ...choice })
  }

  /** Somebody who is not faulty is in that round or beyond it: the one we are in can go on without us. */
  private skip(): boolean {
    const { epochs, heard, round } = this.state
    const members = epochs.at(-1)?.members ?? []
    const beyond = members.map((member) => heard.get(member) ?? -1).filter((at) => at > round)
    if (round < 0 || beyond.length < honestMinority(members.length)) return false
    const reached = beyond.sort((one, other) => other - one)[honestMinority(members.length) - 1]!
    this.enter(reached)
    return true
  }

  /** The rules for the round that we are in; true if the step is another one now. */
  private proceed(): boolean {
    const { round, rounds, step } = this.state
    if (round < 0) return false
    this.updateValid()
    const record = rounds.get(round)
    if (record === undefined) return false
    if (step === "Propose") {
      const [proposal] = record.proposals
      if (proposal === undefined) return false
      const vote = this.judge(proposal)
      if (vote !== undefined) this.cast("Prevote", vote)
      return vote !== undefined
    }
    if (step === "Prevote") {
      const value = this.agreed(round, record.Prevote)
      if (value === NIL) {
        this.cast("Precommit", NIL)
        return true
      }
      if (value !== undefined && this.state.values.get(value) === true) {
        this.state.locked = { round, value }
        this.cast("Precommit", value)
        return true
      }
    }
    if (step === "Prevote") this.waitAfter("Prevote")
    this.waitAfter("Precommit")
    return false
  }

  /** What we prevote for a proposal; `undefined` while that depends on votes which may still come. */
  private judge(value: Value): Value | undefined {
    const { locked, round, rounds, values } = this.state
    if (values.get(value) !== true) return NIL
    if (locked === null || locked.value === value) return value
    for (const [at, { Prevote }] of rounds) {
      if (at >= locked.round && at < round && this.agreed(at, Prevote) === value) return value
    }
    return undefined
  }

  private updateValid(): void {
    for (const [at, { Prevote }] of this.state.rounds) {
      if (at > this.state.round || at <= (this.state.valid?.round ?? -1)) continue
      const value = this.agreed(at, Prevote)
      if (value !== undefined && this.state.values.get(value) === true) this.state.valid = { round: at, value }
    }
  }

  /** A quorum has voted, if not for one value: the others are waited for so long and no longer. */
  private waitAfter(kind: VoteKind): void {
    const { round } = this.state
    const { [kind]: set, timers } = this.record(round)
    if (timers.has(kind) || set.voters.size < this.quorum(round)) return
    this.update(round, { timers: new Set([...timers, kind]) })
    this.actions.push({ _tag: "Wait", step: kind, round })
  }

  private cast(kind: VoteKind, value: Value): void {
    const { round, self } = this.state
    this.state.step = kind
    if (self !== null && epochOf(this.state, round)?.members.includes(self) === true) {
      this.actions.push({ _tag: "Cast", kind, round, value })
    }
  }

  /** The value that a quorum voted for. */
  private agreed(round: number, { byValue }: VoteSet): Value | undefined {
    const enough = this.quorum(round)
    for (const [value, votes] of byValue) if (votes.size >= enough) return value
    return undefined
  }

  /** Infinite for a round whose set is not known. */
  private quorum(round: number): number {
    const epoch = epochOf(this.state, round)
    return epoch === undefined ? Infinity : quorum(epoch.members.length)
  }

  private leader(round: number): string | undefined {
    return leaderOf(this.state.height, round, epochOf(this.state, round)?.members ?? [])
  }

  private record(round: number): RoundRecord {
    return this.state.rounds.get(round) ?? EMPTY_RECORD
  }

  private update(round: number, change: Partial<RoundRecord>): void {
    this.state.rounds = new Map(this.state.rounds).set(round, { ...this.record(round), ...change })
    this.forgetOldest()
  }

  /** Drops the earliest rounds beyond the bound, but never one that our own votes depend on. */
  private forgetOldest(): void {
    const { locked, round, rounds, valid } = this.state
    if (rounds.size <= BFT_ROUNDS_KEPT) return
    const needed = new Set([locked?.round, valid?.round, round])
    const oldest = [...rounds.keys()].sort((one, other) => one - other).find((at) => !needed.has(at))
    const kept = new Map(rounds)
    if (oldest !== undefined) kept.delete(oldest)
    this.state.rounds = kept
  }
}

const EMPTY_SET: VoteSet = { voters: new Set(), byValue: new Map() }
const EMPTY_RECORD: RoundRecord = { proposals: [], Prevote: EMPTY_SET, Precommit: EMPTY_SET, timers: new Set() }

const withVote = ({ byValue, voters }: VoteSet, vote: RoundVote): VoteSet => ({
  voters: new Set(voters).add(vote.voter),
  byValue: new Map(byValue).set(vote.value, new Map(byValue.get(vote.value)).set(vote.voter, vote))
})

const votesOf = (record: RoundRecord | undefined, voter: string): ReadonlyArray<RoundVote> =>
  (["Prevote", "Precommit"] as const).flatMap((kind) =>
    [...(record?.[kind].byValue.values() ?? [])].flatMap((votes) => votes.get(voter) ?? [])
  )

const recordsOf = (votes: ReadonlyArray<RoundVote>): ReadonlyMap<number, RoundRecord> => {
  const rounds = new Map<number, RoundRecord>()
  for (const vote of votes) {
    const record = rounds.get(vote.round) ?? EMPTY_RECORD
    rounds.set(vote.round, { ...record, [vote.kind]: withVote(record[vote.kind], vote) })
  }
  return rounds
}
