/**
 * A network in memory with the faults of a real one: lines come late, things that are told are lost, come twice or out of
 * order, and groups of nodes are cut off from each other.
 *
 * All chance comes from Effect's `Random` and all time from its Clock, so that a run with a seed on a virtual clock is
 * repeated by that seed. A stream loses nothing in its middle: what is asked and answered comes late, whole and in order,
 * or its link breaks. What is told without being asked for may get lost between nodes, and that is what is lost here.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { MemoryHub } from "../layers/registry/MemoryHub.ts"
import { MemorySocket } from "../layers/registry/MemorySocket.ts"
import { requestAnsweredBy, requestTags } from "../protocol/Exchange.ts"
import { type MessageTag, messageTags } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"

/** What goes wrong. Shares are of 1, of the lines that nobody asked for. */
export interface Faults {
  /** How long a line is under way, in milliseconds: from, to. */
  readonly delay: readonly [number, number]
  readonly lost: number
  readonly doubled: number
  /** How many are held up, and may be overtaken by as much as ten times the longest delay. */
  readonly heldUp: number
}

/** A good local network. */
export const NO_FAULTS: Faults = { delay: [1, 5], lost: 0, doubled: 0, heldUp: 0 }

export class FaultyHub extends Context.Service<
  FaultyHub,
  {
    /** From now on; lines under way keep their time. */
    readonly setFaults: (faults: Partial<Faults>) => Effect.Effect<void>
    /** Only members of one group reach each other; who is in none is alone. Links between groups break. */
    readonly separate: (groups: ReadonlyArray<ReadonlyArray<PeerId>>) => Effect.Effect<void>
    /** Everybody reaches everybody; broken links stay broken until somebody dials. */
    readonly heal: Effect.Effect<void>
  }
>()("timenode/testing/FaultyHub") {
  /** A network without nodes. */
  static readonly layer = (faults: Partial<Faults> = {}): Layer.Layer<FaultyHub | MemoryHub> =>
    Layer.effectContext(make({ ...NO_FAULTS, ...faults })).pipe(Layer.provide(MemoryHub.layer))
}

// --- internal ---

const make = Effect.fnUntraced(function* (initial: Faults) {
  const hub = yield* MemoryHub
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  let faults = initial
  let groups: ReadonlyArray<ReadonlySet<PeerId>> | undefined
  const links = new Set<Link>()
  const deliveries = new Deliveries()

  const reach = (one: PeerId, other: PeerId): boolean =>
    one === other || groups === undefined || groups.some((group) => group.has(one) && group.has(other))
  const between = ([from, to]: Faults["delay"]): number => from + random.nextDoubleUnsafe() * (to - from)
  const happens = (share: number): boolean => share > 0 && random.nextDoubleUnsafe() < share

  /** One direction of a link: what its sender writes comes to `into` line by line. */
  const carry = (link: Link, from: MemorySocket, into: MemorySocket): void => {
    let unfinished: Array<Uint8Array> = []
    let lastDue = 0
    const deliver = (due: number, run: () => void): void => deliveries.add(due, () => link.isUp && run())
    const inOrder = (run: () => void): void => {
      lastDue = Math.max(lastDue, clock.currentTimeMillisUnsafe() + between(faults.delay))
      deliver(lastDue, run)
    }
    const send = (line: ReadonlyArray<Uint8Array>): void => {
      const bring = () => line.forEach((chunk) => into.send(chunk))
      if (!isTold(line[0]!)) return inOrder(bring)
      if (happens(faults.lost)) return
      if (happens(faults.heldUp)) {
        return deliver(clock.currentTimeMillisUnsafe() + between([0, 10 * faults.delay[1]]), bring)
      }
      inOrder(bring)
      if (happens(faults.doubled)) inOrder(bring)
    }
    from.open({
      data: (chunk) => {
        let start = 0
        for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
          send([...unfinished, chunk.subarray(start, end + 1)])
          unfinished = []
          start = end + 1
        }
        if (start < chunk.length) unfinished.push(chunk.subarray(start))
      },
      taken: () => {},
      ended: () =>
        inOrder(() => {
          into.end()
          links.delete(link)
        })
    })
  }

  const connect = (from: PeerId, to: Parameters<typeof hub.connect>[1]): MemorySocket | undefined => {
    if (!reach(from, to.peer)) return undefined
    const beyond = hub.connect(from, to)
    if (beyond === undefined) return undefined
    const [near, end] = MemorySocket.pair()
    const link: Link = { ends: [from, to.peer], isUp: true, sockets: [end, beyond] }
    links.add(link)
    carry(link, end, beyond)
    carry(link, beyond, end)
    return near
  }

  const separate = (members: ReadonlyArray<ReadonlyArray<PeerId>>): void => {
    groups = members.map((group) => new Set(group))
    for (const link of links) {
      if (reach(...link.ends)) continue
      link.isUp = false
      links.delete(link)
      for (const socket of link.sockets) socket.close()
    }
  }

  yield* Effect.forkScoped(deliveries.run(clock))
  return Context.make(MemoryHub, MemoryHub.of({ listen: hub.listen, connect })).pipe(
    Context.add(
      FaultyHub,
      FaultyHub.of({
        setFaults: (changed) => Effect.sync(() => void (faults = { ...faults, ...changed })),
        separate: (members) => Effect.sync(() => separate(members)),
        heal: Effect.sync(() => void (groups = undefined))
      })
    )
  )
})

const LF = 0x0a

interface Link {
  readonly ends: readonly [PeerId, PeerId]
  readonly sockets: readonly [MemorySocket, MemorySocket]
  isUp: boolean
}

/** Beginnings of lines that are told without being asked for, but for what a link itself begins with. */
const told: ReadonlyArray<Buffer> = messageTags
  .filter((tag) => !(requestTags as ReadonlyArray<MessageTag>).includes(tag) && requestAnsweredBy(tag) === undefined)
  .filter((tag) => tag !== "Version" && tag !== "MasternodeAnnouncement")
  .map((tag) => Buffer.from(`{"${tag}":`))

const isTold = (line: Uint8Array): boolean => told.some((start) => start.equals(line.subarray(0, start.length)))

/** What is under way, in the order in which it is due; what is due at once, in the order in which it was sent. */
class Deliveries {
  readonly #waiting: Array<{ readonly due: number; readonly run: () => void }> = []
  #changed = Deferred.makeUnsafe<void>()

  add(due: number, run: () => void): void {
    const before = this.#waiting.findLastIndex((other) => other.due <= due)
    this.#waiting.splice(before + 1, 0, { due, run })
    // Only an earlier delivery than the one that is waited for makes a difference.
    if (before < 0) Deferred.doneUnsafe(this.#changed, Effect.void)
  }

  run(clock: Clock.Clock): Effect.Effect<never> {
    const step = Effect.suspend(() => {
      const now = clock.currentTimeMillisUnsafe()
      while (this.#waiting.length > 0 && this.#waiting[0]!.due <= now) this.#waiting.shift()!.run()
      this.#changed = Deferred.makeUnsafe<void>()
      const next = this.#waiting[0]
      const changed = Deferred.await(this.#changed)
      return next === undefined ? changed : Effect.raceFirst(Effect.sleep(Math.ceil(next.due - now)), changed)
    })
    return Effect.forever(step)
  }
}
