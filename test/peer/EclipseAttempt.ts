/**
 * An attempt to surround a node: an attacker wants all of its outbound slots.
 *
 * The attacker owns whole network groups, and every address there answers. It keeps eight connections to the node,
 * coming from another address every hour, and on each names as many of its addresses as are taken, half of them as
 * masternodes. It never ends a connection, whereas honest peers go now and then, and one dial in ten to them fails. The
 * node knew the honest ones before. It restarts once, in the middle.
 *
 * The address book and the choice of addresses are the node's own; sessions are entries of a map, and time is virtual.
 */
import { Clock, Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryAddressBook from "../../src/layers/MemoryAddressBook.ts"
import type { StoredAddresses } from "../../src/layers/StoredAddresses.ts"
import * as OutboundSlots from "../../src/peer/OutboundSlots.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { networkGroup } from "../../src/protocol/NetworkGroup.ts"
import { formatPeerAddress, type PeerAddress, type PeerId } from "../../src/protocol/PeerId.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { knownMasternode } from "../fixtures/Masternodes.ts"

export interface Attempt {
  readonly seed: number
  readonly hours: number
  /** Network groups of the attacker. */
  readonly groups: number
  readonly honest: { readonly groups: number; readonly addresses: number; readonly masternodes: number }
}

/** Shares of the outbound slots that honest peers hold. */
export interface Outcome {
  /** When the slots were full, at first and after the restart. */
  readonly started: number
  readonly restarted: number
  readonly ended: number
  /** The least at the full minutes, without the first two of each run. */
  readonly least: number
  /** Addresses of the attacker and of others in the book at the end, and those of them that were reached. */
  readonly book: { readonly attacker: number; readonly reached: number; readonly honest: number }
}

/** Needs a test clock. */
export const attempt = Effect.fnUntraced(function* (options: Attempt) {
  const honest = Array.from({ length: options.honest.addresses }, (_, n) =>
    at(`${20 + (n % options.honest.groups)}.1.0.${1 + Math.floor(n / options.honest.groups)}`)
  )
  const masternodes = new Set(honest.slice(0, options.honest.masternodes).map(({ peer }) => peer))
  const services = Layer.mergeAll(
    NodeConfig.layerTest({ discovery: true }),
    MasternodeRegistry.layerTest({
      list: Effect.sync(() => Array.from(masternodes, (peer) => knownMasternode(peer)))
    })
  )
  return yield* live(options, honest, masternodes).pipe(
    Effect.provide(services, { local: true }),
    Random.withSeed(options.seed)
  )
})

// --- internal ---

const SLOTS = Limits.OUTBOUND_SLOTS
const CONNECTIONS = 8
/** An honest session ends after four hours on average. */
const HONEST_ENDS_A_MINUTE = 1 / 240
const HONEST_DIAL_FAILS = 0.1

const live = Effect.fnUntraced(function* (
  { groups, hours, seed }: Attempt,
  honest: ReadonlyArray<PeerAddress>,
  masternodes: Set<PeerId>
) {
  const now = yield* Clock.currentTimeMillis
  const known = new Set(honest.map(({ peer }) => peer))
  const key = seed.toString(16).padStart(64, "0")
  let stored: StoredAddresses = {
    version: 1,
    key,
    anchors: [],
    addresses: honest.map((address) => ({
      address: formatPeerAddress(address),
      source: networkGroup(address.peer),
      tried: true,
      since: now,
      lastConnected: now,
      failures: 0
    }))
  }
  let named = 0
  const starts: Array<number> = []
  let least = 1
  let share = 0

  for (const half of [0, 1]) {
    const { book, snapshot } = yield* MemoryAddressBook.make(stored)
    /** Since when a peer is connected. */
    const sessions = new Map<PeerId, number>()

    const dial = Effect.fnUntraced(function* (address: PeerAddress) {
      const fails = known.has(address.peer) && (yield* Random.next) < HONEST_DIAL_FAILS
      yield* fails ? book.recordFailure(address.peer) : book.recordConnected(address)
      return !fails
    })
    const fill = Effect.fnUntraced(function* (candidates: ReadonlyArray<PeerAddress>) {
      const outbound = new Set(sessions.keys())
      const chosen = OutboundSlots.choose(candidates, {
        slots: SLOTS,
        outbound,
        connected: outbound,
        masternodes,
        isMasternode: false
      })
      for (const address of chosen) if (yield* dial(address)) sessions.set(address.peer, yield* Clock.currentTimeMillis)
    })
    const flood = Effect.gen(function* () {
      for (let n = 0; n < CONNECTIONS; n++) {
        const from = at(`${150 + (named % groups)}.66.${(named >> 8) & 255}.${named & 255}`).peer
        const texts = Array.from({ length: 500 }, (_, index) => {
          const number = named * 500 + index
          return `${150 + (number % groups)}.66.${Math.floor(number / groups / 250) & 255}.${1 + (Math.floor(number / groups) % 250)}`
        })
        named++
        yield* book.learn(texts, from)
        for (const text of texts.slice(0, 250))
          if (masternodes.size < Limits.KNOWN_MASTERNODES) masternodes.add(at(text).peer)
      }
    })

    yield* fill(yield* book.anchors)
    for (let minute = 0; minute < (hours * 60) / 2; minute++) {
      if (minute % 60 === 0) yield* flood
      for (const peer of sessions.keys()) {
        if (known.has(peer) && (yield* Random.next) < HONEST_ENDS_A_MINUTE) sessions.delete(peer)
      }
      for (let tick = 0; tick < 6; tick++) {
        if (sessions.size < SLOTS) yield* fill(yield* book.candidates)
        yield* TestClock.adjust("10 seconds")
      }
      if (minute % 2 === 0 && sessions.size >= SLOTS) {
        const unknown = (yield* book.candidates).find(({ lastConnected }) => lastConnected === null)
        if (unknown !== undefined) yield* dial(unknown)
      }
      share = [...sessions.keys()].filter((peer) => known.has(peer)).length / SLOTS
      if (minute === 2) starts.push(share)
      if (minute >= 2) least = Math.min(least, share)
      yield* book.recordAnchors(
        [...sessions]
          .sort(([, a], [, b]) => a - b)
          .slice(0, Limits.ANCHORS)
          .map(([peer]) => ({ peer, port: PORT }))
      )
    }
    stored = yield* snapshot
    if (half === 0) continue
    const all = yield* book.all
    const foes = all.filter(({ peer }) => !known.has(peer))
    const [started = 0, restarted = 0] = starts
    return {
      started,
      restarted,
      ended: share,
      least,
      book: {
        attacker: foes.length,
        reached: foes.filter(({ lastConnected }) => lastConnected !== null).length,
        honest: all.length - foes.length
      }
    } satisfies Outcome
  }
  return yield* Effect.die(new Error("there are two halves"))
})

const PORT = 24_100

const at = (peer: string): PeerAddress => ({ peer: peer as PeerId, port: PORT })
