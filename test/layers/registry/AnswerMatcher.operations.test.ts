/**
 * A million operations on `AnswerMatcher`, each compared with a model that knows nothing of its code: a list of all
 * requests in the order sent, searched from its beginning. `SEED=n` repeats a failure or tries another sequence.
 *
 * Two kinds of peers take turns. An unruly one answers anything at any time: twice, not at all, out of order, other
 * ranges, kinds that nobody asked for. An orderly one answers in order, but so late that the matcher has to forget
 * requests, of which some stood behind one that is still waited for; it leaves out some that carry a value. Whom an
 * answer is for is then known without any rule.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Asked, AnswerMatcher, type Outcome } from "../../../src/layers/registry/AnswerMatcher.ts"
import type { Request } from "../../../src/protocol/Exchange.ts"
import { height } from "../../../src/protocol/Height.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import type { Message, MessageTag } from "../../../src/protocol/Message.ts"
import { emptyBlock } from "../../peer/Fixture.ts"
import { Dice } from "../../protocol/wire/LineFuzzer.ts"
import { ping, pong } from "../../support/Sessions.ts"

const OPERATIONS = 1_000_000
const OPERATIONS_PER_CONNECTION = 2_000
const KEPT = Limits.PENDING_REQUESTS_PER_PEER
/** Requests waited for, those that nobody waits for, those that are done with; and before each, a count of each kind. */
const MOST_HELD = 3 * KEPT * 5
/** Operations between two looks at how much is held, which cost more than all else. */
const LOOK = 50
const SEED = Number(process.env["SEED"] ?? 1)

const kinds = ["ping", "hash", "height", "peers", "blocks", "range"] as const
type Kind = (typeof kinds)[number]

/** What is asked; `value` is a nonce, a height or the first height of a range. */
interface Question {
  readonly id: number
  readonly kind: Kind
  readonly value: number
  readonly width: number
}

/** What is answered; `values` are the nonce or height, or those of the blocks. */
interface Reply {
  readonly kind: Kind
  readonly values: ReadonlyArray<number>
  readonly message: Message
}

/** A request's place in the order; without a deadline nobody waits. */
interface Place {
  readonly question: Question
  deadline: number | undefined
  asked: Asked | undefined
  isForgotten: boolean
}

type End = readonly [id: number, outcome: Outcome]
type Character = "unruly" | "orderly"

describe("AnswerMatcher", () => {
  it("agrees with a simple model over a million operations, and each request ends once, with its own answer", () => {
    const dice = new Dice(SEED)
    const seen: Record<string, number> = {}
    let done = 0
    try {
      for (let connections = 0; done < OPERATIONS; connections++) {
        const run = new Connection(dice, connections % 2 === 0 ? "unruly" : "orderly", seen)
        for (let count = dice.below(OPERATIONS_PER_CONNECTION * 2); count >= 0; count--) done += run.step()
        run.close()
      }
    } catch (cause) {
      throw new Error(`SEED=${SEED}, operation ${done}: ${String(cause)}`, { cause })
    }
    // What happened is what this test is about: each of these is frequent.
    for (const event of [
      "delivered",
      "late",
      "unasked",
      "passedOver",
      "timedOut",
      "closed",
      "abandoned",
      "forgotten",
      "forgotten behind one"
    ]) {
      assert.isAbove(seen[event] ?? 0, 1_000, event)
    }
  })
})

// --- internal ---

/** Plain, because a million operations take many millions of looks. */
const same = (actual: unknown, expected: unknown): void => {
  if (actual !== expected) assert.strictEqual(actual, expected)
}

/** One connection: the matcher and the model of it, taken through the same operations. */
class Connection {
  private readonly dice: Dice
  private readonly character: Character
  private readonly seen: Record<string, number>
  private readonly matcher = new AnswerMatcher()
  /** The model: all that is unanswered, in the order sent. */
  private places: Array<Place> = []
  private waiting = 0
  private forgotten = 0
  private readonly sent: Array<Question> = []
  private answered = 0
  /** Ends as the matcher tells them, since the last look. */
  private ends: Array<End> = []
  private now = 0
  private operations = 0
  private mayAskAgain = true

  constructor(dice: Dice, character: Character, seen: Record<string, number>) {
    this.dice = dice
    this.character = character
    this.seen = seen
  }

  /** How many operations it took the matcher through. */
  step(): number {
    const before = this.operations
    const choice = this.dice.below(20)
    if (choice < 7) this.ask()
    else if (choice < 9) this.expect()
    else if (choice < 11) this.abandon()
    else if (choice < 12) this.expire()
    else this.answer()
    same(this.matcher.pending, this.waiting)
    if (this.operations % LOOK === 0) same(heldBy(this.matcher) <= MOST_HELD, true)
    return this.operations - before
  }

