/**
 * Which range of blocks to ask whom for next, and what has come of those asked before.
 *
 * It knows no peers but those it is told of, no clock and no fibers, so that a property can try any order of events.
 * What is asked for or waits to be connected lies within a window above the chain, in ranges that neither overlap nor
 * leave gaps. A range is asked of one peer; only the first that is missing, when it is late, of a second one as well.
 */
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/** A peer that may be asked, and how far its chain goes. */
export interface Source {
  readonly peer: PeerId
  readonly height: bigint
}

/** Blocks `start` to `end` are to be asked of the peer. */
export interface Ask {
  readonly peer: PeerId
  readonly start: bigint
  readonly end: bigint
  /** Whoever has kept the range waiting too long and is to be given up for this one. */
  readonly insteadOf?: PeerId
}

/** Blocks that came, all from one peer. */
export interface Fetched<B> {
  readonly peer: PeerId
  readonly start: bigint
  readonly blocks: ReadonlyArray<B>
}

/** Who else was asked for a range that has come. */
export interface Rivals {
  /** Asked before the peer that answered. */
  readonly late: ReadonlyArray<PeerId>
  /** Asked after it. */
  readonly needless: ReadonlyArray<PeerId>
}

export class RangePlan<B> {
  #next: bigint
  /** Adjoining, from `#next` on. The first may begin below it. */
  #ranges: Array<Range<B>> = []
  #heldBytes = 0
  /** What an answer is expected to hold: the most that one has held lately. */
  #reserve = Limits.SYNC_BYTES / Limits.SYNC_REQUESTS

  /** A plan for a chain whose next block is `next`. */
  constructor(next: bigint) {
    this.#next = next
  }

  /** The height of the first block that is not connected. */
  get next(): bigint {
    return this.#next
  }

