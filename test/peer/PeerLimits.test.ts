/**
 * Each limit that a peer can meet: what is allowed at the limit, and what happens one beyond it. A limit without a check
 * does not compile.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger, Result, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { coinView } from "../../src/consensus/CoinView.ts"
import { validateTransaction } from "../../src/consensus/TransactionRules.ts"
import * as MemoryAddressBook from "../../src/layers/MemoryAddressBook.ts"
import type { RemotePeer } from "../../src/layers/registry/RemotePeer.ts"
import { Inbox } from "../../src/layers/registry/Inbox.ts"
import type { Allowance, Turns } from "../../src/layers/registry/Turns.ts"
import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { Exchange, type RequestOf } from "../../src/protocol/Exchange.ts"
import { ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type LimitName, limitNames } from "../../src/protocol/PeerBudget.ts"
import { type Seed, SigningKey } from "../../src/protocol/Ed25519.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { AddressBook } from "../../src/services/AddressBook.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { knownMasternode } from "../fixtures/Masternodes.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { memory, type RegistryUnderTest } from "../support/ScriptedPeers.ts"
import { inbound, ping } from "../support/Sessions.ts"
import { connection, onlyAnswer, peer, plain, transaction } from "./Fixture.ts"
import { deeds, handling } from "./handlers/Handling.ts"
import { dialIn, dialOut, heard, joinIn, joinOut, node, settle } from "./Session.ts"

/** Limits that are checked elsewhere, and where: what admission and reading in turns do has tests of its own. */
const elsewhere = {
  ADDRESS_BURST: "test/layers/AddressAllowance.test.ts",
  ADDRESS_INTERVAL: "test/layers/AddressAllowance.test.ts",
  LINES_AT_ONCE: "test/layers/TcpPeerRegistry.test.ts",
  LINES_PER_TURN: "test/layers/TcpPeerRegistry.test.ts",
  INBOUND_SLOTS: "test/layers/registry/Slots.test.ts",
  PENDING_HANDSHAKES: "test/layers/registry/Slots.test.ts",
  INBOUND_PER_IPV4_GROUP: "test/layers/registry/Slots.test.ts",
  INBOUND_PER_IPV6_GROUP: "test/layers/registry/Slots.test.ts"
} as const satisfies { readonly [Name in LimitName]?: string }

type Check = Effect.Effect<void, unknown, Scope.Scope>

const guarded = MemoryPeerGuard.layer.pipe(Layer.provide(NodeConfig.layerTest()))

// --- nodes to meet ---

const inNode = <A, E>(
  program: Effect.Effect<A, E, Layer.Success<ReturnType<typeof node>> | Scope.Scope>,
  layers: Layer.Layer<any> | Layer.Layer<never> = Layer.empty
): Check => program.pipe(Effect.provide(node(Layer.merge(guarded, layers)), { local: true }), Effect.asVoid)

const inRegistry = <A, E>(program: Effect.Effect<A, E, RegistryUnderTest | Scope.Scope>): Check =>
  program.pipe(
    Effect.provide(
      memory.pipe(
        Layer.provide(Layer.mergeAll(NodeConfig.layerTest(), NodeIdentity.layerTest(), PeerGuard.layerTest()))
      ),
      { local: true }
    ),
    Effect.asVoid
  )

/** What a handler over these services answers. */
const answer = (request: Message, layers: Layer.Layer<any>, from = connection()) => {
  const seen = deeds()
  return Effect.gen(function* () {
    yield* (yield* PeerHandler).handle(request, from)
    return seen.sent
  }).pipe(Effect.provide(handling(seen, layers), { local: true }))
}

// --- lines ---

/** A line as long as its limit passes, however it is read; one byte more closes the connection. */
const line = <E, R>(
  limit: number,
  [start, end]: readonly [string, string],
  open: (number: number) => Effect.Effect<RemotePeer, E, R>
) =>
  Effect.gen(function* () {
    for (const extra of [0, 1]) {
      const remote = yield* open(extra + 1)
      const text = Buffer.alloc(limit + extra + 1, " ")
      text.write(start)
      text.write(`${end}\n`, text.length - end.length - 1)
      yield* remote.sendBytes(text)
      yield* settle
      assert.strictEqual(remote.isClosed, extra === 1, `${limit} + ${extra}`)
    }
  })

const unasked = (limit: number, tag: string) =>
  inNode(line(limit, [`{"${tag}":`, "}"], (number) => joinIn(peer(number))))
