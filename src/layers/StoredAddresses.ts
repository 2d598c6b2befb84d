/**
 * The address book as it lies in the data directory.
 *
 * What a file says is believed no more than what a peer says: addresses are parsed anew when it is read, and bounded by
 * the tables they go to.
 */
import * as Schema from "effect/Schema"
import * as Limits from "../protocol/Limits.ts"
import { formatPeerAddress, peerAddress, type PeerAddress } from "../protocol/PeerId.ts"
import type { AddressEntry, RememberedAddress } from "./AddressTables.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const StoredAddresses = Schema.Struct({
  version: Schema.Literal(1),
  /** 64 hex digits. Others must not know it: it decides which addresses share a place. */
  key: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  anchors: Schema.Array(Schema.String),
  addresses: Schema.Array(
    Schema.Struct({
      address: Schema.String,
      source: Schema.String,
      tried: Schema.Boolean,
      /** Milliseconds since the Unix epoch. */
      since: Count,
      lastConnected: Schema.NullOr(Count),
      failures: Count
    })
  )
})
export type StoredAddresses = typeof StoredAddresses.Type

export type StoredAddress = StoredAddresses["addresses"][number]

export const store = (entry: AddressEntry): StoredAddress => ({
  address: formatPeerAddress(entry),
  source: entry.source,
  tried: entry.table === "tried",
  since: entry.since,
  lastConnected: entry.lastConnected,
  failures: entry.failures
})

/** The addresses of a file that are addresses, no more than a book can hold. */
export const remembered = (stored: StoredAddresses): ReadonlyArray<RememberedAddress> =>
  stored.addresses.slice(0, Limits.KNOWN_ADDRESSES).flatMap((entry) => {
    const address = peerAddress(entry.address, NO_PORT)
    return address === undefined || address.port === NO_PORT ? [] : [{ ...address, ...pick(entry) }]
  })

export const anchors = (stored: StoredAddresses): ReadonlyArray<PeerAddress> =>
  stored.anchors.slice(0, Limits.ANCHORS).flatMap((text) => {
    const address = peerAddress(text, NO_PORT)
    return address === undefined || address.port === NO_PORT ? [] : [address]
  })

// --- internal ---

/** What is written names its port. */
const NO_PORT = 0

const pick = ({ failures, lastConnected, since, source, tried }: StoredAddress) => ({
  tried,
  source,
  since,
  lastConnected,
  failures
})