  close(): void {
    this.mayAskAgain = false
    const expected = this.waiters().map((place): End => [this.end(place), "closed"])
    this.places = []
    this.matcher.end()
    this.compare(expected)
    same(this.matcher.pending, 0)
    same(heldBy(this.matcher), 0)
    for (const question of this.sent.slice(-10)) {
      same(this.matcher.answer(replyTo(question, []).message), "unasked")
      same(this.matcher.expects(responseTags[question.kind]), false)
    }
    this.compare([])
  }

  private ask(): void {
    if (this.matcher.isFull || this.isOverlong()) return
    const question = this.question()
    const deadline = this.now + this.dice.below(this.dice.oneIn(8) ? 3_000 : 60)
    const place: Place = { question, deadline, asked: undefined, isForgotten: false }
    this.places.push(place)
    this.waiting++
    this.operations++
    place.asked = this.matcher.ask(requestOf(question), deadline, (outcome) => {
      this.ends.push([question.id, outcome])
      // As a retry does, from within the end.
      if (this.mayAskAgain && question.id % 5 === 0) this.ask()
    })
  }

  private expect(): void {
    if (this.isOverlong()) return
    const question = this.question()
    this.places.push({ question, deadline: undefined, asked: undefined, isForgotten: false })
    this.operations++
    this.matcher.expect(requestOf(question))
    this.forget()
  }

  private abandon(): void {
    const from = this.dice.below(this.places.length)
    const place = this.places.find(({ deadline }, index) => index >= from && deadline !== undefined)
    if (place === undefined) return
    this.end(place)
    this.note("abandoned")
    this.operations++
    this.matcher.abandon(place.asked!)
    this.matcher.abandon(place.asked!)
    this.compare([])
    this.forget()
  }

  private expire(): void {
    this.now += this.dice.below(20)
    const expired = this.waiters().filter(({ deadline }) => deadline! <= this.now)
    const expected = expired.map((place): End => [this.end(place), "timedOut"])
    this.operations++
    this.matcher.expire(this.now)
    this.compare(expected)
    this.forget()
  }

  private answer(): void {
    const reply = this.character === "orderly" ? this.orderlyReply() : this.unrulyReply()
    if (reply === undefined) return
    const index = this.places.findIndex(({ question }) => answers(reply, question))
    const expected: Array<End> = []
    let verdict: string = "unasked"
    if (index >= 0) {
      const passed = this.places.splice(0, index + 1)
      this.forgotten -= passed.filter(({ isForgotten }) => isForgotten).length
      const place = passed.pop()!
      for (const other of passed) if (other.deadline !== undefined) expected.push([this.end(other), "passedOver"])
      verdict = place.deadline === undefined ? "late" : "delivered"
      if (place.deadline !== undefined) expected.push([this.end(place), reply.message])
    }
    // Without such a request the line of this answer is held to the limit of what is unasked.
    if (index >= 0) same(this.matcher.expects(reply.message._tag), true)
    this.operations++
    same(this.matcher.answer(reply.message), verdict)
    this.note(verdict)
    this.compare(expected)
  }

  /** The answer to the next request, and none until there are many: by then the oldest are forgotten. */
  private orderlyReply(): Reply | undefined {
    const isSilent = Math.floor(this.sent.length / (3 * KEPT)) % 2 === 0
    if (isSilent && !this.isOverlong()) return undefined
    let question = this.sent[this.answered++]
    while (question !== undefined && hasValue(question) && this.dice.oneIn(4)) question = this.sent[this.answered++]
    if (question === undefined) return undefined
    const reply = replyTo(question, rangeOf(question))
    // The rule finds whom the peer meant, or nobody.
    const first = this.places.find((place) => answers(reply, place.question))
    if (first !== undefined) same(first.question.id, question.id)
    return reply
  }

  private unrulyReply(): Reply {
    const { dice, places, sent } = this
    const question =
      places.length > 0 && dice.oneIn(2)
        ? places[dice.below(Math.min(places.length, 3))]!.question
        : sent.length > 0 && dice.oneIn(2)
          ? sent[sent.length - 1 - dice.below(Math.min(sent.length, 40))]!
          : this.made()
    const heights = dice.oneIn(4) ? [dice.below(40), dice.below(40)] : rangeOf(question).slice(dice.below(3))
    return replyTo(question, heights)
  }

  private question(): Question {
    const question = this.made()
    this.sent.push(question)
    return question
  }

