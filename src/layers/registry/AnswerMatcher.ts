/**
 * Which request an answer answers, on one connection.
 *
 * A peer answers in the order it was asked, and answers carry no id. So requests are kept in the order they were sent,
 * and an answer belongs to the first of them that it can answer. All before that one will not be answered any more. A
 * request that nobody waits for keeps its place, so that its late answer is not taken for the answer to the next. Of the
 * oldest of too many such, only the variant of the answer is kept, as a count beside the request that came after them.
 * Every request is settled exactly once, and never with another one's answer.
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
  /**
   * The forgotten requests between the kept one before and this one, by the variant that answers them. Those told apart
   * by a value are not counted: without it, their answers answer nothing.
   */
  forgotten: Map<MessageTag, number> | undefined
}

export class AnswerMatcher {
  /** In the order sent; those before `first` are done with. */
  private asked: Array<Asked> = []
  private first = 0
  private waiting = 0

  /** Requests that somebody waits for. */
  get pending(): number {
    return this.waiting
  }

  get isFull(): boolean {
    return this.waiting >= Limits.PENDING_REQUESTS_PER_PEER
  }

  /** Notes a request as it is sent. `settle` is called once, with its end; it may call this matcher. */
  ask(request: Request, deadline: number, settle: (outcome: Outcome) => void): Asked {
    const asked: Asked = { request, correlation: correlation(request), deadline, settle, forgotten: undefined }
    this.asked.push(asked)
    this.waiting++
    return asked
  }

  /** Notes a request whose answer nobody waits for. */
  expect(message: Message): void {
    if (!isRequest(message)) return
    this.asked.push({
      request: message,
      correlation: correlation(message),
      deadline: Infinity,
      settle: undefined,
      forgotten: undefined
    })
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
    for (let index = this.first; index < this.asked.length; index++) {
      const asked = this.asked[index]!
      if (asked.forgotten !== undefined && takeForgotten(asked, response._tag)) return this.passOver(index)
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
    for (let index = this.first; index < this.asked.length; index++) {
      const { forgotten, request } = this.asked[index]!
      if (Exchange[request._tag].response === tag || forgotten?.has(tag) === true) return true
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
    this.settleAll(asked, "closed")
  }

  private take(index: number, response: Message): "delivered" | "late" {
    const answered = this.asked[index]!
    const passedOver = this.before(index)
    this.dropBefore(index + 1)
    this.settleAll(passedOver, "passedOver")
    const isDelivered = this.settleOne(answered, response)
    this.forgetOldest()
    return isDelivered ? "delivered" : "late"
  }

  /** The answer was to a forgotten request that stood right before this one. */
  private passOver(index: number): "late" {
    const passedOver = this.before(index)
    this.dropBefore(index)
    this.settleAll(passedOver, "passedOver")
    this.forgetOldest()
    return "late"
  }

  private before(index: number): ReadonlyArray<Asked> {
    return index === this.first ? NONE : this.asked.slice(this.first, index)
  }

  private dropBefore(index: number): void {
    this.first = index
    if (index === this.asked.length) {
      this.asked = []
      this.first = 0
    } else if (index >= Limits.PENDING_REQUESTS_PER_PEER) {
      this.asked = this.asked.slice(index)
      this.first = 0
    }
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

  /**
   * Keeps the list bounded: of the oldest requests that nobody waits for, only their places in the counts stay. What ends
   * may ask again at once, so that this comes last in everything that ends requests.
   */
  private forgetOldest(): void {
    while (this.asked.length - this.first - this.waiting > Limits.PENDING_REQUESTS_PER_PEER) {
      let index = this.first
      while (this.asked[index]!.settle !== undefined) index++
      // There is a next one: many that nobody waits for are younger.
      forget(this.asked[index]!, this.asked[index + 1]!)
      this.asked.splice(index, 1)
    }
  }
}

// --- internal ---

const NONE: ReadonlyArray<Asked> = []

/** Counts a request, and those forgotten before it, among the ones forgotten before the next. */
const forget = (oldest: Asked, next: Asked): void => {
  const counts = next.forgotten ?? new Map<MessageTag, number>()
  const add = (count: number, tag: MessageTag) => void counts.set(tag, (counts.get(tag) ?? 0) + count)
  oldest.forgotten?.forEach(add)
  if (oldest.correlation === undefined) add(1, Exchange[oldest.request._tag].response)
  if (counts.size > 0) next.forgotten = counts
}

/** True when an answer of this variant is to one that was forgotten before this request; it is counted off. */
const takeForgotten = (asked: Asked, tag: MessageTag): boolean => {
  const count = asked.forgotten?.get(tag)
  if (count === undefined) return false
  if (count > 1) asked.forgotten!.set(tag, count - 1)
  else asked.forgotten!.delete(tag)
  return true
}
