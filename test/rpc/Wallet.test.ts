/**
 * The wallet's methods on whole nodes in memory: money is made by a chain, paid, broadcast, mined, and adds up.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import * as MemoryWallet from "../../src/layers/MemoryWallet.ts"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as SealedWallet from "../../src/layers/SealedWallet.ts"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import { addressOf } from "../../src/protocol/Address.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import type { Seed } from "../../src/protocol/Ed25519.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, mainnet, testnet } from "../../src/protocol/Network.ts"
import { dispatch } from "../../src/rpc/Dispatch.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import { blockAt, owner } from "../fixtures/Blocks.ts"
import { peer } from "../peer/Fixture.ts"
import { settle, wait } from "../peer/Session.ts"

const PASSPHRASE = "correct horse"
/** Blocks of the fixture pay owners 1 and 2 half of their reward each. */
const [alice, bob] = [owner(1), owner(3)]

const walletOf = (seed: number, passphrase: string | null) =>
  SealedWallet.seal(
    {
      network: testnet,
      seed: Redacted.make(new Uint8Array(32).fill(seed) as Seed),
      address: owner(seed).address,
      createdAt: 5n,
      label: "Mine"
    },
    passphrase === null ? null : Redacted.make(passphrase),
    { n: 1_024, r: 8, p: 1 }
  )

/** A whole node at that address of the network, which dials the others named. */
const startNode = Effect.fnUntraced(function* (
  number: number,
  wallet: SealedWallet.SealedWallet | null,
  options: { readonly dials?: ReadonlyArray<number>; readonly legacy?: boolean } = {}
) {
  const hub = yield* MemoryHub
  const layer = TimeNode.layerWith({
    peers: MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(Layer.succeed(MemoryHub, hub))),
    wallet: MemoryWallet.layer(wallet)
  }).pipe(
    Layer.provideMerge(
      NodeConfig.layerTest({
        listen: { host: peer(number), port: testnet.p2pPort },
        externalAddress: peer(number),
        peers: (options.dials ?? []).map((to) => ({ peer: peer(to), port: testnet.p2pPort })),
        legacy: options.legacy ?? false
      })
    ),
    Layer.provideMerge(NodeLifecycle.layerTest()),
    Layer.provideMerge(Logger.layer([]))
  )
  // A memo map of its own, so that no two nodes share a layer.
  const context = yield* Layer.buildWithMemoMap(layer, yield* Layer.makeMemoMap, yield* Effect.scope)
  const call = (method: string, ...params: ReadonlyArray<unknown>) =>
    dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })).pipe(
      Effect.map((text) => JSON.parse(text!)),
      Effect.provideContext(context)
    )
  return {
    call,
    result: (method: string, ...params: ReadonlyArray<unknown>) =>
      Effect.map(call(method, ...params), (answer) => {
        assert.isUndefined(answer.error, JSON.stringify(answer))
        return answer.result
      }),
    code: (method: string, ...params: ReadonlyArray<unknown>) =>
      Effect.map(call(method, ...params), ({ error }) => error?.code as number | undefined),
    /** Puts a block on the chain with all that waits in the pool. */
    mine: Effect.gen(function* () {
      const chain = Context.get(context, Blockchain)
      const pending = yield* Context.get(context, Mempool).pending
      const at = chain.tip()
      const block: Block = blockAt(
        at.height + 1n,
        at.hash,
        pending.map(({ transaction }) => transaction)
      )
      yield* chain.connect([block])
      assert.strictEqual(toHex(chain.tip().hash), toHex(blockHash(block.header)))
    }),
    pooled: Effect.map(Context.get(context, Mempool).pending, (pending) => pending.map(({ txid }) => toHex(txid)))
  }
})

const test = <A, E>(text: string, program: Effect.Effect<A, E, MemoryHub | Scope.Scope>) =>
  it.effect(text, () =>
    Effect.andThen(TestClock.setTime(Number(dueTime(testnet, height(50))) * 1_000), program).pipe(
      Effect.provide(MemoryHub.layer, { local: true })
    )
  )

