/**
 * Methods over the indexes and the branches of the chain, on a chain in memory whose blocks spend.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { blockHash } from "../../src/protocol/Block.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { RPC_ADDRESSES, RPC_HISTORY, RPC_UNSPENT } from "../../src/protocol/Limits.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { transactionBytes, txid } from "../../src/protocol/Transaction.ts"
import { dispatch } from "../../src/rpc/Dispatch.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { owner, spend } from "../fixtures/Blocks.ts"
import { hashOf } from "../fixtures/Deltas.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { chainOf } from "../services/BlockchainSuite.ts"

const node = LocalBlockchain.layer.pipe(
  Layer.provideMerge(MemoryMempool.layer),
  Layer.provideMerge(ViewUtxoStore.layer),
  Layer.provideMerge(MemoryChainStore.layer),
  Layer.provideMerge(NodeConfig.layerTest({ legacy: true })),
  Layer.provideMerge(NodeLifecycle.layer),
  Layer.provideMerge(MockNode.layer)
)

const BLOCKS = spendingChain(30)
const TIP = 29
const transactions = BLOCKS.flatMap(({ header, transactions }) =>
  transactions.map((transaction, index) => ({ transaction, header, index, id: toHex(txid(transaction)) }))
)
const spending = transactions.findLast(({ transaction }) => transaction.inputs.length > 0)!

const call = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })), (text) => JSON.parse(text!))
const result = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(call(method, ...params), (answer) => {
    assert.isUndefined(answer.error, JSON.stringify(answer))
    return answer.result
  })
const code = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(call(method, ...params), ({ error }) => error?.code)

const test = <A, E>(text: string, program: Effect.Effect<A, E, Layer.Success<typeof node>>, layer = node) =>
  it.effect(text, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Number(dueTime(testnet, height(1_000))) * 1_000)
      return yield* Effect.andThen(
        Effect.flatMap(Blockchain, (chain) => chain.connect(BLOCKS)),
        program
      ).pipe(Effect.provide(layer, { local: true }))
    })
  )

/** What the blocks say themselves of the unspent outputs of an address: `txid:vout`, satoshi, height. */
const unspentOf = (address: string): ReadonlyArray<readonly [string, bigint, bigint]> => {
  const spent = new Set(
    transactions.flatMap(({ transaction }) =>
      transaction.inputs.map(({ previousOutput: { txid, vout } }) => `${toHex(txid)}:${vout}`)
    )
  )
  return transactions
    .flatMap(({ header, id, transaction }) =>
      transaction.outputs.map(({ scriptPubkey, value }, vout) => ({
        mine: Buffer.from(scriptPubkey).toString() === address,
        entry: [`${id}:${vout}`, value, header.height] as const
      }))
    )
    .filter(({ entry: [key], mine }) => mine && !spent.has(key))
    .map(({ entry }) => entry)
}

describe("gettransaction", () => {
  test(
    "finds every transaction of the chain",
    Effect.gen(function* () {
      for (const { header, id, transaction } of transactions) {
        const found = yield* result("gettransaction", id)
        assert.deepInclude(found, {
          blockhash: toHex(blockHash(header)),
          blocktime: Number(header.timestamp),
          confirmations: TIP + 1 - Number(header.height),
          txid: id
        })
        assert.strictEqual(found.vin.length, transaction.inputs.length)
        assert.strictEqual(found.vout.length, transaction.outputs.length)
      }
    })
  )

  test(
    "has the fields of timed, and says what the transaction does",
    Effect.gen(function* () {
      const found = yield* result("gettransaction", spending.id.toUpperCase())
      const timed = "blocktime confirmations locktime size time txid version vin vout".split(" ")
      assert.includeMembers(Object.keys(found), timed)
      const [input] = spending.transaction.inputs
      const [output] = spending.transaction.outputs
      assert.deepStrictEqual(found.vin[0], {
        sequence: 0xffff_ffff,
        txid: toHex(input!.previousOutput.txid),
        vout: input!.previousOutput.vout
      })
      assert.deepStrictEqual(found.vout[0], {
        n: 0,
        scriptPubKey: {
          address: Buffer.from(output!.scriptPubkey).toString(),
          hex: toHex(output!.scriptPubkey)
        },
        value: Number(output!.value) / 1e8
      })
      assert.strictEqual(found.size, transactionBytes(spending.transaction).length)
    })
  )

  test(
    "knows the pool, and refuses what is no txid",
    Effect.gen(function* () {
      const [mine] = yield* (yield* ChainStore).unspentOf(Buffer.from(owner(1).address), { after: null, limit: 1 })
      const payment = signSpends(spend([mine!.outpoint], [[owner(2), mine!.value - 10_000_000n]]), owner(1).key)
      assert.strictEqual(yield* (yield* Mempool).submit(payment), "accepted")
      assert.deepInclude(yield* result("gettransaction", toHex(txid(payment))), {
        blockhash: null,
        blocktime: null,
        confirmations: 0
      })
      assert.strictEqual(yield* code("gettransaction", "f".repeat(64)), -5)
      assert.strictEqual(yield* code("gettransaction", "f".repeat(63)), -8)
      assert.strictEqual(yield* code("gettransaction", 7), -32602)
    })
  )

  test(
    "does not take another transaction at that place for the one asked for",
    Effect.gen(function* () {
      assert.strictEqual(yield* code("gettransaction", "f".repeat(64)), -5)
    }),
    Layer.effect(
      ChainStore,
      Effect.map(ChainStore, (store) =>
        ChainStore.of({ ...store, transaction: () => Effect.succeed({ height: height(3), index: 0 }) })
      )
    ).pipe(Layer.provideMerge(node))
  )
})

