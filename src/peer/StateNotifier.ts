/**
 * Tells subscribers what becomes of their outputs: from the pool while a spend is under way, from the chain when a block
 * has it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { spentState } from "../consensus/SpendPhase.ts"
import { addressOf, scriptText } from "../protocol/Address.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import type { Network } from "../protocol/Network.ts"
import { type OutPoint, type Transaction, txid } from "../protocol/Transaction.ts"
import type { UtxoState } from "../protocol/Utxo.ts"
import { Blockchain, type ChainEvent } from "../services/Blockchain.ts"
import { Mempool, type PoolEvent } from "../services/Mempool.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { Subscriptions } from "./Subscriptions.ts"

/** Subscriptions whose peers are told, for as long as the scope lives. */
export const make = Effect.gen(function* () {
  const chain = yield* Blockchain
  const pool = yield* Mempool
  const registry = yield* PeerRegistry
  const subscriptions = new Subscriptions()

  const tell = Effect.fnUntraced(function* (changes: ReadonlyArray<Change>) {
    const timestamp = toUnixSeconds(yield* Clock.currentTimeMillis)
    for (const { address, newState, outpoint } of changes) {
      for (const peer of subscriptions.subscribers(outpoint, address)) {
        const change = { outpoint, newState, timestamp }
        yield* Effect.ignore(registry.send(peer, { _tag: "UTXOStateNotification", change }))
      }
    }
  })

  const follow = <E>(events: Stream.Stream<E>, changesOf: (event: E) => ReadonlyArray<Change>) =>
    events.pipe(
      Stream.runForEach((event) => (subscriptions.any ? tell(changesOf(event)) : Effect.void)),
      Effect.forkScoped
    )
  yield* follow(pool.events, (event) => poolChanges(event, chain.network))
  yield* follow(chain.changes, (event) => chainChanges(event, chain.network))

  /** A connection that subscribed may be gone, or only an older one of the same peer. */
  const prune = Effect.gen(function* () {
    const current = new Map((yield* registry.peers).map(({ generation, peer }) => [peer, generation]))
    for (const peer of subscriptions.peers) subscriptions.drop(peer, current.get(peer))
  })
  yield* registry.events.pipe(
    Stream.runForEach(({ _tag }) => (_tag !== "Connected" && subscriptions.any ? prune : Effect.void)),
    Effect.forkScoped
  )
  return subscriptions
})

// --- internal ---

interface Change {
  readonly outpoint: OutPoint
  readonly address: string
  readonly newState: UtxoState
}

const UNSPENT: UtxoState = { _tag: "Unspent" }

const poolChanges = (event: PoolEvent, network: Network): ReadonlyArray<Change> => {
  const { transaction } = event.pooled
  switch (event._tag) {
    case "Accepted":
    case "Advanced": {
      const made = event.pooled.phase._tag === "SpentFinalized" ? outputChanges(transaction) : []
      return [...inputChanges(transaction, spentState(event.pooled.txid, event.pooled.phase), network), ...made]
    }
    case "Released":
    case "Overruled":
      return inputChanges(transaction, UNSPENT, network)
    case "Mined":
      // The chain tells of it.
      return []
  }
}

const chainChanges = (event: ChainEvent, network: Network): ReadonlyArray<Change> => {
  if (event._tag !== "Connected") return []
  const { height, timestamp } = event.tip
  return event.block.transactions.flatMap((transaction) => {
    const id = txid(transaction)
    const confirmed: UtxoState = { _tag: "Confirmed", txid: id, blockHeight: height, confirmedAt: timestamp }
    return [...inputChanges(transaction, confirmed, network), ...outputChanges(transaction)]
  })
}

/** Whose coin an input spends shows in its signature; an unsigned one of a `timed` does not say. */
const inputChanges = ({ inputs }: Transaction, newState: UtxoState, network: Network): ReadonlyArray<Change> =>
  inputs.map(({ previousOutput: outpoint, scriptSig }) => ({
    outpoint,
    newState,
    address: scriptSig.length < 32 ? "" : addressOf(scriptSig.slice(0, 32) as PublicKey, network)
  }))

const outputChanges = (transaction: Transaction): ReadonlyArray<Change> => {
  const id = txid(transaction)
  return transaction.outputs.map(({ scriptPubkey }, vout) => ({
    outpoint: { txid: id, vout },
    newState: UNSPENT,
    address: scriptText(scriptPubkey)
  }))
}
