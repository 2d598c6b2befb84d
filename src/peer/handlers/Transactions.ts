/**
 * Transactions that are not in a block yet, and the messages about their fate.
 *
 * A transaction is passed on once it was taken into the pool. Bare claims of others about finality or rejection change
 * nothing here and are not passed on; votes wait for a consensus service.
 */
import * as Effect from "effect/Effect"
import { toHex } from "../../protocol/Hash.ts"
import * as Limits from "../../protocol/Limits.ts"
import { txid } from "../../protocol/Transaction.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { Gossip } from "../../services/Gossip.ts"
import { Mempool } from "../../services/Mempool.ts"
import { PeerRegistry } from "../../services/PeerRegistry.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"

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
  const gossip = yield* Gossip
  const registry = yield* PeerRegistry
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
        Effect.catchTag("TransactionRejected", () => Effect.void)
      ),
    TransactionVoteRequest: () => Effect.void,
    TransactionVote: () => Effect.void,
    TransactionFinalized: () => Effect.void,
    TransactionRejected: () => Effect.void,
    UTXOStateNotification: () => Effect.void,
    UTXOStateUpdate: () => Effect.void,
    Subscribe: () => Effect.void,
    Unsubscribe: () => Effect.void
  }
  return table
})