describe("getrawtransaction", () => {
  test(
    "gives the bytes that are hashed, or what gettransaction gives",
    Effect.gen(function* () {
      const hex = toHex(transactionBytes(spending.transaction))
      assert.strictEqual(yield* result("getrawtransaction", spending.id), hex)
      assert.strictEqual(yield* result("getrawtransaction", spending.id, false), hex)
      const verbose = yield* result("getrawtransaction", spending.id, true)
      assert.deepStrictEqual(verbose, yield* result("gettransaction", spending.id))
    })
  )
})

describe("listunspent and getbalance", () => {
  test(
    "agree with the blocks",
    Effect.gen(function* () {
      for (const { address } of [1, 2, 3, 4, 5, 6].map(owner)) {
        const expected = unspentOf(address)
        const listed = yield* result("listunspent", null, null, [address, address])
        assert.sameDeepMembers(
          listed.map((one: any) => [`${one.txid}:${one.vout}`, one.amount, one.confirmations]),
          expected.map(([key, value, at]) => [key, Number(value) / 1e8, TIP + 1 - Number(at)])
        )
        const worth = expected.reduce((sum, [, value]) => sum + value, 0n)
        assert.strictEqual(yield* result("getbalance", address), Number(worth) / 1e8)
      }
    })
  )

  test(
    "have the fields of timed, filter by confirmations, and mark what is being spent",
    Effect.gen(function* () {
      const { address } = owner(1)
      const all = yield* result("listunspent", null, null, [address, owner(2).address])
      const timed = "address amount confirmations safe solvable spendable txid vout"
      assert.strictEqual(Object.keys(all[0]).join(" "), timed)
      const between = (yield* result("listunspent", 5, 9, [address])) as ReadonlyArray<any>
      assert.isNotEmpty(between)
      assert.isTrue(between.every(({ confirmations }) => confirmations >= 5 && confirmations <= 9))
      const [coin] = yield* (yield* ChainStore).unspentOf(Buffer.from(address), { after: null, limit: 1 })
      const payment = spend([coin!.outpoint], [[owner(2), coin!.value / 2n]])
      yield* (yield* Mempool).submit(signSpends(payment, owner(1).key))
      const now = (yield* result("listunspent", null, null, [address])) as ReadonlyArray<any>
      assert.deepStrictEqual(
        now.filter(({ spendable }) => !spendable).map(({ txid, vout }) => [txid, vout]),
        [[toHex(coin!.outpoint.txid), coin!.outpoint.vout]]
      )
    })
  )

  test(
    "refuse to list more than fits, and without addresses only list those of a wallet",
    Effect.gen(function* () {
      assert.strictEqual(yield* code("listunspent"), -18)
      assert.strictEqual(yield* code("listunspent", 1, 9_999_999), -18)
      assert.strictEqual(yield* code("listunspent", null, null, []), -32602)
      assert.strictEqual(yield* code("listunspent", null, null, Array(RPC_ADDRESSES + 1).fill("x")), -32602)
      assert.deepStrictEqual(yield* result("listunspent", null, null, Array(RPC_ADDRESSES).fill("x")), [])
      assert.strictEqual(yield* code("getbalance"), -18)
    })
  )

  /** A store in which the address `many` has so many outputs, and whose tip is another whenever it is asked for. */
  const rich = (count: number, isSteady: boolean) =>
    Layer.effect(
      ChainStore,
      Effect.map(ChainStore, (store) => {
        let asked = 0
        const outputs = Array.from({ length: count }, (_, vout) => ({
          outpoint: { txid: hashOf("many"), vout },
          value: satoshi(1),
          scriptPubkey: Buffer.from("many"),
          address: "many"
        }))
        return ChainStore.of({
          ...store,
          tip: Effect.map(store.tip, (tip) => (isSteady ? tip : { ...tip!, hash: hashOf(`${asked++}`) })),
          unspentOf: (_, { after, limit }) => {
            const from = after === null ? 0 : Number(after.split(":")[1]) + 1
            return Effect.succeed(outputs.slice(from, from + limit))
          }
        })
      })
    ).pipe(Layer.provideMerge(node))

  test(
    "take as many outputs as there is room for",
    Effect.gen(function* () {
      assert.strictEqual((yield* result("listunspent", 0, null, ["many"])).length, RPC_UNSPENT)
      assert.strictEqual(yield* result("getbalance", "many"), RPC_UNSPENT / 1e8)
    }),
    rich(RPC_UNSPENT, true)
  )
  test(
    "refuse one more, of which getbalance takes any number",
    Effect.gen(function* () {
      assert.strictEqual(yield* code("listunspent", 0, null, ["many"]), -8)
      assert.strictEqual(yield* result("getbalance", "many"), (RPC_UNSPENT + 1) / 1e8)
    }),
    rich(RPC_UNSPENT + 1, true)
  )
  test(
    "tell nothing that belongs to no tip",
    Effect.map(code("getbalance", "many"), (error) => assert.strictEqual(error, -32000)),
    rich(1, false)
  )
})

