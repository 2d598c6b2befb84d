/**
 * The addresses that a node knows, so arranged that nobody can fill them.
 *
 * `new` holds what peers named, `tried` what this node reached itself. Both are buckets of a few places. Which bucket is
 * an address's own follows from a secret key, its network group and, in `new`, the group of the peer that named it. So
 * what one group names finds room in a sixteenth of `new` (one bucket for what it names of one group), and the addresses
 * of one group in a sixteenth of `tried`, however many there are. In a full bucket a newcomer replaces an address that
 * looks dead or none. Configured addresses are in no bucket and stay.
 *
 * The clock and chance are the caller's.
 */
import * as Limits from "../protocol/Limits.ts"
import { sha256, toHex } from "../protocol/Hash.ts"
import { networkGroup } from "../protocol/NetworkGroup.ts"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"

/** Times are in milliseconds since the Unix epoch. */
export interface AddressEntry {
  readonly peer: PeerId
  readonly port: number
  readonly group: string
  readonly table: "configured" | "new" | "tried"
  /** Network group of the peer that named it; its own when nobody did. */
  readonly source: string
  /** When it was first named. */
  readonly since: number
  readonly lastConnected: number | null
  /** Failures since it was last reached. */
  readonly failures: number
  /** When the first of those happened. */
  readonly failingSince: number
  /** Not to be dialled before. */
  readonly nextTry: number
}

/** What the book of an earlier run says of an address. */
export interface RememberedAddress extends PeerAddress {
  readonly tried: boolean
  readonly source: string
  readonly since: number
  readonly lastConnected: number | null
  readonly failures: number
}

export class AddressTables {
  /** Grows with every change. */
  revision = 0

  private readonly key: string
  private readonly entries = new Map<PeerId, Entry>()
  private readonly newBuckets = makeBuckets(Limits.NEW_BUCKETS)
  private readonly triedBuckets = makeBuckets(Limits.TRIED_BUCKETS)
  /** When any address was last reached. */
  private reachedAt = -Infinity

  /** The key decides which addresses share a bucket. Who knows it can fill one on purpose. */
  constructor(key: Uint8Array) {
    this.key = toHex(key)
  }

  get size(): number {
    return this.entries.size
  }

  get(peer: PeerId): AddressEntry | undefined {
    return this.entries.get(peer)
  }

  has(peer: PeerId): boolean {
    return this.entries.has(peer)
  }

  values(): IterableIterator<AddressEntry> {
    return this.entries.values()
  }

  /** Keeps an address for good. */
  configure(address: PeerAddress, now: number): void {
    if (this.entries.has(address.peer)) return
    this.entries.set(address.peer, makeEntry(address, networkGroup(address.peer), now, "configured"))
    this.revision++
  }

  /** Takes an address that a peer of the `source` group named. False when it is known, or when its bucket is full of better ones. */
  add(address: PeerAddress, source: string, now: number): boolean {
    if (this.entries.has(address.peer)) return false
    return this.place(makeEntry(address, source, now, "new"), "new", now)
  }

  /** Takes an address of an earlier run, if there is room in its table or, when it was reached, in the other. */
  restore(remembered: RememberedAddress, now: number): void {
    if (this.entries.has(remembered.peer)) return
    const entry = makeEntry(remembered, remembered.source, Math.min(remembered.since, now), "new")
    entry.failures = remembered.failures
    entry.failingSince = now
    entry.lastConnected = remembered.lastConnected === null ? null : Math.min(remembered.lastConnected, now)
    const wasReached = remembered.tried && entry.lastConnected !== null
    if (!wasReached || !this.place(entry, "tried", now)) this.place(entry, "new", now)
  }

  /** The address was dialled and answered as a peer of ours does. */
  reached(address: PeerAddress, now: number): void {
    this.reachedAt = now
    this.revision++
    const known = this.entries.get(address.peer)
    const entry = known ?? makeEntry(address, networkGroup(address.peer), now, "new")
    entry.port = address.port
    entry.lastConnected = now
    entry.failures = 0
    entry.nextTry = now + FIRST_DELAY
    // Where `tried` is full of good ones, it stays among the new.
    const isSettled = entry.table !== "new" || this.place(entry, "tried", now)
    if (!isSettled && known === undefined) this.place(entry, "new", now)
  }

