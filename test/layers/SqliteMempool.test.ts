import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as SqliteMempool from "../../src/layers/SqliteMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { mainnet, testnet } from "../../src/protocol/Network.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import type { Utxo } from "../../src/protocol/Utxo.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import type { UtxoStore } from "../../src/services/UtxoStore.ts"
import { hashOf, link } from "../fixtures/Deltas.ts"
import {
  alice,
  apply,
  approval,
  coins,
  electorate,
  FEE,
  finalize,
  outputOf,
  pay,
  start,
  submit
} from "../fixtures/PoolWorld.ts"
import { makeRandom } from "../fixtures/Random.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { mempoolSuite } from "../services/MempoolSuite.ts"

const layerIn = (folder: string, network = testnet) =>
  SqliteMempool.layer({ file: join(folder, "pool.sqlite"), network }).pipe(
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(SqliteChainStore.layer({ file: join(folder, "chain.db"), network: testnet })),
    Layer.provide(NodeConfig.layerTest())
  )

mempoolSuite("SqliteMempool", Layer.unwrap(Effect.map(temporaryFolder, (folder) => layerIn(folder))))

/** Everything that a pool answers. */
const answers = (outputs: ReadonlyArray<Utxo>) =>
  Effect.gen(function* () {
    const pool = yield* Mempool
    const pending = yield* pool.pending
    const votes = new Map<string, unknown>()
    for (const { txid } of pending) votes.set(toHex(txid), yield* pool.ownVote(txid))
    return {
      pending,
      finalized: yield* pool.finalized,
      states: yield* pool.states(outputs.map(({ outpoint }) => outpoint)),
      votes
    }
  })

/** One life of a process. */
const run = <A, E>(folder: string, program: Effect.Effect<A, E, Mempool | UtxoStore | ChainStore>) =>
  Effect.provide(program, layerIn(folder), { local: true })