describe("getaddresshistory", () => {
  test(
    "goes back page by page to the first transaction",
    Effect.gen(function* () {
      const { address } = owner(1)
      const all = (yield* result("getaddresshistory", address)) as ReadonlyArray<any>
      const paid = transactions.filter(({ transaction }) =>
        transaction.outputs.some(({ scriptPubkey }) => Buffer.from(scriptPubkey).toString() === address)
      )
      assert.includeMembers(
        all.map(({ txid }) => txid),
        paid.map(({ id }) => id)
      )
      const places = all.map(({ height, index }) => height * 1_000 + index)
      assert.deepStrictEqual(
        places,
        places.toSorted((a, b) => b - a)
      )
      const pages: Array<any> = []
      while (pages.length < all.length) {
        const before = pages.at(-1)?.txid
        pages.push(...(yield* result("getaddresshistory", address, 7, ...(before === undefined ? [] : [before]))))
      }
      assert.deepStrictEqual(pages, all)
      assert.deepStrictEqual(yield* result("getaddresshistory", address, 7, pages.at(-1).txid), [])
    })
  )

  test(
    "refuses what it does not know",
    Effect.gen(function* () {
      assert.strictEqual(yield* code("getaddresshistory", "x", 1, "f".repeat(64)), -5)
      assert.strictEqual(yield* code("getaddresshistory", "x", RPC_HISTORY + 1), -32602)
      assert.strictEqual(yield* code("getaddresshistory", "x", 0), -32602)
      assert.deepStrictEqual(yield* result("getaddresshistory", "x"), [])
    })
  )
})

describe("getchaintips", () => {
  test(
    "lists the best chain and the branches beside it",
    Effect.gen(function* () {
      const chain = yield* Blockchain
      const active = { branchlen: 0, hash: toHex(chain.tip().hash), height: TIP, status: "active" }
      assert.deepStrictEqual(yield* result("getchaintips"), [active])
      const branch = chainOf(4, 28, blockHash(BLOCKS[27]!.header))
      // A branch is taken block by block, as peers send them.
      for (const block of branch) yield* chain.connect([block])
      const tip = { branchlen: 4, hash: toHex(blockHash(branch.at(-1)!.header)), height: 31, status: "valid-headers" }
      assert.deepStrictEqual(yield* result("getchaintips"), [tip, active])

      const [first] = chainOf(1, 29, blockHash(BLOCKS[28]!.header))
      const bad = { ...first!, header: { ...first!.header, version: 77 } }
      yield* Effect.flip(chain.connect([bad]))
      const invalid = { branchlen: 1, hash: toHex(blockHash(bad.header)), height: 29, status: "invalid" }
      assert.deepStrictEqual(yield* result("getchaintips"), [tip, active, invalid])
    })
  )
})
