import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as StateNotifier from "../../src/peer/StateNotifier.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import type { UtxoState } from "../../src/protocol/Utxo.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { Blockchain, type ChainEvent } from "../../src/services/Blockchain.ts"
import { Mempool, type PooledTransaction, type PoolEvent } from "../../src/services/Mempool.ts"
import type { SentMessage } from "../../src/services/PeerRegistry.ts"
import { blockAt } from "../fixtures/Blocks.ts"
import { hashOf } from "../fixtures/Deltas.ts"
import { alice, bob, coins, outputOf, pay } from "../fixtures/PoolWorld.ts"
import { connection, peer, registry, said } from "./Fixture.ts"

const payment = pay([coins[0]!])
const pooled = (transaction: Transaction, phase: PooledTransaction["phase"]): PooledTransaction => ({
  txid: txid(transaction),
  transaction,
  fee: 1n,
  phase,
  arrivedAt: 0n,
  electorate: null
})

const world = Effect.gen(function* () {
  const sent: Array<SentMessage> = []
  const pool = yield* PubSub.unbounded<PoolEvent>()
  const chain = yield* PubSub.unbounded<ChainEvent>()
  const subscriptions = yield* StateNotifier.make.pipe(
    Effect.provide(
      Layer.mergeAll(
        Mempool.layerTest({ events: Stream.fromPubSub(pool) }),
        Blockchain.layerTest({ changes: Stream.fromPubSub(chain) }),
        registry({ sent })
      )
    )
  )
  const calm = Effect.gen(function* () {
    for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
  })
  yield* calm
  const states = () =>
    said(sent.splice(0)).map(([to, message]) =>
      message._tag === "UTXOStateNotification"
        ? ([to, message.change.outpoint, message.change.newState._tag] as const)
        : undefined
    )
  return {
    subscriptions,
    states,
    tellPool: (event: PoolEvent) => Effect.andThen(PubSub.publish(pool, event), calm),
    tellChain: (event: ChainEvent) => Effect.andThen(PubSub.publish(chain, event), calm)
  }
})

describe("subscribers", () => {
  it.effect("hear of an output by name, and of all that an address owns or is paid", () =>
    Effect.gen(function* () {
      const { states, subscriptions, tellChain, tellPool } = yield* world
      const spent = coins[0]!.outpoint
      const made = outputOf(payment).outpoint
      subscriptions.add(connection({ peer: peer(1) }), { id: "a", addresses: [], outpoints: [spent] })
      subscriptions.add(connection({ peer: peer(2) }), { id: "a", addresses: [alice.address], outpoints: [] })
      subscriptions.add(connection({ peer: peer(3) }), { id: "a", addresses: [bob.address], outpoints: [] })
      const of = (state: UtxoState["_tag"]) => [
        [peer(1), spent, state],
        [peer(2), spent, state]
      ]
      const locked = pooled(payment, { _tag: "Locked", at: 1n })
      yield* tellPool({ _tag: "Accepted", origin: "submitted", pooled: locked })
      assert.deepStrictEqual(states(), of("Locked") as never)
      const final = pooled(payment, { _tag: "SpentFinalized", votes: 3, at: 2n })
      yield* tellPool({ _tag: "Advanced", step: "Finalize", pooled: final })
      assert.deepStrictEqual(states(), [...of("SpentFinalized"), [peer(3), made, "Unspent"]] as never)
      yield* tellPool({ _tag: "Released", reason: "Expired", pooled: locked })
      assert.deepStrictEqual(states(), of("Unspent") as never)
      const block = blockAt(1n, hashOf("parent"), [payment])
      const tip = { height: block.header.height, hash: blockHash(block.header), timestamp: block.header.timestamp }
      yield* tellChain({ _tag: "Connected", tip, block })
      assert.deepStrictEqual(states(), [...of("Confirmed"), [peer(3), made, "Unspent"]] as never)
    }).pipe(Effect.scoped)
  )
})
