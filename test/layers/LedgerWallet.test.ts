import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as MemoryWallet from "../../src/layers/MemoryWallet.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { outPointKey } from "../../src/protocol/Utxo.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { Mempool, TransactionRejected } from "../../src/services/Mempool.ts"
import { Wallet } from "../../src/services/Wallet.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { coin, owner } from "../fixtures/Blocks.ts"
import { hashOf } from "../fixtures/Deltas.ts"
import { aliceWallet } from "../services/WalletSuite.ts"

const coins = [1, 2].map((id) => coin(owner(7), 50_000_000n, id))

/** Pays over a pool that refuses so many transactions first, and a chain that has taken the first coin after one. */
const payment = (reason: TransactionRejected["reason"], refusals: number) =>
  Effect.gen(function* () {
    const submitted: Array<Transaction> = []
    let relayed = 0
    const services = Layer.mergeAll(
      MockNode.layer,
      ChainStore.layerTest({ unspentOf: () => Effect.sync(() => coins.slice(Math.min(submitted.length, 1))) }),
      Gossip.layerTest({ relay: () => Effect.sync(() => (relayed++, "relayed" as const)) }),
      Mempool.layerTest({
        submit: (transaction) => {
          submitted.push(transaction)
          return submitted.length > refusals
            ? Effect.succeed("accepted" as const)
            : Effect.fail(new TransactionRejected({ txid: toHex(txid(transaction)), reason }))
        }
      })
    )
    const result = yield* Wallet.pipe(
      Effect.flatMap((wallet) => wallet.pay(owner(8).address, satoshi(1_000_000n))),
      Effect.result,
      Effect.provide(MemoryWallet.layer(yield* aliceWallet(null)).pipe(Layer.provide(services)), { local: true })
    )
    return { outcome: result._tag === "Success" ? "sent" : result.failure._tag, submitted, relayed }
  })

describe("a plan that a block has overtaken", () => {
  for (const reason of ["UnknownInput", "Conflict"] as const) {
    it.effect(`is made again from the coins there are then, after ${reason}`, () =>
      Effect.gen(function* () {
        const { outcome, relayed, submitted } = yield* payment(reason, 1)
        assert.deepStrictEqual([outcome, relayed], ["sent", 1])
        assert.deepStrictEqual(
          submitted.map(({ inputs }) => inputs[0]?.previousOutput),
          coins.map(({ outpoint }) => outpoint)
        )
      })
    )
  }

  it.effect("is given up in the end, and other refusals are believed at once; nobody hears of either", () =>
    Effect.gen(function* () {
      const stale = yield* payment("Conflict", 9)
      assert.deepStrictEqual([stale.outcome, stale.submitted.length, stale.relayed], ["TransactionRejected", 3, 0])
      const full = yield* payment("Full", 9)
      assert.deepStrictEqual([full.outcome, full.submitted.length, full.relayed], ["TransactionRejected", 1, 0])
    })
  )
})

describe("a wallet of very many coins", () => {
  it.effect("adds up all of them, and chooses among the first", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: Limits.WALLET_COINS + 2_500 }, (_, vout) => ({
        ...coins[0]!,
        outpoint: { txid: hashOf("many"), vout }
      }))
      const services = Layer.mergeAll(
        MockNode.layer,
        ChainStore.layerTest({
          unspentOf: (_script, { after, limit }) => {
            const start = after === null ? 0 : many.findIndex(({ outpoint }) => outPointKey(outpoint) === after) + 1
            return Effect.succeed(many.slice(start, start + limit))
          }
        })
      )
      const wallet = yield* Wallet.pipe(
        Effect.provide(MemoryWallet.layer(yield* aliceWallet(null)).pipe(Layer.provide(services)), { local: true })
      )
      assert.strictEqual((yield* wallet.balance).confirmed, BigInt(many.length) * coins[0]!.value)
      assert.strictEqual((yield* wallet.coins).length, Limits.WALLET_COINS)
    })
  )
})
