/**
 * Addresses of peers: who may be dialled, who was reached, who is told to others.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"

export interface KnownAddress extends PeerAddress {
  readonly source: "configured" | "gossip"
  /** Milliseconds since the Unix epoch; null when never. */
  readonly lastConnected: number | null
  readonly failures: number
}

export class AddressBook extends Context.Service<
  AddressBook,
  {
    /**
     * Takes addresses that a peer named; text that is none, own, unusable and known ones are left out, and what is more
     * than a peer may name. How many were new.
     */
    readonly learn: (addresses: ReadonlyArray<string>, from: PeerId) => Effect.Effect<number>
    /** Addresses to tell a peer: a random sample, most recently reached first; IPv6 only for those who understand it. */
    readonly sample: (count: number, options: { readonly ipv6: boolean }) => Effect.Effect<ReadonlyArray<PeerAddress>>
    /**
     * The addresses that may be dialled now, in the order to try them: first those that were reached before; of these,
     * as of the others, one of each network group, in random order, before the second of any.
     */
    readonly candidates: Effect.Effect<ReadonlyArray<KnownAddress>>
    /** The peers to dial first: those that the previous run was connected with for longest. */
    readonly anchors: Effect.Effect<ReadonlyArray<PeerAddress>>
    /** Sets what will be the anchors of the next run. */
    readonly recordAnchors: (addresses: ReadonlyArray<PeerAddress>) => Effect.Effect<void>
    /** The address was dialled and a session with it lasted. */
    readonly recordConnected: (address: PeerAddress) => Effect.Effect<void>
    /** The address could not be reached, or the session was no use. It is not suggested again for a while. */
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
        candidates: Effect.succeed([]),
        anchors: Effect.succeed([]),
        recordAnchors: () => Effect.void,
        recordConnected: () => Effect.void,
        recordFailure: () => Effect.void,
        forget: () => Effect.void,
        all: Effect.succeed([]),
        ...overrides
      })
    )
}
