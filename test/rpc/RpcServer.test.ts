import { assert, describe, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Stream from "effect/Stream"
import * as HttpServer from "effect/http/HttpServer"
import { connect } from "node:net"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { addressScript } from "../../src/protocol/Address.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { RPC_BODY } from "../../src/protocol/Limits.ts"
import { layer as listener } from "../../src/layers/NodeRpcListener.ts"
import * as RpcServer from "../../src/rpc/RpcServer.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore, StoreError } from "../../src/services/ChainStore.ts"
import { History } from "../../src/services/History.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { Wallet } from "../../src/services/Wallet.ts"

const first = genesis(testnet)
const peer = peerId("192.0.2.7")!
const coins = [0, 1, 10].map((vout) => ({
  outpoint: { txid: first.txids[0]!, vout },
  value: satoshi(150_000_001n),
  scriptPubkey: addressScript("somewhere"),
  address: "somewhere"
}))

class Stopped extends Context.Service<Stopped, Deferred.Deferred<void>>()("test/Stopped") {}

const services = Layer.mergeAll(
  // Some tests make the node log errors.
  Logger.layer([]),
  Blockchain.layerTest({
    heightOf: (hash) => (toHex(hash) === toHex(first.hash) ? first.block.header.height : undefined),
    block: (at) =>
      at === 0n
        ? Effect.succeed(first.block)
        : at === 666n
          ? Effect.fail(new StoreError({ operation: "block", reason: "Failed", detail: "secret path" }))
          : at === 667n
            ? Effect.die(new Error("secret defect"))
            : Effect.succeed(undefined)
  }),
  ChainStore.layerTest({
    tip: Effect.succeed({
      height: first.block.header.height,
      hash: first.hash,
      timestamp: first.block.header.timestamp
    })
  }),
  Mempool.layerTest(),
  UtxoStore.layerTest({
    summary: Effect.succeed({ height: first.block.header.height, hash: utxoSetHash(coins), count: 3n }),
    stream: Stream.fromIterable(coins)
  }),
  MasternodeRegistry.layerTest(),
  Wallet.layerTest(),
  PeerGuard.layerTest(),
  History.layerTest(),
  PeerRegistry.layerTest({
    peers: [
      {
        peer,
        direction: "inbound",
        generation: 1,
        port: 24100,
        agent: "timed",
        capabilities: [],
        connectedAt: 1_700_000_000_999,
        lastReceivedAt: 1_700_000_001_000,
        ping: 12,
        lastBlockAt: 1_700_000_002_999,
        lastTransactionAt: null,
        bytesReceived: 10,
        bytesSent: 20,
        outboundBytes: 300,
        inboundMessages: 0,
        pendingRequests: 4
      }
    ]
  }),
  Layer.unwrap(
    Effect.map(Stopped, (stopped) =>
      NodeLifecycle.layerTest({
        uptime: Effect.succeed(Duration.millis(61_999)),
        requestStop: Effect.asVoid(Deferred.succeed(stopped, undefined))
      })
    )
  )
).pipe(Layer.provideMerge(Layer.effect(Stopped, Deferred.make<void>())))

const served = RpcServer.layer.pipe(
  Layer.provideMerge(services),
  Layer.provideMerge(listener({ host: "127.0.0.1", port: 0 }))
)

const url = Effect.map(
  HttpServer.HttpServer,
  ({ address }) => `http://127.0.0.1:${"port" in address ? address.port : 0}`
)

const post = (body: string, headers: Record<string, string> = {}) =>
  Effect.flatMap(url, (at) =>
    Effect.promise(async () => {
      const response = await fetch(at, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers }
      })
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
    })
  )

const call = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(post(JSON.stringify({ jsonrpc: "2.0", id: "t", method, params })), ({ status, text }) => {
    assert.strictEqual(status, 200)
    const answer = JSON.parse(text)
    assert.strictEqual(answer.id, "t")
    return answer
  })

