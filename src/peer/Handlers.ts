/**
 * The shape of the peer handler: one table for what is asked, one for what is told, both complete by type.
 *
 * A new request variant without a handler, or a handler that answers with another variant, does not compile. Handlers
 * read state or hand work to a service's bounded queue; they never wait for an import or for another peer.
 */
import type * as Effect from "effect/Effect"
import type { RequestOf, RequestTag, ResponseOf, ResponseTag } from "../protocol/Exchange.ts"
import type { MessageOf, MessageTag } from "../protocol/Message.ts"
import type { Encoded } from "../protocol/wire/Encoded.ts"
import type { StoreError } from "../services/ChainStore.ts"
import type { Connection } from "../services/PeerRegistry.ts"

/** What a peer may ask after its handshake. A second `Handshake` is ignored, as by `timed`. */
export type AnsweredTag = Exclude<RequestTag, "Handshake">

/** Null leaves the request unanswered, where the wire has no word for the answer. */
export type Answer<T extends AnsweredTag> = (
  request: RequestOf<T>,
  from: Connection
) => Effect.Effect<ResponseOf<RequestOf<T>> | Encoded<ResponseOf<RequestOf<T>>> | null, StoreError>

/** A handler for every request. */
export type Answers = { readonly [T in AnsweredTag]: Answer<T> }

/** What a peer may tell without being asked. Addresses count as gossip, asked for or not. */
export type GossipTag = Exclude<MessageTag, RequestTag | ResponseTag> | "PeersResponse"

export type Reaction<T extends GossipTag> = (message: MessageOf<T>, from: Connection) => Effect.Effect<void, StoreError>

/** A handler for everything else a peer may say. */
export type Reactions = { readonly [T in GossipTag]: Reaction<T> }

/** A part of either table, as one family of handlers provides it. */
export type AnswersTo<T extends AnsweredTag> = Pick<Answers, T>
export type ReactionsTo<T extends GossipTag> = Pick<Reactions, T>
