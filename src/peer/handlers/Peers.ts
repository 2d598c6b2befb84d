/**
 * Peer exchange: addresses we tell, and addresses we are told.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../../protocol/Limits.ts"
import { formatPeerAddress } from "../../protocol/PeerId.ts"
import { AddressBook } from "../../services/AddressBook.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"

export const answers = Effect.gen(function* () {
  const book = yield* AddressBook
  const { network } = yield* Blockchain
  const table: AnswersTo<"GetPeers"> = {
    GetPeers: (_request, from) =>
      Effect.map(book.sample(Limits.PEERS_PER_ANSWER, { ipv6: from.agent === "timenode" }), (addresses) => ({
        _tag: "PeersResponse",
        // `timed` writes and dials the bare IP where the port is the network's own.
        addresses: addresses.map((address) =>
          address.port === network.p2pPort ? address.peer : formatPeerAddress(address)
        )
      }))
  }
  return table
})

export const reactions = Effect.gen(function* () {
  const book = yield* AddressBook
  const table: ReactionsTo<"PeersResponse"> = {
    PeersResponse: ({ addresses }, from) => Effect.asVoid(book.learn(addresses, from.peer))
  }
  return table
})