const code = (method: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(call(method, ...params), ({ error }) => error?.code)

/** Sends bytes as they are, in the given parts, and takes all that comes until the end. */
const raw = (...parts: ReadonlyArray<string>) =>
  Effect.flatMap(url, (at) =>
    Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          let received = ""
          const socket = connect(Number(new URL(at).port), "127.0.0.1")
          socket.setNoDelay(true)
          socket.on("data", (data) => (received += data.toString()))
          socket.on("close", () => resolve(received))
          socket.on("error", reject)
          const send = (index: number): void => {
            if (index < parts.length) socket.write(parts[index]!, () => setImmediate(send, index + 1))
          }
          send(0)
        })
    )
  )

layer(served, { excludeTestServices: true })("JSON-RPC over HTTP", (it) => {
  describe("methods", () => {
    it.effect("getblock tells a block by height and by hash", () =>
      Effect.gen(function* () {
        const byHeight = yield* call("getblock", 0)
        const byHash = yield* call("getblock", toHex(first.hash).toUpperCase())
        assert.deepStrictEqual(byHeight, byHash)
        assert.deepStrictEqual(byHeight.result, {
          block_reward: 10_000_000_000,
          confirmations: 1,
          hash: toHex(first.hash),
          height: 0,
          masternode_rewards: 0,
          merkleroot: toHex(first.block.header.merkleRoot),
          nTx: 1,
          previousblockhash: "0".repeat(64),
          time: 1_764_547_200,
          tx: [toHex(first.txids[0]!)],
          version: 2
        })
      })
    )

    it.effect("the hash of a block is the same everywhere", () =>
      Effect.gen(function* () {
        const hash = toHex(first.hash)
        assert.strictEqual((yield* call("getbestblockhash")).result, hash)
        assert.strictEqual((yield* call("getblockhash", 0)).result, hash)
        assert.strictEqual((yield* call("getblockchaininfo")).result.bestblockhash, hash)
        assert.strictEqual((yield* call("gettxoutsetinfo")).result.bestblock, hash)
        assert.strictEqual((yield* call("getblockcount")).result, 0)
      })
    )

    it.effect("getblockchaininfo has the fields of timed in alphabetical order", () =>
      Effect.gen(function* () {
        const { result } = yield* call("getblockchaininfo")
        const fields =
          "bestblockhash blocks chain chainwork consensus difficulty finality_time headers instant_finality " +
          "mediantime pruned verificationprogress"
        assert.deepStrictEqual(Object.keys(result), fields.split(" "))
        assert.strictEqual(result.mediantime, 1_764_547_200)
        assert.isBelow(result.verificationprogress, 1)
      })
    )

    it.effect("gettxoutsetinfo adds up the unspent outputs", () =>
      Effect.gen(function* () {
        const { text } = yield* post('{"jsonrpc":"2.0","id":1,"method":"gettxoutsetinfo"}')
        assert.include(text, '"total_amount":4.50000003,')
        const { result } = JSON.parse(text)
        assert.strictEqual(result.txouts, 3)
        assert.strictEqual(result.transactions, 1)
        assert.strictEqual(result.utxo_hash, toHex(utxoSetHash(coins)))
      })
    )

    it.effect("getpeerinfo lists connections", () =>
      Effect.gen(function* () {
        const { result } = yield* call("getpeerinfo")
        assert.strictEqual(result.length, 1)
        assert.include(result[0], { addr: "192.0.2.7:24100", inbound: true, conntime: 1_700_000_000, pingtime: 0.012 })
        assert.include(result[0], { last_block: 1_700_000_002, last_transaction: null })
        assert.include(result[0], { sendqueue_bytes: 300, requests_in_flight: 4 })
      })
    )

    it.effect("uptime is in whole seconds", () => Effect.map(call("uptime"), (a) => assert.strictEqual(a.result, 61)))

    it.effect("stop answers before the node stops", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* call("stop")).result, "TIME Coin server stopping")
        yield* Deferred.await(yield* Stopped)
      })
    )
  })

  describe("errors", () => {
    it.effect("have the codes of timed", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* code("getblockz"), -32601)
        assert.strictEqual(yield* code("GETBLOCK", 0), -32601)
        assert.strictEqual(yield* code("__proto__"), -32601)
        for (const params of [[], ["0"], [-1], [1.5], [null], [0, 1], [{}]]) {
          assert.strictEqual(yield* code("getblock", ...params), -32602, JSON.stringify(params))
        }
        assert.strictEqual(yield* code("uptime", 1), -32602)
        assert.deepStrictEqual((yield* call("getblock", 99)).error, {
          code: -5,
          message: "Block not found: Block 99 not found"
        })
        assert.strictEqual(yield* code("getblock", "0".repeat(64)), -5)
      })
    )

    it.effect("say what was expected", () =>
      Effect.gen(function* () {
        const { error } = yield* call("getblock", "x")
        assert.match(error.message, /^Invalid params: expected block \(a block height or /)
      })
    )

    it.effect("of the node itself are not told to callers", () =>
      Effect.gen(function* () {
        for (const at of [666, 667]) {
          const { error } = yield* call("getblock", at)
          assert.strictEqual(error.code, -32603)
          assert.notInclude(error.message, "secret")
        }
      })
    )

    it.effect("parameters may be named", () =>
      Effect.gen(function* () {
        const { text } = yield* post('{"jsonrpc":"2.0","id":1,"method":"getblockhash","params":{"height":0}}')
        assert.strictEqual(JSON.parse(text).result, toHex(first.hash))
        const other = yield* post('{"jsonrpc":"2.0","id":1,"method":"getblockhash","params":{"height":0,"x":1}}')
        assert.strictEqual(JSON.parse(other.text).error.code, -32602)
      })
    )
  })

  describe("transport", () => {
    it.effect("answers a batch in order and says nothing to notifications", () =>
      Effect.gen(function* () {
        const { text } = yield* post(
          '[{"jsonrpc":"2.0","method":"uptime","id":1},{"jsonrpc":"2.0","method":"uptime"},7,{"jsonrpc":"2.0","method":"getblockcount","id":18446744073709551615}]'
        )
        assert.strictEqual(
          text.replace(/"message":"[^"]*"/, '"message":""'),
          '[{"jsonrpc":"2.0","id":1,"result":61},{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":""}},{"jsonrpc":"2.0","id":18446744073709551615,"result":0}]'
        )
        const nothing = yield* post('{"jsonrpc":"2.0","method":"uptime"}')
        assert.strictEqual(nothing.status, 204)
        assert.strictEqual(nothing.text, "")
      })
    )

    it.effect("refuses web pages", () =>
      Effect.gen(function* () {
        const body = '{"jsonrpc":"2.0","id":1,"method":"stop"}'
        assert.strictEqual((yield* post(body, { "content-type": "text/plain" })).status, 415)
        assert.strictEqual((yield* post(body, { origin: "https://example.com" })).status, 403)
        const rebound = yield* raw(
          `POST / HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        )
        assert.match(rebound, /^HTTP\/1\.1 403 /)
      })
    )

    it.effect("takes a request in any number of segments", () =>
      Effect.gen(function* () {
        const body = '{"jsonrpc":"2.0","id":1,"method":"uptime"}'
        const answer = yield* raw(
          "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n",
          `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
          body.slice(0, 7),
          body.slice(7)
        )
        assert.match(answer, /^HTTP\/1\.1 200 OK/)
        assert.include(answer, '"result":61')
      })
    )

    it.effect("takes large bodies and refuses larger ones, announced or not", () =>
      Effect.gen(function* () {
        const padded = (size: number) => '{"jsonrpc":"2.0","id":1,"method":"uptime"}'.padEnd(size)
        assert.strictEqual((yield* post(padded(RPC_BODY))).status, 200)
        assert.strictEqual((yield* post(padded(RPC_BODY + 1))).status, 413)
        const chunked = yield* raw(
          "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
            `${(RPC_BODY + 1).toString(16)}\r\n${padded(RPC_BODY + 1)}\r\n0\r\n\r\n`
        )
        assert.match(chunked, /^HTTP\/1\.1 413 /)
      })
    )

    it.effect("a body that is no JSON is answered as an error of JSON-RPC", () =>
      Effect.gen(function* () {
        for (const body of ["", "{", "\u0000"]) {
          const { status, text, type } = yield* post(body)
          assert.strictEqual(status, 200)
          assert.strictEqual(type, "application/json")
          assert.strictEqual(JSON.parse(text).error.code, -32700)
        }
      })
    )
  })
})