  /**
   * The address could not be reached, or the session was no use. After so many `tries` in a row it is dropped, unless
   * nothing at all was reached meanwhile: then it is this node that is cut off. `chance` is from 0 to 1.
   */
  failed(peer: PeerId, now: number, tries: number, chance: number): void {
    const entry = this.entries.get(peer)
    if (entry === undefined) return
    this.revision++
    if (entry.failures === 0) entry.failingSince = now
    entry.failures++
    if (entry.failures >= tries && entry.table !== "configured" && this.isToBlame(entry)) return this.remove(peer)
    const delay = Math.min(FIRST_DELAY * 2 ** (entry.failures - 1), LAST_DELAY)
    entry.nextTry = now + delay * (0.8 + 0.4 * chance)
  }

  remove(peer: PeerId): void {
    const entry = this.entries.get(peer)
    if (entry === undefined) return
    this.revision++
    this.entries.delete(peer)
    entry.bucket?.delete(entry)
  }

  private isToBlame(entry: Entry): boolean {
    return this.reachedAt >= entry.failingSince
  }

  /** Moves an entry to a bucket of that table; it stays where it is when there is no room. */
  private place(entry: Entry, table: "new" | "tried", now: number): boolean {
    const bucket = table === "new" ? this.newBucket(entry) : this.triedBucket(entry)
    if (bucket.size >= Limits.ADDRESSES_PER_BUCKET) {
      const worst = [...bucket].filter((other) => this.looksDead(other, now)).sort(worstFirst)[0]
      if (worst === undefined) return false
      this.remove(worst.peer)
    }
    entry.bucket?.delete(entry)
    bucket.add(entry)
    entry.bucket = bucket
    entry.table = table
    this.entries.set(entry.peer, entry)
    this.revision++
    return true
  }

  private looksDead(entry: Entry, now: number): boolean {
    const isOld = now - (entry.lastConnected ?? entry.since) > HORIZON
    return isOld || (entry.failures >= FAILURES_OF_THE_DEAD && this.isToBlame(entry))
  }

  private newBucket({ group, source }: Entry): Bucket {
    const choice = this.draw(`new ${source} ${group}`, Limits.NEW_BUCKETS_PER_SOURCE)
    return this.newBuckets[this.draw(`new ${source} ${choice}`, Limits.NEW_BUCKETS)]!
  }

  private triedBucket({ group, peer }: Entry): Bucket {
    const choice = this.draw(`tried ${peer}`, Limits.TRIED_BUCKETS_PER_GROUP)
    return this.triedBuckets[this.draw(`tried ${group} ${choice}`, Limits.TRIED_BUCKETS)]!
  }

  /** A number below `count` that only the key foretells. */
  private draw(text: string, count: number): number {
    const [a = 0, b = 0, c = 0] = sha256(Buffer.from(`${this.key} ${text}`))
    return (a + 256 * b + 65_536 * c) % count
  }
}

// --- internal ---

type Bucket = Set<Entry>

interface Entry extends Mutable<AddressEntry> {
  /** Where it lies; null for configured ones, and before it has a place. */
  bucket: Bucket | null
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const makeBuckets = (count: number): ReadonlyArray<Bucket> => Array.from({ length: count }, () => new Set())

const makeEntry = ({ peer, port }: PeerAddress, source: string, now: number, table: AddressEntry["table"]): Entry => ({
  peer,
  port,
  group: networkGroup(peer),
  table,
  source,
  since: now,
  lastConnected: null,
  failures: 0,
  failingSince: now,
  nextTry: 0,
  bucket: null
})

const FIRST_DELAY = 5_000
const LAST_DELAY = 300_000

/** What was neither named nor reached for so long gives way. */
const HORIZON = 30 * 24 * 60 * 60_000
/** So does what failed so often in a row. */
const FAILURES_OF_THE_DEAD = 3

const worstFirst = (a: Entry, b: Entry): number =>
  Number(a.lastConnected !== null) - Number(b.lastConnected !== null) || b.failures - a.failures || a.since - b.since
