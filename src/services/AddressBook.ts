/**
 * Addresses of peers: who may be dialled, who was reached, who is told to others.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"

export interface KnownAddress extends PeerAddress {
  readonly source: "configured" | "gossip" | "inbound"
  /** Milliseconds since the Unix epoch; null when never. */
  readonly lastConnected: number | null
  readonly failures: number
}

export class AddressBook extends Context.Service<
  AddressBook,
  {
    /** Takes addresses somebody named; text that is none, own and unusable ones are left out. How many were new. */
    readonly learn: (addresses: ReadonlyArray<string>, from: PeerId) => Effect.Effect<number>
    /** Addresses to tell a peer: a random sample, most recently reached first; IPv6 only for those who understand it. */
    readonly sample: (count: number, options: { readonly ipv6: boolean }) => Effect.Effect<ReadonlyArray<PeerAddress>>
    /** Addresses that may be dialled now, the most promising first. */
    readonly candidates: (count: number) => Effect.Effect<ReadonlyArray<KnownAddress>>
    readonly recordConnected: (address: PeerAddress) => Effect.Effect<void>
    readonly recordFailure: (peer: PeerId) => Effect.Effect<void>
    /** Never to be dialled or told again: it is this node itself, or on another network. */
    readonly forget: (peer: PeerId) => Effect.Effect<void>
    readonly all: Effect.Effect<ReadonlyArray<KnownAddress>>
  }
>()("timenode/services/AddressBook") {
  /** An empty book, except as overridden. */
  static readonly layerTest = (overrides: Partial<AddressBook["Service"]> = {}): Layer.Layer<AddressBook> =>
    Layer.succeed(
      AddressBook,
      AddressBook.of({
        learn: () => Effect.succeed(0),
        sample: () => Effect.succeed([]),
        candidates: () => Effect.succeed([]),
        recordConnected: () => Effect.void,
        recordFailure: () => Effect.void,
        forget: () => Effect.void,
        all: Effect.succeed([]),
        ...overrides
      })
    )
}