describe("the wallet over JSON-RPC", () => {
  test(
    "pays, and every node sees it: in the pool, then mined, to the last satoshi",
    Effect.gen(function* () {
      const node = yield* startNode(1, yield* walletOf(1, null))
      const other = yield* startNode(2, null, { dials: [1] })
      yield* settle
      yield* node.mine
      yield* wait("70 seconds")
      assert.strictEqual(yield* other.result("getblockcount"), 1)

      assert.strictEqual(yield* node.result("getnewaddress"), alice.address)
      assert.strictEqual(yield* node.result("getbalance"), 50)
      // As a double, 0.29 TIME is 28999999.999999996 satoshi.
      const txid: string = yield* node.result("sendtoaddress", bob.address, 0.29)
      yield* settle
      assert.deepStrictEqual([yield* node.pooled, yield* other.pooled], [[txid], [txid]])
      const seen = yield* other.result("gettransaction", txid)
      assert.strictEqual(seen.confirmations, 0)
      assert.deepStrictEqual(
        seen.vout.map(({ scriptPubKey, value }: any) => [scriptPubKey.address, value]),
        [
          [bob.address, 0.29],
          [alice.address, 49.66004996]
        ]
      )
      assert.strictEqual(yield* node.result("getbalance"), 0)
      assert.include(yield* node.result("getwalletinfo"), {
        balance: 0,
        confirmed_balance: 50,
        unconfirmed_balance: 49.66004996
      })
      assert.deepStrictEqual(
        (yield* node.result("listtransactions")).map((each: any) => [each.txid, each.height]).slice(0, 1),
        [[txid, null]]
      )
      assert.strictEqual(yield* node.code("sendtoaddress", bob.address, 1), -6)

      yield* node.mine
      yield* wait("70 seconds")
      assert.strictEqual((yield* other.result("gettransaction", txid)).confirmations, 1)
      assert.strictEqual(yield* other.result("getbalance", bob.address), 0.29)
      assert.deepStrictEqual([yield* node.pooled, yield* other.pooled], [[], []])
      // Its change, and the reward of the second block.
      assert.strictEqual(yield* node.result("getbalance"), 99.66004996)
      assert.strictEqual((yield* node.result("listunspent")).length, 2)
      assert.deepStrictEqual(
        (yield* node.result("listtransactions", 3)).map((each: any) => each.confirmations),
        [1, 1, 2]
      )

      const merged = yield* node.result("mergeutxos")
      const total = 9_966_004_996
      assert.include(merged, { merged_count: 2, message: "Successfully merged 2 UTXOs", total_value: total })
      assert.strictEqual(merged.final_value + merged.fee, total)
      yield* node.mine
      assert.strictEqual((yield* node.result("listunspent", 1, 1)).length, 2)
      assert.strictEqual(yield* node.code("mergeutxos", 3), -8)
    })
  )

  test(
    "asks for the passphrase, for as long as was said",
    Effect.gen(function* () {
      const node = yield* startNode(1, yield* walletOf(1, PASSPHRASE))
      yield* node.mine
      assert.include(yield* node.result("getwalletinfo"), { balance: 50, encrypted: true, unlocked_until: 0 })
      assert.strictEqual(yield* node.code("sendtoaddress", bob.address, "1"), -13)
      assert.strictEqual(yield* node.code("walletpassphrase", "wrong", 60), -14)
      assert.isNull(yield* node.result("walletpassphrase", PASSPHRASE, 60))
      const { unlocked_until } = yield* node.result("getwalletinfo")
      assert.strictEqual(unlocked_until, Number(dueTime(testnet, height(50))) + 60)
      yield* node.result("sendtoaddress", bob.address, "1")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* node.code("mergeutxos"), -13)
      yield* node.result("walletpassphrase", PASSPHRASE, 60)
      assert.isNull(yield* node.result("walletlock"))
      assert.strictEqual(yield* node.code("mergeutxos"), -13)
      for (const params of [[PASSPHRASE], [PASSPHRASE, 0], [PASSPHRASE, 1e9], [7, 60], ["x".repeat(2_000), 1]]) {
        assert.strictEqual(yield* node.code("walletpassphrase", ...params), -32602)
      }
    })
  )

  test(
    "refuses what makes no sense, with the codes of timed",
    Effect.gen(function* () {
      const node = yield* startNode(1, yield* walletOf(1, null))
      yield* node.mine
      const refused: ReadonlyArray<readonly [code: number, ...params: ReadonlyArray<unknown>]> = [
        [-32602],
        [-32602, bob.address],
        [-32602, bob.address, null],
        [-32602, bob.address, 1, "yes"],
        [-8, "somewhere", 1],
        [-8, addressOf(bob.key.publicKey, mainnet), 1],
        [-8, bob.address, 0],
        [-8, bob.address, -1],
        [-8, bob.address, "1e2"],
        [-8, bob.address, 0.123456789],
        [-32602, bob.address, 1e20],
        [-8, bob.address, 100_000_000.5],
        [-6, bob.address, "100000000.5"],
        [-6, bob.address, 50]
      ]
      for (const [code, ...params] of refused) {
        assert.strictEqual(yield* node.code("sendtoaddress", ...params), code, JSON.stringify(params))
      }
      for (const params of [[1], [2, 101], [2.5], ["2"], [2, 100, 7]]) {
        assert.strictEqual(yield* node.code("mergeutxos", ...params), -32602, JSON.stringify(params))
      }
      assert.strictEqual(yield* node.code("mergeutxos", 9, 3), -8)
      assert.strictEqual(yield* node.code("mergeutxos", null, null, bob.address), -8)
      assert.deepStrictEqual((yield* node.call("mergeutxos", null, null, alice.address)).error, {
        code: -8,
        message: "Not enough UTXOs to merge. Found 1, need at least 2"
      })
      assert.deepStrictEqual(yield* node.pooled, [])
    })
  )

  test(
    "sends what no timed mines only when told to",
    Effect.gen(function* () {
      const node = yield* startNode(1, yield* walletOf(1, null), { legacy: true })
      yield* node.mine
      const { error } = yield* node.call("sendtoaddress", bob.address, 1)
      assert.strictEqual(error.code, -4)
      assert.match(error.message, /48\.95004996 TIME more than 1 TIME each.*true as third parameter/)
      assert.deepStrictEqual(yield* node.pooled, [])
      const txid = yield* node.result("sendtoaddress", bob.address, 1, true)
      assert.deepStrictEqual(yield* node.pooled, [txid])
    })
  )

  test(
    "says of a text whether it is an address, and whose",
    Effect.gen(function* () {
      const node = yield* startNode(1, yield* walletOf(1, PASSPHRASE))
      const same = { isscript: false, iswatchonly: false, iswitness: false }
      assert.deepStrictEqual(yield* node.result("validateaddress", alice.address), {
        address: alice.address,
        ismine: true,
        isvalid: true,
        scriptPubKey: toHex(new TextEncoder().encode(alice.address)),
        ...same
      })
      assert.include(yield* node.result("validateaddress", bob.address), { ismine: false, isvalid: true })
      for (const text of ["", "TIME0abcdefgh", addressOf(alice.key.publicKey, mainnet)]) {
        assert.include(yield* node.result("validateaddress", text), { ismine: false, isvalid: false, scriptPubKey: "" })
      }
    })
  )

  test(
    "says that there is none",
    Effect.gen(function* () {
      const node = yield* startNode(1, null)
      const calls: ReadonlyArray<readonly [method: string, ...params: ReadonlyArray<unknown>]> = [
        ["getnewaddress"],
        ["getwalletinfo"],
        ["getbalance"],
        ["listunspent"],
        ["listtransactions"],
        ["sendtoaddress", bob.address, 1],
        ["mergeutxos"],
        ["walletpassphrase", "x", 1]
      ]
      for (const [method, ...params] of calls) {
        const { error } = yield* node.call(method, ...params)
        assert.deepStrictEqual(error, { code: -18, message: "a node that keeps nothing on disk has no wallet" }, method)
      }
      assert.isNull(yield* node.result("walletlock"))
      assert.include(yield* node.result("validateaddress", bob.address), { ismine: false, isvalid: true })
      assert.strictEqual(toHex(genesis(testnet).hash), yield* node.result("getbestblockhash"))
    })
  )
})
