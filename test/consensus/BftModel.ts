/**
 * A network of members that decide one height, on a clock of its own, played from a seed.
 *
 * Until it heals, messages are delayed, lost, repeated and held back by partitions, and members crash and come back with
 * what was on disk. Some are faulty for good: they propose different blocks to different members, blocks that nobody may
 * take, and vote for anything in any round, to each member something else.
 */
import { advance, begin, EPOCH_ROUNDS, memoryOf, votesFor } from "../../src/consensus/BftRound.ts"
import {
  type BftAction,
  type BftEvent,
  type BftState,
  type Epoch,
  type Memory,
  NIL
} from "../../src/consensus/BftState.ts"
import { inOrder, leaderOf } from "../../src/consensus/LeaderSchedule.ts"
import { height } from "../../src/protocol/Height.ts"
import { makeRandom } from "../fixtures/Random.ts"

export interface Scenario {
  readonly seed: number
  readonly members: number
  readonly faulty: number
  /** When everything that is sent begins to arrive, and nobody crashes any more. */
  readonly heals: number
  /** When a second set, with one member less, takes over. */
  readonly secondSet?: number
}

export interface Outcome {
  /** What each honest member decided, by name; those that have not are missing. */
  readonly decided: ReadonlyMap<string, string>
  /** Votes of honest members that contradict others of theirs. */
  readonly contradictions: ReadonlyArray<string>
  readonly equivocations: number
  readonly rounds: number
  readonly endedAt: number
}

interface Node {
  readonly name: string
  state: BftState
  memory: Memory | null
  /** Counts restarts: what was to happen to an earlier life does not happen. */
  life: number
  isUp: boolean
  readonly proposals: Map<number, string>
}

const HEIGHT = height(7)
const NO_SIGNATURE = new Uint8Array(0)
const RESEND = 20
const LIMIT = 3_000

