/**
 * The address book in memory: bounded, and trusting nobody.
 *
 * Addresses from gossip are kept only if they can be dialled from here: public ones, or on a node that itself lives on
 * loopback also private and loopback ones. A record carries its own next time to be tried, so that no address is dialled
 * more often than the back-off says, whoever asks. What finds room is decided by {@link ./AddressTables.ts}.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { randomBytes } from "node:crypto"
import * as Policies from "../peer/Policies.ts"
import { toHex } from "../protocol/Hash.ts"
import * as Limits from "../protocol/Limits.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import {
  addressScope,
  formatPeerAddress,
  isIpv6,
  type PeerAddress,
  peerAddress,
  type PeerId
} from "../protocol/PeerId.ts"
import { AddressBook, type KnownAddress } from "../services/AddressBook.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { AddressAllowance } from "./AddressAllowance.ts"
import { type AddressEntry, AddressTables } from "./AddressTables.ts"
import { anchors, remembered, store, type StoredAddresses } from "./StoredAddresses.ts"

/** A book that is forgotten with the process. */
export const layer: Layer.Layer<AddressBook, never, MasternodeRegistry | NodeConfig> = Layer.effect(
  AddressBook,
  Effect.suspend(() => Effect.map(make(null), ({ book }) => book))
)

/** A book with what an earlier one has stored, and how to store it in turn. */
export const make = Effect.fnUntraced(function* (stored: StoredAddresses | null) {
  const config = yield* NodeConfig
  const masternodes = yield* MasternodeRegistry
  const key = stored === null ? randomBytes(32) : Buffer.from(stored.key, "hex")
  const tables = new AddressTables(key)
  const allowance = new AddressAllowance()
  const forgotten = new Set<PeerId>()
  const own = new Set([config.externalAddress, config.localAddress])
  const onLoopback = config.localAddress !== null && addressScope(config.localAddress) === "loopback"
  let anchored: ReadonlyArray<PeerAddress> = []

  const isDialable = (peer: PeerId) => {
    const scope = addressScope(peer)
    return !own.has(peer) && !forgotten.has(peer) && (scope === "public" || (onLoopback && scope !== "unusable"))
  }
  const dialable = <A extends PeerAddress>(addresses: ReadonlyArray<A>) =>
    addresses.filter(({ peer }) => isDialable(peer))

  const started = yield* Clock.currentTimeMillis
  for (const address of dialable(config.peers)) tables.configure(address, started)
  for (const address of dialable(stored === null ? [] : remembered(stored))) tables.restore(address, started)
  const before = dialable(stored === null ? [] : anchors(stored))

  const learn = Effect.fnUntraced(function* (texts: ReadonlyArray<string>, from: PeerId) {
    const now = yield* Clock.currentTimeMillis
    const source = networkGroup(from)
    let added = 0
    for (const [index, text] of (config.discovery ? texts.slice(0, Limits.ADDRESSES_PER_INTAKE) : []).entries()) {
      if (index > 0 && index % ADDRESSES_PER_SLICE === 0) yield* Effect.yieldNow
      const address = peerAddress(text, config.network.p2pPort)
      if (address === undefined || tables.has(address.peer) || !isDialable(address.peer)) continue
      if (!allowance.take(from, now)) break
      if (tables.add(address, source, now)) added++
    }
    return added
  })

  const book = AddressBook.of({
    learn,
    sample: (count, { ipv6 }) =>
      Effect.suspend(() =>
        Random.shuffle(
          [...tables.values()].filter(({ lastConnected, peer }) => lastConnected !== null && (ipv6 || !isIpv6(peer)))
        )
      ).pipe(
        Effect.map((entries) => entries.slice(0, count).sort((a, b) => (b.lastConnected ?? 0) - (a.lastConnected ?? 0)))
      ),
    candidates: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const due = yield* Random.shuffle([...tables.values()].filter(({ nextTry }) => nextTry <= now))
      const groups = yield* Random.shuffle(new Set(due.map(({ group }) => group)))
      const isReached = ({ lastConnected }: AddressEntry) => lastConnected !== null
      return [
        ...takingTurns(due.filter(isReached), groups),
        ...takingTurns(
          due.filter((entry) => !isReached(entry)),
          groups
        )
      ].map(toKnown)
    }),
    anchors: Effect.succeed(before),
    recordAnchors: (addresses) =>
      Effect.sync(() => {
        const news = addresses.slice(0, Limits.ANCHORS)
        if (news.map(formatPeerAddress).join() !== anchored.map(formatPeerAddress).join()) tables.revision++
        anchored = news
      }),
    recordConnected: (address) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (tables.has(address.peer) || isDialable(address.peer)) tables.reached(address, now)
      }),
    recordFailure: (peer) =>
      Effect.gen(function* () {
        const isMasternode = (yield* masternodes.list).some((known) => known.peer === peer && known.source !== "hinted")
        const tries = isMasternode ? Policies.reconnectTriesMasternode : Policies.reconnectTries
        tables.failed(peer, yield* Clock.currentTimeMillis, tries, yield* Random.next)
      }),
    forget: (peer) =>
      Effect.sync(() => {
        tables.remove(peer)
        forgotten.add(peer)
        if (forgotten.size > Limits.KNOWN_ADDRESSES) forgotten.delete(forgotten.values().next().value!)
      }),
    all: Effect.sync(() => Array.from(tables.values(), toKnown))
  })

  return {
    book,
    /** Grows with every change of what `snapshot` gives. */
    revision: Effect.sync(() => tables.revision),
    snapshot: Effect.sync((): StoredAddresses => ({
      version: 1,
      key: toHex(key),
      // A run that was connected with nobody knows nothing better than the one before.
      anchors: (anchored.length > 0 ? anchored : before).map(formatPeerAddress),
      addresses: Array.from(tables.values())
        .filter(({ table }) => table !== "configured")
        .map(store)
    }))
  }
})

// --- internal ---

/** Addresses parsed in one go, before others may run: 3 ms. */
const ADDRESSES_PER_SLICE = 100

/**
 * One of each group, in the order of the groups, then the second of each, and so on. Otherwise groups would be dialled
 * by the number of their addresses, which costs nothing.
 */
const takingTurns = (entries: ReadonlyArray<AddressEntry>, groups: ReadonlyArray<string>) => {
  const rank = new Map(groups.map((group, index) => [group, index]))
  const taken = new Map<string, number>()
  return entries
    .map((entry) => {
      const turn = taken.get(entry.group) ?? 0
      taken.set(entry.group, turn + 1)
      return { entry, turn, rank: rank.get(entry.group)! }
    })
    .sort((a, b) => a.turn - b.turn || a.rank - b.rank)
    .map(({ entry }) => entry)
}

const toKnown = ({ failures, lastConnected, peer, port, table }: AddressEntry): KnownAddress => ({
  peer,
  port,
  source: table === "configured" ? "configured" : "gossip",
  lastConnected,
  failures
})