const asked = (limit: number, tag: string) =>
  inNode(line(limit, [`{"${tag}":[`, "]}"], (number) => Effect.map(joinOut(peer(number)), ({ remote }) => remote)))

// --- answers ---

/** A list of two that fills its answer is complete; one character more leaves the second out. */
const cutShort = (
  limit: number,
  request: Message,
  count: (answer: Message) => number,
  services: (padding: number) => Layer.Layer<any>,
  /** Characters that one step of padding adds. */
  step: number
): Check =>
  Effect.gen(function* () {
    const lineOf = (padding: number) => Effect.map(answer(request, services(padding)), (sent) => sent[0]!.message)
    const bare = (yield* lineOf(0)) as Wire.Encoded<Message>
    const padding = Math.floor((limit - bare.byteLength) / step)
    for (const [steps, expected] of [
      [padding, 2],
      [padding + 1, 1]
    ] as const) {
      const sent = yield* lineOf(steps)
      assert.strictEqual(count(plain(sent)), expected)
      assert.isAtMost((sent as Wire.Encoded<Message>).byteLength, limit)
    }
  }).pipe(Effect.provide(Logger.layer([])))

/** The chain as `Blockchain.blocks` promises it, of blocks of these sizes from height 0 on. */
const chainOf = (sizes: ReadonlyArray<number>) =>
  Blockchain.layerTest({
    blocks: (from, to, limit) =>
      Effect.sync(() => {
        const blocks: Array<Uint8Array> = []
        let bytes = 0
        for (const size of sizes.slice(Number(from), Number(to) + 1)) {
          bytes += size
          if (blocks.length >= limit.count || (blocks.length > 0 && bytes > limit.bytes)) break
          blocks.push(new Uint8Array(size))
        }
        return blocks
      })
  })

const blocksSent = (request: RequestOf<"GetBlocks">, sizes: ReadonlyArray<number>, agent: "timed" | "timenode") =>
  Effect.map(answer(request, chainOf(sizes), connection({ agent })), ([sent]) => {
    const { byteLength, tag } = sent!.message as Wire.Encoded<Message>
    assert.strictEqual(tag, "BlocksResponse")
    return byteLength
  })

const getBlocks = (end: number): RequestOf<"GetBlocks"> => ({ _tag: "GetBlocks", start: height(0), end: height(end) })

const blockBytes = (limit: number, agent: "timed" | "timenode"): Check =>
  Effect.gen(function* () {
    assert.isAtLeast(yield* blocksSent(getBlocks(1), [1_000, limit - 1_000], agent), limit)
    assert.isBelow(yield* blocksSent(getBlocks(1), [1_000, limit - 999], agent), 2_000)
    assert.isAtLeast(yield* blocksSent(getBlocks(1), [limit + 1, 1], agent), limit)
  })

// --- deadlines and bans ---

const closedAfter = (milliseconds: number, remote: RemotePeer) =>
  Effect.gen(function* () {
    yield* TestClock.adjust(Duration.millis(milliseconds - 1))
    yield* settle
    assert.isFalse(remote.isClosed)
    // The registry looks after its connections in beats.
    yield* TestClock.adjust(Duration.millis(1 + Limits.SILENCE_INTERVAL))
    yield* settle
    assert.isTrue(remote.isClosed)
  })

const withGuard = <E>(program: (guard: PeerGuard["Service"]) => Effect.Effect<void, E>): Check =>
  Effect.flatMap(PeerGuard, program).pipe(Effect.provide(guarded, { local: true }))

const key = new SigningKey(new Uint8Array(32).fill(7) as Seed)

const masternodes = (count: number, padding = 0) =>
  Array.from({ length: count }, (_, index) => ({
    address: "203.0.113.1",
    rewardAddress: index === 0 ? "x".repeat(padding) : "",
    tier: "Free" as const,
    publicKey: key.publicKey
  }))

const spending = (inputs: number, padding = 0): Transaction => ({
  ...transaction(1),
  inputs: Array.from({ length: inputs }, (_, vout) => ({
    previousOutput: { txid: ZERO_HASH, vout },
    scriptSig: new Uint8Array(vout === 0 ? padding : 0),
    sequence: 0
  }))
})

/** Of a transaction whose inputs nobody knows, which is the next rule it breaks. */
const refusal = (transaction: Transaction) => {
  const verdict = validateTransaction(transaction, { network: testnet, coins: coinView(new Map()), signed: true })
  return Result.isFailure(verdict) ? verdict.failure : assert.fail("valid")
}