  /** An orderly peer is asked for a value once, so that its answers can be told apart where they say for what. */
  private made(): Question {
    const id = this.sent.length
    const value = this.character === "orderly" ? id : this.dice.below(40)
    return { id, kind: this.dice.pick(kinds), value, width: this.character === "orderly" ? 1 : 1 + this.dice.below(9) }
  }

  /** Where every answer is compared with the rule, nothing is ever forgotten. */
  private isOverlong(): boolean {
    return this.places.length >= (this.character === "orderly" ? 2 * KEPT : KEPT)
  }

  private unheeded(): number {
    return this.places.length - this.waiting - this.forgotten
  }

  /** Of the oldest request that nobody waits for, only its kind is known from now on; with a value, not even that. */
  private forget(): void {
    while (this.unheeded() > KEPT) {
      const index = this.places.findIndex(({ deadline, isForgotten }) => deadline === undefined && !isForgotten)
      const place = this.places[index]!
      if (this.places.slice(0, index).some(({ deadline }) => deadline !== undefined)) this.note("forgotten behind one")
      if (hasValue(place.question)) this.places.splice(index, 1)
      else {
        place.isForgotten = true
        this.forgotten++
      }
      this.note("forgotten")
    }
  }

  private waiters(): ReadonlyArray<Place> {
    return this.places.filter(({ deadline }) => deadline !== undefined)
  }

  private end(place: Place): number {
    place.deadline = undefined
    this.waiting--
    return place.question.id
  }

  private compare(expected: ReadonlyArray<End>): void {
    const { ends } = this
    this.ends = []
    same(ends.length, expected.length)
    ends.forEach(([id, outcome], index) => {
      same(id, expected[index]![0])
      same(outcome, expected[index]![1])
      this.note(typeof outcome === "string" ? outcome : "answered")
    })
  }

  private note(event: string): void {
    this.seen[event] = (this.seen[event] ?? 0) + 1
  }
}

const hasValue = ({ kind }: Question): boolean => kind === "ping" || kind === "hash"

const answers = (reply: Reply, { kind, value, width }: Question): boolean => {
  if (reply.kind !== kind) return false
  if (kind === "height" || kind === "peers") return true
  if (kind === "ping" || kind === "hash") return reply.values[0] === value
  return reply.values.every((at) => at >= value && at < value + width)
}

const rangeOf = ({ value, width }: Question): ReadonlyArray<number> =>
  Array.from({ length: Math.min(width, 3) }, (_, index) => value + index)

const requestOf = ({ kind, value, width }: Question): Request => {
  const [start, end] = [height(value), height(value + width - 1)]
  switch (kind) {
    case "ping":
      return ping(BigInt(value))
    case "hash":
      return { _tag: "GetBlockHash", height: start }
    case "height":
      return { _tag: "GetBlockHeight" }
    case "peers":
      return { _tag: "GetPeers" }
    case "blocks":
      return { _tag: "GetBlocks", start, end }
    case "range":
      return { _tag: "GetBlockRange", startHeight: start, endHeight: end }
  }
}

/** An answer of the question's kind and value, with blocks of these heights if it is one with blocks. */
const replyTo = ({ kind, value }: Question, heights: ReadonlyArray<number>): Reply => {
  const isList = kind === "blocks" || kind === "range"
  return { kind, values: isList ? heights : [value], message: messageOf(kind, value, heights) }
}

const messageOf = (kind: Kind, value: number, heights: ReadonlyArray<number>): Message => {
  switch (kind) {
    case "ping":
      return pong(BigInt(value))
    case "hash":
      return { _tag: "BlockHashResponse", height: height(value), hash: null }
    case "height":
      return { _tag: "BlockHeightResponse", height: height(value) }
    case "peers":
      return { _tag: "PeersResponse", addresses: [] }
    case "blocks":
      return { _tag: "BlocksResponse", blocks: heights.map((at) => emptyBlock(at)) }
    case "range":
      return { _tag: "BlockRangeResponse", blocks: heights.map((at) => emptyBlock(at)) }
  }
}

const responseTags: Readonly<Record<Kind, MessageTag>> = {
  ping: "Pong",
  hash: "BlockHashResponse",
  height: "BlockHeightResponse",
  peers: "PeersResponse",
  blocks: "BlocksResponse",
  range: "BlockRangeResponse"
}

/** How many things an object holds in its lists and maps, and in those of what it holds, whatever their names. */
const heldBy = (owner: object): number => {
  let held = 0
  for (const field of Object.values(owner) as ReadonlyArray<unknown>) {
    if (field instanceof Map || field instanceof Set) held += field.size
    if (Array.isArray(field)) for (const one of field) held += 1 + heldBy(one)
  }
  return held
}
