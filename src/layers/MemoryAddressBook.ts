/**
 * The address book in memory: bounded, and trusting nobody.
 *
 * Addresses from gossip are kept only if they can be dialled from here: public ones, or on a node that itself lives on
 * loopback also private and loopback ones. A record carries its own next time to be tried, so that no address is dialled
 * more often than the back-off says, whoever asks.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Limits from "../protocol/Limits.ts"
import { addressScope, isIpv6, type PeerAddress, peerAddress, type PeerId } from "../protocol/PeerId.ts"
import * as Policies from "../peer/Policies.ts"
import { AddressBook, type KnownAddress } from "../services/AddressBook.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { NodeConfig } from "../services/NodeConfig.ts"

export const layer = Layer.effect(
  AddressBook,
  Effect.gen(function* () {
    const config = yield* NodeConfig
    const masternodes = yield* MasternodeRegistry
    const records = new Map<PeerId, Entry>()
    const forgotten = new Set<PeerId>()
    const own = new Set([config.externalAddress, config.localAddress])
    const onLoopback = config.localAddress !== null && addressScope(config.localAddress) === "loopback"

    const isDialable = (peer: PeerId) => {
      const scope = addressScope(peer)
      return !own.has(peer) && !forgotten.has(peer) && (scope === "public" || (onLoopback && scope !== "unusable"))
    }

    const insert = (address: PeerAddress, source: KnownAddress["source"]): boolean => {
      if (records.has(address.peer) || !isDialable(address.peer)) return false
      if (records.size >= Limits.KNOWN_ADDRESSES && !makeRoom(records)) return false
      records.set(address.peer, { ...address, source, lastConnected: null, failures: 0, nextTry: 0 })
      return true
    }

    for (const address of config.peers) insert(address, "configured")

    return AddressBook.of({
      learn: (texts) =>
        Effect.gen(function* () {
          let added = 0
          for (const [index, text] of (config.discovery ? texts.slice(0, Limits.ADDRESSES_PER_INTAKE) : []).entries()) {
            if (index > 0 && index % ADDRESSES_PER_SLICE === 0) yield* Effect.yieldNow
            const address = peerAddress(text, config.network.p2pPort)
            if (address !== undefined && insert(address, "gossip")) added++
          }
          return added
        }),
      sample: (count, { ipv6 }) =>
        Effect.suspend(() =>
          Random.shuffle(
            [...records.values()].filter((entry) => isWorthTelling(entry) && (ipv6 || !isIpv6(entry.peer)))
          )
        ).pipe(
          Effect.map((entries) =>
            entries.slice(0, count).sort((a, b) => (b.lastConnected ?? 0) - (a.lastConnected ?? 0))
          )
        ),
      candidates: (count) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const known = new Set((yield* masternodes.list).map(({ peer }) => peer))
          const due = [...records.values()].filter(({ nextTry }) => nextTry <= now)
          const shuffled = yield* Random.shuffle(due)
          // Masternodes first, then those that were reached before.
          return [...shuffled].sort((a, b) => rank(b, known) - rank(a, known)).slice(0, count)
        }),
      recordConnected: (address) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          insert(address, "inbound")
          const entry = records.get(address.peer)
          if (entry !== undefined) Object.assign(entry, { lastConnected: now, failures: 0, nextTry: now + FIRST_DELAY })
        }),
      recordFailure: (peer) =>
        Effect.gen(function* () {
          const entry = records.get(peer)
          if (entry === undefined) return
          const known = (yield* masternodes.list).some((masternode) => masternode.peer === peer)
          const tries = known ? Policies.reconnectTriesMasternode : Policies.reconnectTries
          entry.failures++
          if (entry.failures >= tries && entry.source !== "configured") {
            records.delete(peer)
            return
          }
          const delay = Math.min(FIRST_DELAY * 2 ** (entry.failures - 1), LAST_DELAY)
          entry.nextTry = (yield* Clock.currentTimeMillis) + delay * (0.8 + 0.4 * (yield* Random.next))
        }),
      forget: (peer) =>
        Effect.sync(() => {
          records.delete(peer)
          forgotten.add(peer)
          if (forgotten.size > Limits.KNOWN_ADDRESSES) forgotten.delete(forgotten.values().next().value!)
        }),
      all: Effect.sync(() => [...records.values()])
    })
  })
)

// --- internal ---

interface Entry extends PeerAddress {
  readonly source: KnownAddress["source"]
  lastConnected: number | null
  failures: number
  /** Not to be dialled before, milliseconds since the Unix epoch. */
  nextTry: number
}

const FIRST_DELAY = 5_000
const LAST_DELAY = 300_000

/** What was never reached is not handed on: a node that repeats hearsay points others at strangers. */
const isWorthTelling = (entry: Entry): boolean => entry.lastConnected !== null

const rank = (entry: Entry, masternodes: ReadonlySet<PeerId>): number =>
  (masternodes.has(entry.peer) ? 2 : 0) + (entry.lastConnected === null ? 0 : 1) - entry.failures / 100

/** Makes room by dropping hearsay: first what failed most, then the oldest. False when the book holds nothing else. */
const makeRoom = (records: Map<PeerId, Entry>): boolean => {
  const hearsay = [...records.values()].filter((entry) => entry.source !== "configured" && entry.lastConnected === null)
  for (const { peer } of hearsay.sort((a, b) => b.failures - a.failures).slice(0, DROPPED_AT_ONCE)) records.delete(peer)
  return hearsay.length > 0
}

/** Looking through the whole book takes a millisecond, which a flood of new addresses must not cost for each. */
const DROPPED_AT_ONCE = Limits.KNOWN_ADDRESSES / 64

/** Addresses parsed in one go, before others may run: 3 ms. */
const ADDRESSES_PER_SLICE = 100
