/**
 * Which request an answer answers, on one connection.
 *
 * A peer answers in the order it was asked, and answers carry no id. So requests are kept in the order they were sent,
 * and an answer belongs to the first of them that it can answer. All before that one will not be answered any more. A
 * request that nobody waits for keeps its place, so that its late answer is not taken for the answer to the next. Every
 * request is settled exactly once, and never with another one's answer.
 */
import { correlation, Exchange, fits, isRequest, type Request } from "../../protocol/Exchange.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Message, MessageTag } from "../../protocol/Message.ts"

/** Why there is no answer: time is up, the peer answered a later request, or the connection ended. */
export type NoAnswer = "timedOut" | "passedOver" | "closed"

export type Outcome = Message | NoAnswer

/** A request that was sent. */
export interface Asked {
  readonly request: Request
  readonly correlation: bigint | undefined
  /** Milliseconds on the registry's clock. */
  readonly deadline: number
  /** Absent when nobody waits, or no more. */
  settle: ((outcome: Outcome) => void) | undefined
}

export class AnswerMatcher {
  /** In the order sent; those before `first` are done with. */
  private asked: Array<Asked> = []
  private first = 0
  private waiting = 0
  /** Answers still to come for requests too old to keep, where nothing but the variant tells them apart. */
  private readonly overdue = new Map<MessageTag, number>()

  /** Requests that somebody waits for. */
  get pending(): number {
    return this.waiting
  }

  get isFull(): boolean {
    return this.waiting >= Limits.PENDING_REQUESTS_PER_PEER
  }

  /** Notes a request as it is sent. `settle` is called once, with its end; it may call this matcher. */
  ask(request: Request, deadline: number, settle: (outcome: Outcome) => void): Asked {
    const asked: Asked = { request, correlation: correlation(request), deadline, settle }
    this.asked.push(asked)
    this.waiting++
    return asked
  }

  /** Notes a request whose answer nobody waits for. */
  expect(message: Message): void {
    if (!isRequest(message)) return
    this.asked.push({ request: message, correlation: correlation(message), deadline: Infinity, settle: undefined })
    this.forgetOldest()
  }

  /** Nobody waits for this request any more; it keeps its place. */
  abandon(asked: Asked): void {
    if (asked.settle === undefined) return
    asked.settle = undefined
    this.waiting--
    this.forgetOldest()
  }

  /**
   * Takes a response: `delivered` to who waited for it, `late` for a request that nobody waits for, or `unasked`.
   */
  answer(response: Message): "delivered" | "late" | "unasked" {
    const value = correlation(response)
    if (value === undefined && this.takeOverdue(response._tag)) return "late"
    for (let index = this.first; index < this.asked.length; index++) {
      const asked = this.asked[index]!
      if (
        Exchange[asked.request._tag].response === response._tag &&
        asked.correlation === value &&
        fits(asked.request, response)
      ) {
        return this.take(index, response)
      }
    }
    return "unasked"
  }

  /** True while an answer of this variant may come. */
  expects(tag: MessageTag): boolean {
    if (this.overdue.has(tag)) return true
    for (let index = this.first; index < this.asked.length; index++) {
      if (Exchange[this.asked[index]!.request._tag].response === tag) return true
    }
    return false
  }

  /** Ends the requests whose time is up. */
  expire(now: number): void {
    if (this.waiting === 0) return
    const expired = this.asked.slice(this.first).filter((asked) => asked.settle !== undefined && asked.deadline <= now)
    this.settleAll(expired, "timedOut")
    this.forgetOldest()
  }

  /** Ends all requests: the connection is closed. */
  end(): void {
    const asked = this.asked.slice(this.first)
    this.asked = []
    this.first = 0
    this.overdue.clear()
    this.settleAll(asked, "closed")
  }

  private take(index: number, response: Message): "delivered" | "late" {
    const answered = this.asked[index]!
    const passedOver = index === this.first ? NONE : this.asked.slice(this.first, index)
    this.first = index + 1
    if (this.first === this.asked.length) {
      this.asked = []
      this.first = 0
    } else if (this.first >= Limits.PENDING_REQUESTS_PER_PEER) {
      this.asked = this.asked.slice(this.first)
      this.first = 0
    }
    this.overdue.clear()
    this.settleAll(passedOver, "passedOver")
    return this.settleOne(answered, response) ? "delivered" : "late"
  }

  private settleAll(asked: ReadonlyArray<Asked>, outcome: NoAnswer): void {
    for (const one of asked) this.settleOne(one, outcome)
  }

  private settleOne(asked: Asked, outcome: Outcome): boolean {
    const settle = asked.settle
    if (settle === undefined) return false
    asked.settle = undefined
    this.waiting--
    settle(outcome)
    return true
  }

  private takeOverdue(tag: MessageTag): boolean {
    const count = this.overdue.get(tag)
    if (count === undefined) return false
    if (count === 1) this.overdue.delete(tag)
    else this.overdue.set(tag, count - 1)
    return true
  }

  /** Keeps the list bounded: of the oldest requests that nobody waits for, only their places in the count stay. */
  private forgetOldest(): void {
    while (this.asked.length - this.first - this.waiting > Limits.PENDING_REQUESTS_PER_PEER) {
      const index = this.asked.findIndex((asked, index) => index >= this.first && asked.settle === undefined)
      const { correlation, request } = this.asked.splice(index, 1)[0]!
      if (correlation !== undefined) continue
      const tag = Exchange[request._tag].response
      this.overdue.set(tag, (this.overdue.get(tag) ?? 0) + 1)
    }
  }
}

// --- internal ---

const NONE: ReadonlyArray<Asked> = []
