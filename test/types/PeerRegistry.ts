/**
 * What the compiler refuses. Nothing here runs: `tsc` checks that each refusal is one.
 */
import type { Request, RequestOf } from "../../src/protocol/Exchange.ts"
import type { Height } from "../../src/protocol/Height.ts"
import type { Message, MessageOf } from "../../src/protocol/Message.ts"
import type { Encoded } from "../../src/protocol/wire/Encoded.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Connection, PeerRegistry } from "../../src/services/PeerRegistry.ts"

declare const registry: PeerRegistry["Service"]
declare const from: Connection
declare const ping: RequestOf<"Ping">
declare const pong: MessageOf<"Pong">
declare const encodedPong: Encoded<MessageOf<"Pong">>
declare const someRequest: Request
declare const oneOfTwo: RequestOf<"Ping"> | RequestOf<"GetBlockHash">
declare const height: Height

/** An answer fits its request, encoded or not. */
export const accepted = [
  registry.reply(from, ping, pong),
  registry.reply(from, ping, encodedPong),
  registry.reply(from, { _tag: "GetBlockHash", height }, { _tag: "BlockHashResponse", height, hash: null })
]

export const refused = [
  // @ts-expect-error a Ping is answered by a Pong
  registry.reply(from, ping, { _tag: "BlockHeightResponse", height }),
  // @ts-expect-error encoded or not
  registry.reply(from, { _tag: "GetBlockHeight" }, encodedPong),
  // @ts-expect-error an answer of a variant that is not known
  registry.reply(from, ping, pong as Message),
  // @ts-expect-error any request: an answer to one would pass as the answer to another
  registry.reply(from, someRequest, pong),
  // @ts-expect-error one of two requests
  registry.reply(from, oneOfTwo, pong),
  // @ts-expect-error gossip is no request
  registry.reply(from, { _tag: "TransactionFinalized", txid: ping, votes: 1 }, pong),
  // @ts-expect-error peers are known by their parsed address, not by text
  registry.send("203.0.113.5:24100", pong),
  // @ts-expect-error encoded messages are made by the codec alone
  registry.reply(from, ping, { tag: "Pong", chunks: [], byteLength: 0 })
]

declare const peer: PeerId

/** The answer's type follows from the request's. */
export const answer: ReturnType<typeof registry.request<RequestOf<"Ping">>> = registry.request(peer, ping)

// @ts-expect-error a response asks nothing
export const noRequest = registry.request(peer, pong)