  /** Bytes of the blocks that wait to be connected. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get inFlight(): number {
    return this.#ranges.reduce((sum, { asked }) => sum + asked.length, 0)
  }

  /** The peers asked for something. */
  get askedPeers(): ReadonlySet<PeerId> {
    return new Set(this.#ranges.flatMap(({ asked }) => asked.map(({ peer }) => peer)))
  }

  /**
   * What to ask now, noted as asked. Sources come in the order of preference. A range is late that has been on its way
   * for `lateAfter`, and for twice as long whenever it was asked again.
   */
  plan(sources: ReadonlyArray<Source>, now: number, lateAfter: number): ReadonlyArray<Ask> {
    this.#extend(sources)
    const load = new Map<PeerId, number>()
    for (const { asked } of this.#ranges) for (const { peer } of asked) load.set(peer, (load.get(peer) ?? 0) + 1)
    const asks: Array<Ask> = []
    const note = (range: Range<B>, { height, peer }: Source, insteadOf?: PeerId): void => {
      range.asked.push({ peer, since: now })
      load.set(peer, (load.get(peer) ?? 0) + 1)
      const ask = { peer, start: range.start, end: range.end < height ? range.end : height }
      asks.push(insteadOf === undefined ? ask : { ...ask, insteadOf })
    }

    let inFlight = this.inFlight
    let isFirst = true
    for (let index = 0; index < this.#ranges.length; index++) {
      const range = this.#ranges[index]!
      if (range.fetched !== undefined) continue
      const mayWait = !isFirst
      isFirst = false
      if (range.asked.length > 0) continue
      if (inFlight >= Limits.SYNC_REQUESTS) break
      // The first one missing is always asked for: nothing else can make room.
      if (mayWait && this.#heldBytes + (inFlight + 1) * this.#reserve > Limits.SYNC_BYTES) break
      const source = choose(sources, load, range)
      if (source === undefined) break
      if (source.height < range.end) this.#split(index, source.height + 1n)
      note(range, source)
      inFlight++
    }

    const first = this.#ranges.find(({ fetched }) => fetched === undefined)
    const last = first?.asked.at(-1)
    const mayRepeat = first !== undefined && (first.asked.length > 1 || inFlight < Limits.SYNC_REQUESTS)
    if (mayRepeat && last !== undefined && now >= dueAt(first, last, lateAfter)) {
      const others = sources.filter(({ peer }) => first.asked.every((asked) => asked.peer !== peer))
      const source = choose(others, load, first)
      if (source !== undefined) {
        const insteadOf = first.asked.length > 1 ? first.asked.shift()!.peer : undefined
        first.repeats++
        note(first, source, insteadOf)
      }
    }
    return asks
  }

  /** When the first missing range will be late; undefined when none is on its way. */
  lateAt(lateAfter: number): number | undefined {
    const first = this.#ranges.find(({ fetched }) => fetched === undefined)
    const last = first?.asked.at(-1)
    return last === undefined ? undefined : dueAt(first!, last, lateAfter)
  }

  /**
   * The peer gave the first blocks of the range it was asked for at `start`, at least one; the rest is asked for again.
   * Undefined when nobody waits for them any more, or when they find no room and are asked for later.
   */
  answered(peer: PeerId, start: bigint, blocks: ReadonlyArray<B>, bytes: number): Rivals | undefined {
    const index = this.#find(peer, start)
    const range = this.#ranges[index]
    if (range === undefined) return undefined
    this.#reserve = Math.max(bytes, this.#reserve * RESERVE_DECAY)
    const isFirst = this.#ranges.slice(0, index).every(({ fetched }) => fetched !== undefined)
    if (!isFirst && this.#heldBytes + bytes > Limits.SYNC_BYTES) {
      range.asked = range.asked.filter((asked) => asked.peer !== peer)
      return undefined
    }
    const place = range.asked.findIndex((asked) => asked.peer === peer)
    const names = range.asked.map((asked) => asked.peer)
    range.asked = []
    const end = start + BigInt(blocks.length) - 1n
    if (end < range.end) this.#split(index, end + 1n)
    range.fetched = { peer, start, blocks, bytes }
    this.#heldBytes += bytes
    return { late: names.slice(0, place), needless: names.slice(place + 1) }
  }

  /** The peer will not give the range it was asked for at `start`, which is free to be asked of another. */
  failed(peer: PeerId, start: bigint): void {
    const range = this.#ranges[this.#find(peer, start)]
    if (range !== undefined) range.asked = range.asked.filter((asked) => asked.peer !== peer)
  }

  /** Everything the peer was asked for is free again; and what it gave, if that is not to be trusted. */
  forsake(peer: PeerId, isTrusted: boolean): void {
    for (const range of this.#ranges) {
      range.asked = range.asked.filter((asked) => asked.peer !== peer)
      if (!isTrusted && range.fetched?.peer === peer) {
        this.#heldBytes -= range.fetched.bytes
        range.fetched = undefined
      }
    }
  }

  /** What can be connected: the ranges that came from the lowest on, up to about so many blocks. */
  ready(blocks: number): ReadonlyArray<Fetched<B>> {
    const ready: Array<Fetched<B>> = []
    let count = 0
    for (const { fetched } of this.#ranges) {
      if (fetched === undefined || (count > 0 && count + fetched.blocks.length > blocks)) break
      ready.push(fetched)
      count += fetched.blocks.length
    }
    return ready
  }

  /** The chain has grown up to below `next`. */
  connected(next: bigint): void {
    this.#next = next
    while (this.#ranges[0] !== undefined && this.#ranges[0].end < next) {
      this.#heldBytes -= this.#ranges.shift()!.fetched?.bytes ?? 0
    }
  }

  /** New ranges up to the highest source, as far as the window goes. What no source has any more is forgotten. */
  #extend(sources: ReadonlyArray<Source>): void {
    const first = this.#ranges[0]
    if (first !== undefined && first.start < this.#next && first.fetched === undefined && first.asked.length === 0) {
      first.start = this.#next
    }
    let target = this.#next - 1n
    for (const { height } of sources) if (height > target) target = height
    for (let last = this.#ranges.at(-1); last !== undefined && last.end > target; last = this.#ranges.at(-1)) {
      if (last.fetched !== undefined || last.asked.length > 0) break
      this.#ranges.pop()
    }
    const limit = this.#next + BigInt(Limits.SYNC_BLOCKS)
    let start = (this.#ranges.at(-1)?.end ?? this.#next - 1n) + 1n
    while (start <= target && start < limit) {
      const end = start + RANGE - 1n
      this.#ranges.push({ start, end: end < target ? end : target, asked: [], fetched: undefined, repeats: 0 })
      start += RANGE
    }
  }

  /** Ends the range below `start` and lets another begin there. */
  #split(index: number, start: bigint): void {
    const range = this.#ranges[index]!
    this.#ranges.splice(index + 1, 0, { start, end: range.end, asked: [], fetched: undefined, repeats: 0 })
    range.end = start - 1n
  }

  #find(peer: PeerId, start: bigint): number {
    return this.#ranges.findIndex((range) => range.start === start && range.asked.some((asked) => asked.peer === peer))
  }
}

// --- internal ---

const RANGE = BigInt(Limits.BLOCKS_PER_ANSWER)

/** What one large answer reserves is given back within some ten smaller ones. */
const RESERVE_DECAY = 0.8

interface Range<B> {
  start: bigint
  end: bigint
  /** Those asked, in that order: one, or two. */
  asked: Array<{ readonly peer: PeerId; readonly since: number }>
  fetched: (Fetched<B> & { readonly bytes: number }) | undefined
  /** How often it was late. */
  repeats: number
}

const dueAt = (range: Range<unknown>, last: { readonly since: number }, lateAfter: number): number =>
  last.since + lateAfter * 2 ** range.repeats

/** The least busy of those that have the range, else of those that have its beginning. */
const choose = (
  sources: ReadonlyArray<Source>,
  load: ReadonlyMap<PeerId, number>,
  { end, start }: { readonly start: bigint; readonly end: bigint }
): Source | undefined => {
  let best: Source | undefined
  const worth = ({ height, peer }: Source): number => (height >= end ? PER_PEER : 0) - (load.get(peer) ?? 0)
  for (const source of sources) {
    if (source.height < start || (load.get(source.peer) ?? 0) >= PER_PEER) continue
    if (best === undefined || worth(source) > worth(best)) best = source
  }
  return best
}

const PER_PEER = Limits.SYNC_REQUESTS_PER_PEER
