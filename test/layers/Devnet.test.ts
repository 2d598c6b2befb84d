import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Devnet from "../../src/layers/Devnet.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { satoshi, SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { Wallet } from "../../src/services/Wallet.ts"
import { settle } from "../peer/Session.ts"

const wait = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds * 10 }), () => Effect.andThen(TestClock.adjust("100 millis"), settle), {
    discard: true
  })

describe("Devnet", () => {
  it.effect("makes blocks within half a minute, and a payment final on every node within a second", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_800_000_000_000)
      const { nodes } = yield* Devnet.make({ nodes: 4, blockTime: 5 })
      const everywhere = <A, E>(program: Effect.Effect<A, E, Devnet.Services>) =>
        Effect.forEach(nodes, ({ services }) => Effect.provideContext(program, services))
      yield* wait(30)
      const tips = yield* everywhere(Effect.map(Blockchain, (chain) => chain.tip()))
      assert.isAtLeast(Number(tips[0]!.height), 3)
      assert.strictEqual(new Set(tips.map(({ hash }) => toHex(hash))).size, 1)

      const [payer, , payee] = nodes
      const { txid } = yield* Effect.provideContext(
        Effect.flatMap(Wallet, (wallet) => wallet.pay(payee!.address, satoshi(12n * SATOSHI_PER_TIME))),
        payer!.services
      )
      yield* wait(1)
      const phases = yield* everywhere(Effect.flatMap(Mempool, (pool) => pool.get(txid)))
      assert.deepStrictEqual(
        phases.map((pooled) => pooled?.phase._tag),
        nodes.map(() => "SpentFinalized" as const)
      )
      yield* wait(10)
      const left = yield* everywhere(Effect.flatMap(Mempool, (pool) => pool.pending))
      assert.deepStrictEqual(left, [[], [], [], []])
    })
  )
})
