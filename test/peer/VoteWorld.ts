/**
 * Masternodes that vote, each with its own pool and coins; what they say to all lies in a box until it is delivered.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as VoteCollector from "../../src/peer/VoteCollector.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import type { Vote } from "../../src/protocol/Vote.ts"
import type { StoreError } from "../../src/services/ChainStore.ts"
import { Finality } from "../../src/services/Finality.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { type ActiveMasternode, MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import type { UtxoStore } from "../../src/services/UtxoStore.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { owner } from "../fixtures/Blocks.ts"
import { apply, start } from "../fixtures/PoolWorld.ts"
import { peer, registry } from "./Fixture.ts"

/** The key of a masternode by its number, from 1 on. */
export const keyOf = (number: number) => owner(100 + number).key

export const masternodes = (count: number): ReadonlyArray<ActiveMasternode> =>
  Array.from({ length: count }, (_, index) => ({
    peer: peer(index + 1),
    publicKey: keyOf(index + 1).publicKey,
    rewardAddress: "",
    tier: "Free" as const
  }))

export interface VoterOptions {
  readonly active: () => ReadonlyArray<ActiveMasternode>
  /** Where the pool is kept; in memory and new, if absent. */
  readonly storage?: Layer.Layer<Mempool | UtxoStore | ChainStore, StoreError>
  /** The chain is there already. */
  readonly restarted?: boolean
}

const memory = MemoryMempool.layer.pipe(
  Layer.provideMerge(ViewUtxoStore.layer),
  Layer.provideMerge(MemoryChainStore.layer),
  Layer.provide(NodeConfig.layerTest())
)

/** A masternode by its number, or with number 0 a node that is none. */
export const voter = Effect.fnUntraced(function* (number: number, options: VoterOptions) {
  const relayed: Array<Message> = []
  const broadcast: Array<Message> = []
  const layer = VoteCollector.layer.pipe(
    Layer.provideMerge(options.storage ?? memory),
    Layer.provide(
      Layer.mergeAll(
        MasternodeRegistry.layerTest({ activeAt: () => options.active() }),
        NodeIdentity.layerTest(number === 0 ? {} : { externalAddress: peer(number), key: keyOf(number) }),
        Gossip.layerTest({
          relay: (_content, message) =>
            Effect.sync(() => {
              relayed.push(message)
              return "relayed" as const
            })
        }),
        registry({}, { broadcast: (message) => Effect.sync(() => ({ sent: broadcast.push(message), skipped: 0 })) })
      )
    )
  )
  const memo = yield* Layer.makeMemoMap
  const context = yield* Layer.buildWithMemoMap(layer, memo, yield* Effect.scope)
  if (options.restarted !== true) yield* Effect.provideContext(apply([start]), context)
  // Lets it begin to listen to the pool.
  yield* calm
  const pool = Context.get(context, Mempool)
  const finality = Context.get(context, Finality)
  return {
    number,
    pool,
    finality,
    relayed,
    broadcast,
    /** What it has said and not been asked for since. */
    takeVotes: (): ReadonlyArray<Vote> =>
      relayed.splice(0).flatMap((message) => (message._tag === "TransactionVote" ? [message.vote] : [])),
    /** As the handler does with what a peer sends. */
    receive: (transaction: Transaction) =>
      pool.submit(transaction).pipe(
        Effect.catchTag("TransactionRejected", ({ rival }) =>
          rival === undefined ? Effect.void : finality.contest(txid(transaction))
        ),
        Effect.andThen(calm)
      ),
    hear: (vote: Vote, from = 200) => Effect.tap(finality.vote(vote, peer(from)), calm),
    phase: (transaction: Transaction) => Effect.map(pool.get(txid(transaction)), (pooled) => pooled?.phase._tag),
    finals: Effect.map(pool.finalized, (final) => final.map((pooled) => toHex(pooled.txid)))
  }
})

export type Voter = Effect.Success<ReturnType<typeof voter>>

/** Lets everything that has been set off happen. */
export const calm = Effect.gen(function* () {
  for (let turn = 0; turn < 12; turn++) yield* Effect.yieldNow
})