describe("SqliteMempool after a restart", () => {
  it.effect("gives the same answers, whatever has happened", () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 3; seed++) {
        const folder = yield* temporaryFolder
        const random = makeRandom(seed)
        const made: Array<Transaction> = []
        const chain = [start]
        const outputs = () => [...coins, ...made.map(outputOf)]
        yield* run(folder, apply([start]))
        for (let life = 0; life < 4; life++) {
          const before = yield* run(
            folder,
            Effect.gen(function* () {
              const pool = yield* Mempool
              for (let count = 0; count < 15; count++) {
                const pending = yield* pool.pending
                const any = pending[random(Math.max(pending.length, 1))]
                switch (random(7)) {
                  case 0:
                  case 1: {
                    const from = outputs()[random(outputs().length)]!
                    const transaction = pay([from], from.value - FEE - BigInt(random(50)), alice)
                    if ((yield* Effect.result(submit(transaction)))._tag === "Success") made.push(transaction)
                    break
                  }
                  case 2:
                    if (any?.phase._tag === "Locked") {
                      const step = { _tag: "Poll" as const, electorate: electorate(4 + random(2)), at: BigInt(count) }
                      yield* pool.advance(any.txid, step)
                    }
                    break
                  case 3:
                    if (any?.phase._tag === "SpentPending")
                      yield* pool.advance(any.txid, { _tag: "Count", votes: random(4) })
                    break
                  case 4:
                    if (any?.phase._tag === "SpentPending") {
                      yield* pool.advance(any.txid, { _tag: "Finalize", votes: 4, at: BigInt(count) })
                    }
                    break
                  case 5:
                    if (any !== undefined) yield* Effect.ignore(pool.pledge(approval(any.transaction)))
                    break
                  case 6: {
                    const mined = (yield* pool.finalized).find(({ waitsForParent }) => !waitsForParent)
                    if (mined === undefined) break
                    const spent = outputs().filter(({ outpoint }) =>
                      mined.transaction.inputs.some(
                        (input) =>
                          toHex(input.previousOutput.txid) === toHex(outpoint.txid) &&
                          input.previousOutput.vout === outpoint.vout
                      )
                    )
                    const created = [outputOf(mined.transaction)]
                    const block = link(chain.at(-1)!.delta, `${seed} ${chain.length}`, {
                      txids: [mined.txid],
                      spent,
                      created
                    })
                    yield* apply([block])
                    chain.push(block)
                  }
                }
              }
              return yield* answers(outputs())
            })
          )
          assert.deepStrictEqual(yield* run(folder, answers(outputs())), before, `seed ${seed}, life ${life}`)
        }
      }
    })
  )

  it.effect("still approves no second spend, and says again what it said", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [first, second] = [pay([coins[0]!]), pay([coins[0]!], 7n)]
      const vote = approval(first)
      yield* run(
        folder,
        Effect.gen(function* () {
          yield* apply([start])
          yield* submit(first)
          const pool = yield* Mempool
          yield* pool.pledge(vote)
          yield* pool.advance(txid(first), { _tag: "Release", reason: "Rejected" })
        })
      )
      yield* run(
        folder,
        Effect.gen(function* () {
          const pool = yield* Mempool
          assert.deepStrictEqual(yield* pool.ownVote(txid(first)), vote)
          yield* submit(second)
          assert.strictEqual((yield* Effect.flip(pool.pledge(approval(second))))._tag, "VoteRefused")
        })
      )
    })
  )

  it.effect("takes back as final what was mined before it and comes off after it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const transaction = pay([coins[0]!])
      const block = link(start.delta, "next", {
        txids: [txid(transaction)],
        spent: [coins[0]!],
        created: [outputOf(transaction)]
      })
      yield* run(
        folder,
        Effect.gen(function* () {
          yield* apply([start])
          yield* submit(transaction)
          yield* finalize(transaction)
          yield* apply([block])
        })
      )
      const phase = yield* run(
        folder,
        Effect.gen(function* () {
          const other = link(start.delta, "other")
          yield* apply([other, link(other.delta, "longer")], 1, [transaction])
          return (yield* Effect.flatMap(Mempool, (pool) => pool.get(txid(transaction))))?.phase
        })
      )
      assert.strictEqual(phase?._tag, "SpentFinalized")
    })
  )

  it.effect("drops what the chain has spent meanwhile without the pool hearing of it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [mined, contradicted, other] = [pay([coins[0]!]), pay([coins[1]!]), pay([coins[2]!])]
      yield* run(
        folder,
        Effect.gen(function* () {
          yield* apply([start])
          for (const transaction of [mined, contradicted, other]) yield* submit(transaction)
          const next = link(start.delta, "next", {
            txids: [txid(mined), hashOf("rival")],
            spent: [coins[0]!, coins[1]!],
            spenders: [0, 1]
          })
          // The process ends between the two files.
          yield* Effect.flatMap(ChainStore, (store) =>
            store.commit({ disconnect: 0, connect: [next], durability: "durable" })
          )
        })
      )
      const pending = yield* run(
        folder,
        Effect.flatMap(Mempool, (pool) => pool.pending)
      )
      assert.deepStrictEqual(
        pending.map(({ transaction }) => transaction),
        [other]
      )
    })
  )
})

describe("the file of a pool", () => {
  const failure = (folder: string, network = testnet) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(layerIn(folder, network)))), (error) => error.reason)

  it.effect("is refused and left alone when it is damaged, another network's, or held by somebody", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* run(folder, apply([start]))
      assert.strictEqual(yield* failure(folder, mainnet), "WrongNetwork")
      const holds = yield* Effect.scoped(
        Effect.andThen(
          Layer.build(
            SqliteMempool.layer({ file: join(folder, "pool.sqlite"), network: testnet }).pipe(
              Layer.provide(ViewUtxoStore.layer),
              Layer.provide(ChainStore.layerTest()),
              Layer.provide(NodeConfig.layerTest())
            )
          ),
          failure(folder)
        )
      )
      assert.strictEqual(holds, "InUse")
      const file = join(folder, "pool.sqlite")
      writeFileSync(file, "no database at all, but long enough to be looked at".repeat(40))
      const before = readFileSync(file)
      assert.strictEqual(yield* failure(folder), "Damaged")
      assert.deepStrictEqual(readFileSync(file), before)
    })
  )
})
