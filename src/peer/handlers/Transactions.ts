/**
 * Transactions that are not in a block yet, and the messages about their fate.
 *
 * A transaction is passed on once it was taken into the pool. Signed votes are counted; bare claims of others about
 * finality, rejection and states change nothing here and are not passed on.
 */
import * as Effect from "effect/Effect"
import { toHex } from "../../protocol/Hash.ts"
import * as Limits from "../../protocol/Limits.ts"
import { txid } from "../../protocol/Transaction.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { Finality } from "../../services/Finality.ts"
import { Gossip } from "../../services/Gossip.ts"
import { Mempool } from "../../services/Mempool.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"
import * as StateNotifier from "../StateNotifier.ts"

export const answers = Effect.gen(function* () {
  const pool = yield* Mempool
  const table: AnswersTo<"GetPendingTransactions"> = {
    GetPendingTransactions: (_request, from) =>
      pool.pending.pipe(
        Effect.map((pending) =>
          Wire.encodedList(
            "PendingTransactionsResponse",
            pending.map(({ transaction }) => transaction),
            Limits.PENDING_TRANSACTIONS_ANSWER
          )
        ),
        Effect.tap(({ truncated }) =>
          truncated ? Effect.logWarning("Pool is larger than one answer may be, cut short for", from.peer) : Effect.void
        ),
        Effect.map(({ encoded }) => encoded)
      )
  }
  return table
})

export const reactions = Effect.gen(function* () {
  const pool = yield* Mempool
  const finality = yield* Finality
  const gossip = yield* Gossip
  const registry = yield* PeerRegistry
  const subscriptions = yield* StateNotifier.make
  const table: ReactionsTo<
    | "TransactionBroadcast"
    | "TransactionVoteRequest"
    | "TransactionVote"
    | "TransactionFinalized"
    | "TransactionRejected"
    | "UTXOStateNotification"
    | "UTXOStateUpdate"
    | "Subscribe"
    | "Unsubscribe"
  > = {
    TransactionBroadcast: (message, from) =>
      pool.submit(message.transaction).pipe(
        Effect.flatMap((outcome) =>
          outcome === "accepted"
            ? Effect.andThen(
                registry.recordUseful(from.peer, "transaction"),
                Effect.asVoid(gossip.relay(toHex(txid(message.transaction)), message, from.peer))
              )
            : Effect.void
        ),
        // A peer may know coins that we do not know yet, so that a refusal proves nothing against it.
        Effect.catchTag("TransactionRejected", ({ rival }) =>
          rival === undefined ? Effect.void : finality.contest(txid(message.transaction))
        )
      ),
    TransactionVoteRequest: ({ txid }, from) =>
      Effect.flatMap(finality.ownVote(txid), (vote) =>
        vote === undefined ? Effect.void : Effect.ignore(registry.send(from.peer, { _tag: "TransactionVote", vote }))
      ),
    TransactionVote: ({ vote }, from) => Effect.asVoid(finality.vote(vote, from.peer)),
    TransactionFinalized: () => Effect.void,
    TransactionRejected: () => Effect.void,
    UTXOStateNotification: () => Effect.void,
    UTXOStateUpdate: () => Effect.void,
    Subscribe: ({ subscription }, from) => Effect.sync(() => void subscriptions.add(from, subscription)),
    Unsubscribe: ({ id }, from) => Effect.sync(() => subscriptions.remove(from.peer, id))
  }
  return table
})