/** Messages that fill an inbox: whether the socket was paused for them. */
const pausedBy = (count: number, bytes: number): boolean => {
  let isPaused = false
  const valve = { pause: () => void (isPaused = true), resume: () => {} }
  const inbox = new Inbox(valve, {} as Turns, {} as Allowance)
  for (let index = 0; index < count; index++) inbox.put({ _tag: "GetPeers" }, bytes)
  return isPaused
}

const longMessage = (bytes: number): Message => {
  const bare = Wire.encode({ _tag: "Unsubscribe", id: "" }).byteLength
  return { _tag: "Unsubscribe", id: "x".repeat(bytes - bare) }
}

const checks: Readonly<Record<Exclude<LimitName, keyof typeof elsewhere>, Check>> = {
  LINE_BEFORE_HANDSHAKE: inNode(line(Limits.LINE_BEFORE_HANDSHAKE, ["", ""], (number) => dialIn(peer(number)))),
  LINE_UNASKED_BLOCK: unasked(Limits.LINE_UNASKED_BLOCK, "BlockAnnouncement"),
  LINE_UNASKED_TRANSACTION: unasked(Limits.LINE_UNASKED_TRANSACTION, "TransactionBroadcast"),
  LINE_UNASKED: unasked(Limits.LINE_UNASKED, "Subscribe"),
  LINE_BLOCKS: asked(Limits.LINE_BLOCKS, "PendingTransactionsResponse"),
  LINE_ANSWER: asked(Limits.LINE_ANSWER, "MasternodesResponse"),
  LINE_UTXO_SET: inNode(
    line(Limits.LINE_UTXO_SET, [`{"UTXOSetResponse":[`, "]}"], (number) =>
      Effect.gen(function* () {
        const { remote } = yield* joinOut(peer(number))
        const registry = yield* PeerRegistry
        yield* Effect.forkScoped(Effect.exit(registry.request(peer(number), { _tag: "GetUTXOSet" })))
        yield* settle
        return remote
      })
    )
  ),
  UNFINISHED_LINES_TOTAL: inNode(
    Effect.gen(function* () {
      const holders = Limits.UNFINISHED_LINES_TOTAL / Limits.LINE_UNASKED_BLOCK
      const unfinished = Buffer.alloc(Limits.LINE_UNASKED_BLOCK, " ")
      unfinished.write(`{"BlockAnnouncement":`)
      const remotes = yield* Effect.forEach(Array.from({ length: holders }), (_, index) => joinIn(peer(index + 1)))
      for (const remote of remotes) yield* remote.sendBytes(unfinished)
      const last = yield* joinIn(peer(100))
      yield* settle
      assert.isTrue(remotes.every(({ isClosed }) => !isClosed))
      // What is less than a page is not worth a budget's attention.
      yield* last.sendBytes(`{"BlockAnnouncement":${" ".repeat(5_000)}`)
      yield* settle
      assert.strictEqual(remotes.filter(({ isClosed }) => isClosed).length, 1)
      assert.isFalse(last.isClosed)
    })
  ),
  MASTERNODES_PER_ANSWER: Effect.sync(() => {
    const read = (count: number) => {
      const text = Buffer.concat(Wire.encode({ _tag: "MasternodesResponse", masternodes: masternodes(count) }).chunks)
      return Wire.decode(text, 0, text.length - 1)._tag
    }
    assert.strictEqual(read(Limits.MASTERNODES_PER_ANSWER), "MasternodesResponse")
    assert.strictEqual(read(Limits.MASTERNODES_PER_ANSWER + 1), "WireError")
  }),
  ADDRESSES_PER_INTAKE: Effect.gen(function* () {
    const book = yield* AddressBook
    const hearsay = Array.from({ length: Limits.ADDRESSES_PER_INTAKE - 1 }, () => "no address")
    yield* book.learn([...hearsay, "8.8.8.8", "9.9.9.9"], peer(1))
    assert.deepStrictEqual(
      (yield* book.all).map(({ peer }) => String(peer)),
      ["8.8.8.8"]
    )
  }).pipe(
    Effect.provide(
      MemoryAddressBook.layer.pipe(
        Layer.provide(Layer.merge(NodeConfig.layerTest({ discovery: true }), MasternodeRegistry.layerTest()))
      )
    )
  ),
  TRANSACTION_BYTES: Effect.sync(() => {
    // What the rule says of a transaction that is too large tells its size, and so which one is just not.
    const large = refusal(spending(1, Limits.TRANSACTION_BYTES))
    const size = large._tag === "TooLarge" && large.what === "bytes" ? large.size : assert.fail(large._tag)
    const fitting = 2 * Limits.TRANSACTION_BYTES - size
    assert.strictEqual(refusal(spending(1, fitting))._tag, "UnknownInput")
    assert.strictEqual(refusal(spending(1, fitting + 1))._tag, "TooLarge")
  }),
  TRANSACTION_INPUTS: Effect.sync(() => {
    assert.strictEqual(refusal(spending(Limits.TRANSACTION_INPUTS))._tag, "UnknownInput")
    assert.strictEqual(refusal(spending(Limits.TRANSACTION_INPUTS + 1))._tag, "TooLarge")
  }),
  BLOCKS_PER_ANSWER: Effect.gen(function* () {
    const sizes = Array.from({ length: Limits.BLOCKS_PER_ANSWER + 1 }, () => 10)
    const [all, more] = [
      yield* blocksSent(getBlocks(Limits.BLOCKS_PER_ANSWER - 1), sizes, "timenode"),
      yield* blocksSent(getBlocks(Limits.BLOCKS_PER_ANSWER), sizes, "timenode")
    ]
    assert.strictEqual(more, all)
    assert.isBelow(yield* blocksSent(getBlocks(Limits.BLOCKS_PER_ANSWER - 2), sizes, "timenode"), all)
  }),
  BLOCKS_ANSWER: blockBytes(Limits.BLOCKS_ANSWER, "timenode"),
  BLOCKS_ANSWER_TIMED: blockBytes(Limits.BLOCKS_ANSWER_TIMED, "timed"),
  UTXO_SET_ANSWER: cutShort(
    Limits.UTXO_SET_ANSWER,
    { _tag: "GetUTXOSet" },
    (message) => (message._tag === "UTXOSetResponse" ? message.utxos.length : -1),
    (padding) =>
      UtxoStore.layerTest({
        stream: Stream.fromIterable(
          [padding, 0].map((length, vout) => ({
            outpoint: { txid: ZERO_HASH, vout },
            value: satoshi(1n),
            scriptPubkey: new Uint8Array(0),
            address: "x".repeat(length)
          }))
        )
      }),
    1
  ),
  PENDING_TRANSACTIONS_ANSWER: cutShort(
    Limits.PENDING_TRANSACTIONS_ANSWER,
    { _tag: "GetPendingTransactions" },
    (message) => (message._tag === "PendingTransactionsResponse" ? message.transactions.length : -1),
    (padding) =>
      Mempool.layerTest({
        // The first byte of a list has no comma.
        pending: Effect.succeed(
          [padding + 1, 0].map((length) => ({
            txid: ZERO_HASH,
            fee: 0n,
            transaction: spending(1, length),
            phase: { _tag: "Locked" as const, at: 0n },
            arrivedAt: 0n,
            electorate: null
          }))
        )
      }),
    2
  ),
  MASTERNODES_ANSWER: cutShort(
    Limits.MASTERNODES_ANSWER,
    { _tag: "GetMasternodes" },
    (message) => (message._tag === "MasternodesResponse" ? message.masternodes.length : -1),
    (padding) =>
      MasternodeRegistry.layerTest({
        list: Effect.succeed(masternodes(2, padding).map((record) => knownMasternode(peer(1), record)))
      }),
    1
  ),
  PEERS_PER_ANSWER: Effect.gen(function* () {
    const told = (known: number) =>
      Effect.map(
        answer(
          { _tag: "GetPeers" },
          AddressBook.layerTest({
            sample: (count) =>
              Effect.succeed(Array.from({ length: Math.min(count, known) }, () => ({ peer: peer(1), port: 1 })))
          })
        ),
        (sent) => onlyAnswer(sent, "PeersResponse").addresses.length
      )
    assert.strictEqual(yield* told(Limits.PEERS_PER_ANSWER), Limits.PEERS_PER_ANSWER)
    assert.strictEqual(yield* told(Limits.PEERS_PER_ANSWER + 1), Limits.PEERS_PER_ANSWER)
  }),
  OUTPOINTS_PER_QUERY: Effect.gen(function* () {
    const states = UtxoStore.layerTest({
      states: (outpoints) =>
        Effect.succeed(outpoints.map((outpoint) => ({ outpoint, state: { _tag: "Unspent" as const } })))
    })
    const told = (length: number) =>
      Effect.map(
        answer(
          { _tag: "UTXOStateQuery", outpoints: Array.from({ length }, () => ({ txid: ZERO_HASH, vout: 0 })) },
          states
        ),
        (sent) => onlyAnswer(sent, "UTXOStateResponse").states.length
      )
    assert.strictEqual(yield* told(Limits.OUTPOINTS_PER_QUERY), Limits.OUTPOINTS_PER_QUERY)
    assert.strictEqual(yield* told(Limits.OUTPOINTS_PER_QUERY + 1), Limits.OUTPOINTS_PER_QUERY)
  }),
  OUTBOUND_PER_PEER: inRegistry(
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { remote } = yield* inbound(1)
      yield* remote.stopReading
      const toSkip = { sent: 0, skipped: 1 }
      assert.strictEqual((yield* registry.broadcast(longMessage(Limits.OUTBOUND_PER_PEER))).sent, 1)
      assert.strictEqual((yield* registry.broadcast(longMessage(64))).sent, 1)
      assert.deepStrictEqual(yield* registry.broadcast(longMessage(64)), toSkip)
    })
  ),
  OUTBOUND_TOTAL: inRegistry(
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const count = Limits.OUTBOUND_TOTAL / Limits.OUTBOUND_PER_PEER
      const links = yield* Effect.forEach(Array.from({ length: count }), (_, index) => inbound(index + 1))
      for (const { remote } of links) yield* remote.stopReading
      yield* registry.broadcast(longMessage(Limits.OUTBOUND_PER_PEER))
      assert.strictEqual((yield* registry.peers).length, count)
      yield* registry.send(links[3]!.connection.peer, ping(1n))
      const left = yield* registry.peers
      assert.strictEqual(left.length, count - 1)
      assert.isFalse(left.some(({ peer }) => peer === links[3]!.connection.peer))
    })
  ),
  INBOUND_QUEUE: Effect.sync(() => {
    assert.isFalse(pausedBy(Limits.INBOUND_QUEUE - 1, 10))
    assert.isTrue(pausedBy(Limits.INBOUND_QUEUE, 10))
  }),
  INBOUND_QUEUE_BYTES: Effect.sync(() => {
    assert.isFalse(pausedBy(1, Limits.INBOUND_QUEUE_BYTES - 1))
    assert.isTrue(pausedBy(2, Limits.INBOUND_QUEUE_BYTES / 2))
  }),
  PENDING_REQUESTS_PER_PEER: inRegistry(
    Effect.gen(function* () {
      const registry = yield* PeerRegistry
      const { connection } = yield* inbound(1)
      for (let nonce = 0; nonce < Limits.PENDING_REQUESTS_PER_PEER; nonce++) {
        yield* Effect.forkScoped(Effect.exit(registry.request(connection.peer, ping(BigInt(nonce)))), {
          startImmediately: true
        })
      }
      assert.strictEqual((yield* registry.peers)[0]?.pendingRequests, Limits.PENDING_REQUESTS_PER_PEER)
      const once = { timeout: Duration.seconds(1) }
      const refused = yield* Effect.flip(registry.request(connection.peer, ping(1_000n), once))
      assert.strictEqual(refused.reason._tag, "SendQueueFull")
    })
  ),
  HANDSHAKE_TIMEOUT: inNode(Effect.flatMap(dialIn(peer(1)), (remote) => closedAfter(Limits.HANDSHAKE_TIMEOUT, remote))),
  IDLE_TIMEOUT: inRegistry(Effect.flatMap(inbound(1), ({ remote }) => closedAfter(Limits.IDLE_TIMEOUT, remote))),
  DRAIN_TIMEOUT: inRegistry(
    Effect.gen(function* () {
      const { connection, remote } = yield* inbound(1)
      yield* remote.stopReading
      yield* connection.write(longMessage(1_000))
      const registry = yield* PeerRegistry
      yield* TestClock.adjust(Duration.millis(Limits.DRAIN_TIMEOUT - Limits.SWEEP_INTERVAL))
      assert.strictEqual((yield* registry.peers).length, 1)
      yield* TestClock.adjust(Duration.millis(2 * Limits.SWEEP_INTERVAL))
      assert.strictEqual(yield* connection.closed, "notDraining")
    })
  ),
  OUTBOUND_SLOTS: inNode(
    Effect.gen(function* () {
      const slots = Limits.OUTBOUND_SLOTS + Limits.FEELER_SLOTS
      for (let number = 1; number <= slots; number++) yield* joinOut(peer(number))
      assert.strictEqual((yield* (yield* PeerRegistry).peers).length, slots)
      const { session } = yield* dialOut(peer(100))
      assert.strictEqual((yield* Fiber.join(session)).reason, "tooManyPeers")
    })
  ),
  PENDING_HANDSHAKES_PER_PEER: inNode(
    Effect.gen(function* () {
      const pending: Array<RemotePeer> = []
      for (let time = 0; time <= Limits.PENDING_HANDSHAKES_PER_PEER; time++) {
        pending.push(yield* dialIn(peer(1)))
        yield* settle
      }
      assert.deepStrictEqual(
        pending.map(({ isClosed }) => isClosed),
        pending.map((_, index) => index === Limits.PENDING_HANDSHAKES_PER_PEER)
      )
    })
  ),
  CONNECTIONS_PER_IP: inNode(
    Effect.gen(function* () {
      const first = yield* joinIn(peer(1))
      const second = yield* joinIn(peer(1))
      assert.deepStrictEqual([first.isClosed, second.isClosed], [false, true])
      assert.strictEqual((yield* (yield* PeerRegistry).peers).length, Limits.CONNECTIONS_PER_IP)
    })
  ),
  PEER_COST_RATE: withGuard((guard) =>
    Effect.gen(function* () {
      guard.spend(peer(1), Limits.PEER_COST_BURST)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(guard.spend(peer(1), Limits.PEER_COST_RATE + 1), "beyond")
      assert.strictEqual(guard.spend(peer(1), Limits.PEER_COST_RATE), "within")
    })
  ),
  PEER_COST_BURST: withGuard((guard) =>
    Effect.sync(() => {
      for (let cost = 0; cost < Limits.PEER_COST_BURST; cost += Limits.TURN_COST) {
        assert.strictEqual(guard.spend(peer(1), Limits.TURN_COST), "within")
      }
      assert.strictEqual(guard.spend(peer(1), 1), "beyond")
    })
  ),
  TURN_COST: inNode(
    Effect.gen(function* () {
      const remote = yield* joinIn(peer(1))
      const turns: Array<number> = []
      yield* remote.sendBytes(Buffer.concat(Array.from({ length: 900 }, () => Wire.encode(GET_HEIGHT).chunks[0]!)))
      const answered = () => heard(remote, "BlockHeightResponse").length
      for (let before = answered(); before < 900;) {
        yield* Effect.yieldNow
        turns.push(answered() - before)
        before = answered()
      }
      assert.strictEqual(Math.max(...turns), Limits.TURN_COST / Exchange.GetBlockHeight.cost)
    })
  ),
  BAN_SCORE: withGuard((guard) =>
    Effect.gen(function* () {
      for (let points = 1; points < Limits.BAN_SCORE; points++) {
        assert.strictEqual(yield* guard.report(peer(1), "malformedLine"), "tolerated")
      }
      assert.strictEqual(yield* guard.report(peer(1), "malformedLine"), "banned")
    })
  ),
  BAN_SCORE_HALF_LIFE: withGuard((guard) =>
    Effect.gen(function* () {
      yield* guard.report(peer(1), "malformedLine")
      yield* TestClock.adjust(Duration.millis(Limits.BAN_SCORE_HALF_LIFE - 1))
      assert.isAbove(yield* guard.score(peer(1)), 0.5)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* guard.score(peer(1)), 0.5)
    })
  ),
  BAN_DURATION: withGuard((guard) =>
    Effect.gen(function* () {
      for (let time = 0; time < 2; time++) yield* guard.report(peer(1), "invalidBlock")
      yield* TestClock.adjust(Duration.millis(Limits.BAN_DURATION - 1))
      assert.isTrue(yield* guard.isBanned(peer(1)))
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* guard.isBanned(peer(1)))
    })
  ),
  // That `setban` bans for so long is shown by test/rpc/Bans.test.ts.
  MANUAL_BAN_DURATION: withGuard((guard) =>
    Effect.gen(function* () {
      yield* guard.ban(peer(1), Limits.MANUAL_BAN_DURATION)
      yield* TestClock.adjust(Duration.millis(Limits.MANUAL_BAN_DURATION - 1))
      assert.isTrue(yield* guard.isBanned(peer(1)))
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* guard.isBanned(peer(1)))
    })
  )
}

const GET_HEIGHT: Message = { _tag: "GetBlockHeight" }

describe("a peer at its limit, and one beyond", () => {
  for (const [name, check] of Object.entries(checks)) it.effect(name, () => Effect.scoped(check))

  it("has a check for every limit", () => {
    assert.sameMembers([...Object.keys(checks), ...Object.keys(elsewhere)], [...limitNames])
  })
})