export const play = ({ faulty, heals, members, secondSet, seed }: Scenario): Outcome => {
  const random = makeRandom(seed)
  const names = inOrder(Array.from({ length: members }, (_, index) => `10.0.0.${index + 1}`))
  const evil = new Set<string>()
  while (evil.size < faulty) evil.add(names[random(members)]!)
  const epochs: ReadonlyArray<readonly [number, Epoch]> = [
    [0, { first: 0, members: names }],
    ...(secondSet === undefined
      ? []
      : [[secondSet, { first: EPOCH_ROUNDS, members: names.filter((name) => name !== [...evil][0]) }] as const])
  ]
  const nodes = new Map<string, Node>(
    names
      .filter((name) => !evil.has(name))
      .map((name) => [
        name,
        { name, state: begin(HEIGHT, name), memory: null, life: 0, isUp: true, proposals: new Map() }
      ])
  )
  const signed = new Map<string, string>()
  const contradictions: Array<string> = []
  let equivocations = 0
  let now = 0

  const queue = new Agenda()
  const at = (delay: number, run: () => void) => queue.add(now + delay, run)

  /** Which side of the partition a member is on. It changes, and ends with the healing. */
  const sides = Array.from({ length: 4 }, () => new Map(names.map((name) => [name, random(3) === 0 ? 1 : 0])))
  const areApart = (one: string, other: string) => {
    const side = sides[Math.floor(now / 40) % sides.length]!
    return now < heals && side.get(one) !== side.get(other)
  }

  const deliver = (from: string, to: string, event: BftEvent) => {
    const copies = now < heals ? [1, 1, 1, 2, 0][random(5)]! : 1
    for (let copy = 0; copy < copies; copy++) {
      if (areApart(from, to)) continue
      at(1 + random(now < heals ? 30 : 4), () => {
        const node = nodes.get(to)
        if (node?.isUp === true) run(node, event)
      })
    }
  }

  const broadcast = (from: string, event: BftEvent) => {
    for (const name of nodes.keys()) if (name !== from) deliver(from, name, event)
  }

  const note = (name: string, what: string, value: string) => {
    const key = `${name} ${what}`
    const before = signed.get(key)
    if (before !== undefined && before !== value) contradictions.push(`${key}: ${before}, then ${value}`)
    signed.set(key, value)
  }

  const run = (node: Node, event: BftEvent): void => {
    const events: Array<BftEvent> = [event]
    const sent: Array<BftEvent> = []
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const [state, actions] = advance(node.state, next)
      node.state = state
      for (const action of actions) act(node, action, events, sent)
    }
    if (sent.length === 0) return
    node.memory = memoryOf(node.state)
    for (const each of sent) broadcast(node.name, each)
  }

  const act = (node: Node, action: BftAction, events: Array<BftEvent>, sent: Array<BftEvent>) => {
    switch (action._tag) {
      case "Propose": {
        const value = action.value ?? `${node.name} ${action.round}`
        note(node.name, `proposal ${action.round}`, value)
        node.proposals.set(action.round, value)
        const event: BftEvent = { _tag: "Proposal", proposal: { round: action.round, value, isValid: true } }
        events.push(event)
        sent.push(event)
        return
      }
      case "Cast": {
        note(node.name, `${action.kind} ${action.round}`, action.value)
        const { kind, round, value } = action
        const vote = { kind, round, value, voter: node.name, signature: NO_SIGNATURE }
        const event: BftEvent = { _tag: "Vote", vote }
        events.push(event)
        sent.push(event)
        return
      }
      case "Wait": {
        const { life } = node
        at(20 + 10 * (action.round % EPOCH_ROUNDS), () => {
          if (node.isUp && node.life === life) {
            run(node, { _tag: "Timeout", step: action.step, round: action.round })
          }
        })
        return
      }
      case "Equivocation":
        equivocations++
        return
      case "Decide":
        return
    }
  }

  const start = (node: Node) => {
    for (const [when, epoch] of epochs) if (when <= now) run(node, { _tag: "Start", epoch })
  }

  const resend = (node: Node) => {
    if (!node.isUp) return
    const { decided, round, valid } = node.state
    if (decided !== null) return broadcast(node.name, { _tag: "Certificate", choice: decided })
    const votes = memoryOf(node.state).votes.concat(valid === null ? [] : votesFor(node.state, "Prevote", valid))
    for (const vote of votes) broadcast(node.name, { _tag: "Vote", vote })
    const value = node.proposals.get(round)
    if (value !== undefined) broadcast(node.name, { _tag: "Proposal", proposal: { round, value, isValid: true } })
  }

  /** What a faulty member says: to each something else. */
  const mislead = (name: string) => {
    const round = Math.max(...[...nodes.values()].map(({ state }) => state.round), 0) + random(3) - 1
    if (round < 0) return
    const known = [...new Set([...nodes.values()].flatMap(({ state }) => [...state.values.keys()]))]
    for (const to of nodes.keys()) {
      const kind = random(2) === 0 ? "Prevote" : "Precommit"
      const value = random(4) === 0 || known.length === 0 ? NIL : known[random(known.length)]!
      const epoch = epochs.findLast(([, { first }]) => round >= first)![1]
      if (leaderOf(HEIGHT, round, epoch.members) === name) {
        const isValid = random(4) > 0
        const made = `${name} ${round} ${isValid ? random(2) : "bad"}`
        deliver(name, to, { _tag: "Proposal", proposal: { round, value: made, isValid } })
      }
      const far = random(20) === 0 ? random(1_000) : 0
      deliver(name, to, {
        _tag: "Vote",
        vote: { kind, round: round + far, voter: name, value, signature: NO_SIGNATURE }
      })
    }
  }

  for (const node of nodes.values()) {
    at(random(heals === 0 ? 3 : 20), () => start(node))
    if (secondSet !== undefined) at(secondSet + random(5), () => start(node))
    const again = () => {
      resend(node)
      at(RESEND, again)
    }
    at(RESEND, again)
    for (let crash = heals === 0 ? 0 : random(3); crash > 0; crash--) {
      at(random(heals), () => {
        if (!node.isUp) return
        node.isUp = false
        node.life++
        at(random(heals / 3) + 1, () => {
          node.isUp = true
          node.proposals.clear()
          // A block that is locked is on disk with the lock.
          node.state = begin(HEIGHT, node.name, node.memory)
          start(node)
        })
      })
    }
  }
  for (const name of evil) {
    const again = () => {
      mislead(name)
      at(5 + random(20), again)
    }
    at(0, again)
  }

  const isDone = () => [...nodes.values()].every(({ isUp, state }) => isUp && state.decided !== null)
  for (let next = queue.take(); next !== undefined && next.at <= LIMIT; next = queue.take()) {
    now = next.at
    next.run()
    if (isDone()) break
  }
  return {
    decided: new Map([...nodes].flatMap(([name, { state }]) => (state.decided ? [[name, state.decided.value]] : []))),
    contradictions,
    equivocations,
    rounds: Math.max(...[...nodes.values()].map(({ state }) => state.round)),
    endedAt: now
  }
}

// --- internal ---

interface Item {
  readonly at: number
  readonly run: () => void
}

/** What happens when, the earliest first; what is due at the same time in the order it was added. */
class Agenda {
  private readonly slots = new Map<number, Array<() => void>>()
  private now = 0

  add(at: number, run: () => void): void {
    const slot = this.slots.get(at)
    if (slot === undefined) this.slots.set(at, [run])
    else slot.push(run)
  }

  take(): Item | undefined {
    while (this.slots.size > 0) {
      const run = this.slots.get(this.now)?.shift()
      if (run !== undefined) return { at: this.now, run }
      this.slots.delete(this.now++)
    }
    return undefined
  }
}
