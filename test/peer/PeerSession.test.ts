import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import { type Seed, SigningKey } from "../../src/protocol/Ed25519.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { sha256, toHex, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height, type Height } from "../../src/protocol/Height.ts"
import { signHeartbeat } from "../../src/protocol/Heartbeat.ts"
import type { MasternodeRecord } from "../../src/protocol/Masternode.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import { AddressBook } from "../../src/services/AddressBook.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import type { Offence } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { Sync } from "../../src/services/Sync.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { peer, transaction } from "./Fixture.ts"
import { ack, dialOut, guard, handshake, heard, joinIn, joinOut, node, settle, tags, version, wait } from "./Session.ts"

const key = new SigningKey(new Uint8Array(32).fill(7) as Seed)
const record: MasternodeRecord = { address: peer(200), rewardAddress: "TIME0x", tier: "Gold", publicKey: key.publicKey }
const asMasternode = MasternodeRegistry.layerTest({ own: Effect.succeed(record) })

/** Before the node starts: a running one has much to do in fifty years. */
const startingAt =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.andThen(TestClock.setTime(millis), effect)

const peers = Effect.flatMap(PeerRegistry, (registry) => registry.peers)

describe("the opening", () => {
  it.effect("towards a peer that dialled us: Ack, GetPeers, Version, then pings, and no more questions", () =>
    Effect.gen(function* () {
      const remote = yield* joinIn()
      assert.deepStrictEqual(tags(remote), ["Ack", "GetPeers", "Version", "Ping"])
      yield* wait("119 seconds")
      // Each ping goes unanswered here, which does not end the connection while the peer says anything at all.
      assert.isTrue(tags(remote, 4).every((tag) => tag === "Ping"))
    }).pipe(Effect.provide(node()))
  )

  it.effect("towards a peer that we dialled: Version first, then the order of timed", () =>
    Effect.gen(function* () {
      const { remote } = yield* joinOut()
      assert.deepStrictEqual(tags(remote), [
        "Handshake",
        "Version",
        "GetBlockHeight",
        "GetPendingTransactions",
        "GetMasternodes",
        "GetPeers",
        "GetBlockHash",
        "Ping",
        "GetBlockHeight",
        "GetUTXOStateHash"
      ])
      assert.deepStrictEqual(heard(remote, "GetBlockHash")[0]?.height, 0n)
    }).pipe(Effect.provide(node()))
  )

  it.effect("of a masternode announces it at once, again when it is heard, and every minute", () =>
    Effect.gen(function* () {
      const { remote } = yield* joinOut()
      assert.deepStrictEqual(tags(remote), [
        "Handshake",
        "Version",
        "MasternodeAnnouncement",
        "GetBlockHeight",
        "GetPendingTransactions",
        "GetMasternodes",
        "GetPeers",
        "GetBlockHash",
        "Ping",
        "GetBlockHeight",
        "GetUTXOStateHash"
      ])
      assert.deepStrictEqual(heard(remote, "MasternodeAnnouncement")[0], { _tag: "MasternodeAnnouncement", ...record })
      const counts: Array<number> = []
      for (const seconds of [5, 1, 59, 1] as const) {
        yield* wait(`${seconds} seconds`)
        counts.push(heard(remote, "MasternodeAnnouncement").length)
      }
      assert.deepStrictEqual(counts, [1, 2, 2, 3])
    }).pipe(Effect.provide(node(asMasternode)))
  )

  it.effect("of a masternode announces it at once to a peer that dialled us, and every minute", () =>
    Effect.gen(function* () {
      const remote = yield* joinIn()
      assert.deepStrictEqual(tags(remote), ["Ack", "GetPeers", "Version", "MasternodeAnnouncement", "Ping"])
      yield* wait("59 seconds")
      assert.strictEqual(heard(remote, "MasternodeAnnouncement").length, 1)
      yield* wait("1 seconds")
      assert.strictEqual(heard(remote, "MasternodeAnnouncement").length, 2)
    }).pipe(Effect.provide(node(asMasternode)))
  )

  it.effect("says once who we are: version, node id, genesis, time", () =>
    Effect.gen(function* () {
      const remote = yield* joinIn()
      const { remote: dialled } = yield* joinOut()
      const said = heard(remote, "Version")
      assert.strictEqual(said.length, 1)
      assert.deepStrictEqual(said[0], {
        _tag: "Version",
        version: "0.0.0-test",
        commitDate: "",
        commitCount: "",
        protocolVersion: 1,
        network: "Testnet",
        listenAddr: "203.0.113.200",
        timestamp: 1_700_000_000n,
        capabilities: ["timenode/1", "id:00000000000000000000000000000001"],
        walletAddress: null,
        genesisHash: toHex(genesis(testnet).hash)
      })
      assert.deepStrictEqual(heard(dialled, "Version"), said)
    }).pipe(Effect.provide(node(NodeIdentity.layerTest({ externalAddress: peer(200) }))), startingAt(1_700_000_000_500))
  )

  it.effect("handles lines that came before the acknowledgement once it has come", () => {
    const submitted: Array<Transaction> = []
    const pool = Mempool.layerTest({
      submit: (transaction) =>
        Effect.sync(() => {
          submitted.push(transaction)
          return "accepted" as const
        })
    })
    return Effect.gen(function* () {
      const { remote } = yield* dialOut()
      yield* remote.send({ _tag: "TransactionBroadcast", transaction: transaction(1) })
      yield* remote.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.deepStrictEqual([submitted, tags(remote)], [[], ["Handshake"]])
      yield* remote.send(ack)
      yield* settle
      assert.deepStrictEqual(submitted, [transaction(1)])
      assert.strictEqual(heard(remote, "BlockHeightResponse").length, 1)
    }).pipe(Effect.provide(node(pool)))
  })
})

describe("what a peer that we dialled is asked", () => {
  it.effect("its transactions go to the pool, its masternodes to the registry and the address book, as hearsay", () => {
    const submitted: Array<Transaction> = []
    const hinted: Array<MasternodeRecord> = []
    const learned: Array<readonly [ReadonlyArray<string>, PeerId]> = []
    const services = Layer.mergeAll(
      Mempool.layerTest({
        submit: (transaction) =>
          Effect.sync(() => {
            submitted.push(transaction)
            return "accepted" as const
          })
      }),
      MasternodeRegistry.layerTest({
        announce: () => Effect.die("nobody announced itself"),
        hint: (records) => Effect.sync(() => hinted.push(...records))
      }),
      AddressBook.layerTest({
        learn: (texts, from) =>
          Effect.sync(() => {
            learned.push([texts, from])
            return 0
          })
      })
    )
    return Effect.gen(function* () {
      const { remote } = yield* joinOut()
      yield* remote.send({ _tag: "PendingTransactionsResponse", transactions: [transaction(1), transaction(2)] })
      yield* remote.send({ _tag: "MasternodesResponse", masternodes: [{ ...record, address: "198.51.100.4" }] })
      yield* remote.send({ _tag: "PeersResponse", addresses: ["198.51.100.5"] })
      yield* settle
      assert.deepStrictEqual(submitted, [transaction(1), transaction(2)])
      assert.deepStrictEqual(
        hinted.map(({ address }) => address),
        ["198.51.100.4"]
      )
      assert.deepStrictEqual(learned.toSorted(), [
        [["198.51.100.4"], peer(2)],
        [["198.51.100.5"], peer(2)]
      ])
    }).pipe(Effect.provide(node(services)))
  })

  it.effect("its height every minute, which Sync is told", () => {
    const reports: Array<readonly [PeerId, Height]> = []
    const sync = Sync.layerTest({ report: (from, at) => Effect.sync(() => void reports.push([from, at])) })
    return Effect.gen(function* () {
      const { remote } = yield* joinOut()
      assert.strictEqual(heard(remote, "GetBlockHeight").length, 2)
      yield* remote.send({ _tag: "BlockHeightResponse", height: height(5) })
      yield* remote.send({ _tag: "BlockHeightResponse", height: height(5) })
      yield* settle
      yield* wait("59 seconds")
      yield* remote.send({ _tag: "Pong", nonce: heard(remote, "Ping").at(-1)!.nonce, timestamp: 0n })
      assert.strictEqual(heard(remote, "GetBlockHeight").length, 2)
      yield* wait("1 seconds")
      assert.strictEqual(heard(remote, "GetBlockHeight").length, 3)
      assert.strictEqual(heard(remote, "GetUTXOStateHash").length, 2)
      yield* remote.send({ _tag: "BlockHeightResponse", height: height(6) })
      yield* settle
      assert.deepStrictEqual(reports, [
        [peer(2), height(5)],
        [peer(2), height(5)],
        [peer(2), height(6)]
      ])
    }).pipe(Effect.provide(node(sync)))
  })

  it.effect("another genesis ends it: it is a peer of another network", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* joinOut()
      yield* remote.send({ _tag: "BlockHashResponse", height: height(0), hash: sha256(Uint8Array.of(1)) })
      yield* settle
      assert.isTrue(remote.isClosed)
      const { established, reason } = yield* Fiber.join(session)
      assert.deepStrictEqual([established, reason], [true, "wrongGenesis"])
    }).pipe(Effect.provide(node()))
  )

  it.effect("the same genesis, none, or silence about it do not", () =>
    Effect.gen(function* () {
      const same = yield* joinOut(peer(2))
      yield* same.remote.send({ _tag: "BlockHashResponse", height: height(0), hash: genesis(testnet).hash })
      const none = yield* joinOut(peer(3))
      yield* none.remote.send({ _tag: "BlockHashResponse", height: height(0), hash: null })
      const quiet = yield* joinOut(peer(4))
      yield* wait("20 seconds")
      assert.deepStrictEqual(
        [same, none, quiet].map(({ remote }) => remote.isClosed),
        [false, false, false]
      )
    }).pipe(Effect.provide(node()))
  )

  it.effect("another UTXO set at the same height is worth a warning, and never the download of the peer's set", () => {
    const warnings: Array<string> = []
    const logger = Logger.layer([
      Logger.make(({ logLevel, message }) => void (logLevel === "Warn" && warnings.push(String(message))))
    ])
    const hash = sha256(Uint8Array.of(1))
    const coins = UtxoStore.layerTest({ summary: Effect.succeed({ height: height(5), hash, count: 1n }) })
    const theirs = (at: number, hash: typeof ZERO_HASH): Message => ({
      _tag: "UTXOStateHashResponse",
      height: height(at),
      hash,
      utxoCount: 1n
    })
    return Effect.gen(function* () {
      for (const [index, answer] of [theirs(5, hash), theirs(4, ZERO_HASH)].entries()) {
        const { remote } = yield* joinOut(peer(index + 2))
        yield* remote.send(answer)
        yield* settle
      }
      assert.deepStrictEqual(warnings, [])
      const { remote } = yield* joinOut(peer(9))
      yield* remote.send(theirs(5, ZERO_HASH))
      yield* settle
      assert.deepStrictEqual(warnings, ["UTXO set differs from that of 203.0.113.9 at height 5"])
      assert.strictEqual(heard(remote, "GetUTXOSet").length, 0)
    }).pipe(Effect.provide(node(coins)), Effect.provide(logger))
  })
})

describe("signs of life", () => {
  it.effect("each side is pinged every 30 seconds, with another nonce each time", () =>
    Effect.gen(function* () {
      const inbound = yield* joinIn()
      const { remote: outbound } = yield* joinOut()
      for (let round = 1; round <= 4; round++) {
        for (const remote of [inbound, outbound]) {
          const pings = heard(remote, "Ping")
          assert.strictEqual(pings.length, round)
          yield* remote.send({ _tag: "Pong", nonce: pings.at(-1)!.nonce, timestamp: 0n })
        }
        yield* settle
        yield* wait("29999 millis")
        assert.strictEqual(heard(inbound, "Ping").length, round)
        yield* wait("1 millis")
      }
      const nonces = [...heard(inbound, "Ping"), ...heard(outbound, "Ping")].map(({ nonce }) => nonce)
      assert.strictEqual(new Set(nonces).size, nonces.length)
      // A u64, and not one that a double could hold by chance each time.
      assert.isTrue(nonces.some((nonce) => nonce > 2n ** 53n))
    }).pipe(Effect.provide(node()))
  )

  it.effect("a pong is the round trip of its ping; another nonce is nothing", () =>
    Effect.gen(function* () {
      const remote = yield* joinIn()
      const [ping] = heard(remote, "Ping")
      yield* wait("40 millis")
      yield* remote.send({ _tag: "Pong", nonce: ping!.nonce ^ 1n, timestamp: 0n })
      yield* settle
      assert.strictEqual((yield* peers)[0]!.ping, null)
      yield* wait("2 millis")
      yield* remote.send({ _tag: "Pong", nonce: ping!.nonce, timestamp: 0n })
      yield* settle
      assert.strictEqual((yield* peers)[0]!.ping, 42)
    }).pipe(Effect.provide(node()))
  )

  it.effect("a peer that says nothing at all is given up with its third ping", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* joinOut()
      yield* wait("79999 millis")
      assert.isFalse(remote.isClosed)
      yield* wait("1 millis")
      assert.isTrue(remote.isClosed)
      assert.strictEqual((yield* Fiber.join(session)).reason, "unresponsive")
    }).pipe(Effect.provide(node()))
  )

  it.effect("a peer that never answers but says something once a minute is kept, whenever it says it", () =>
    Effect.gen(function* () {
      const heartbeat: Message = {
        _tag: "HeartbeatBroadcast",
        heartbeat: signHeartbeat({ masternodeAddress: "1.2.3.4", sequenceNumber: 1n, timestamp: 0n }, key)
      }
      const remotes = [yield* joinOut(peer(2)), yield* joinOut(peer(3)), yield* joinOut(peer(4))] as const
      for (let minute = 0; minute < 10; minute++) {
        yield* wait("25 seconds")
        yield* remotes[0].remote.send(heartbeat)
        yield* wait("15 seconds")
        yield* remotes[1].remote.send(heartbeat)
        yield* wait("19 seconds")
        yield* remotes[2].remote.send(heartbeat)
        yield* wait("1 seconds")
      }
      assert.deepStrictEqual(
        remotes.map(({ remote }) => remote.isClosed),
        [false, false, false]
      )
    }).pipe(Effect.provide(node()))
  )
})

describe("what a peer says", () => {
  it.effect("is handled in order, whatever had to be waited for", () => {
    const coins = UtxoStore.layerTest({
      summary: Effect.delay(Effect.succeed({ height: height(1), hash: ZERO_HASH, count: 0n }), "3 seconds")
    })
    return Effect.gen(function* () {
      const remote = yield* joinIn()
      const from = remote.received.length
      for (const tag of ["GetBlockHeight", "GetUTXOStateHash", "GetPeers", "GetGenesisHash"] as const) {
        yield* remote.send({ _tag: tag })
      }
      yield* settle
      assert.deepStrictEqual(tags(remote, from), ["BlockHeightResponse"])
      yield* wait("3 seconds")
      assert.deepStrictEqual(tags(remote, from), [
        "BlockHeightResponse",
        "UTXOStateHashResponse",
        "PeersResponse",
        "GenesisHashResponse"
      ])
    }).pipe(Effect.provide(node(coins)))
  })

  it.effect("holds up no other peer", () => {
    const coins = UtxoStore.layerTest({ summary: Effect.never })
    return Effect.gen(function* () {
      const stuck = yield* joinIn(peer(1))
      const other = yield* joinIn(peer(2))
      yield* stuck.send({ _tag: "GetUTXOStateHash" })
      yield* stuck.send({ _tag: "GetBlockHeight" })
      yield* other.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.deepStrictEqual(
        [stuck, other].map((remote) => heard(remote, "BlockHeightResponse").length),
        [0, 1]
      )
    }).pipe(Effect.provide(node(coins)))
  })

  it.effect("another handshake is nothing, whatever it says", () =>
    Effect.gen(function* () {
      const remote = yield* joinIn()
      const from = remote.received.length
      yield* remote.send(handshake)
      yield* remote.send({ _tag: "Handshake", magic: Uint8Array.of(0, 0, 0, 0), protocolVersion: 9, network: "" })
      yield* remote.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.deepStrictEqual(tags(remote, from), ["BlockHeightResponse"])
    }).pipe(Effect.provide(node()))
  )

  it.effect("a line that is no message is an offence of who dialled us; at the ban the connection ends", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const remote = yield* joinIn()
      yield* remote.sendBytes('{"Ping":{"nonce":1.0,"timestamp":0}}\n')
      yield* remote.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.deepStrictEqual(offences, [[peer(1), "malformedLine"]])
      assert.strictEqual(heard(remote, "BlockHeightResponse").length, 1)
      yield* remote.sendBytes("\n")
      yield* settle
      assert.isTrue(remote.isClosed)
      assert.deepStrictEqual(yield* peers, [])
    }).pipe(Effect.provide(node(guard(offences, 2))))
  })

  it.effect("that it is a masternode counts from the sixth second on", () => {
    const announced: Array<PeerId> = []
    const masternodes = MasternodeRegistry.layerTest({
      announce: (from) =>
        Effect.sync(() => {
          announced.push(from)
          return "new" as const
        })
    })
    return Effect.gen(function* () {
      const remote = yield* joinIn()
      yield* remote.send({ _tag: "MasternodeAnnouncement", ...record })
      yield* wait("4999 millis")
      yield* remote.send({ _tag: "MasternodeAnnouncement", ...record })
      yield* settle
      assert.deepStrictEqual(announced, [])
      yield* wait("1 millis")
      yield* remote.send({ _tag: "MasternodeAnnouncement", ...record })
      yield* settle
      assert.deepStrictEqual(announced, [peer(1)])
    }).pipe(Effect.provide(node(masternodes)), startingAt(1_700_000_000_000))
  })

  it.effect("that it is a timenode makes it one that is asked, though it dialled us", () => {
    const considered: Array<PeerId> = []
    const sync = Sync.layerTest({ consider: (from) => Effect.sync(() => void considered.push(from)) })
    return Effect.gen(function* () {
      const remote = yield* joinIn()
      assert.strictEqual((yield* peers)[0]!.agent, "timed")
      yield* remote.send(version("42"))
      yield* settle
      const info = (yield* peers)[0]!
      assert.deepStrictEqual([info.agent, info.capabilities], ["timenode", ["timenode/1", "id:42"]])
      assert.deepStrictEqual(considered, [peer(1)])
      yield* remote.send({ _tag: "Pong", nonce: heard(remote, "Ping")[0]!.nonce, timestamp: 0n })
      yield* wait("60 seconds")
      assert.strictEqual(heard(remote, "GetBlockHeight").length, 1)
      assert.strictEqual(heard(remote, "GetUTXOStateHash").length, 1)
    }).pipe(Effect.provide(node(sync)))
  })

  it.effect("that it is ourselves ends the connection, in either direction", () =>
    Effect.gen(function* () {
      const own = (yield* NodeIdentity).nodeId
      const inbound = yield* joinIn()
      yield* inbound.send(version(own))
      const { remote, session } = yield* joinOut()
      yield* remote.send(version(own))
      yield* settle
      assert.deepStrictEqual([inbound.isClosed, remote.isClosed], [true, true])
      assert.strictEqual((yield* Fiber.join(session)).reason, "connectedToSelf")
      assert.deepStrictEqual(yield* peers, [])
    }).pipe(Effect.provide(node()))
  )
})

describe("the end of a session", () => {
  it.effect("closes the connection when the session is interrupted, and leaves no half of it", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* joinOut()
      yield* Fiber.interrupt(session)
      yield* settle
      assert.isTrue(remote.isClosed)
      assert.deepStrictEqual(yield* peers, [])
    }).pipe(Effect.provide(node()))
  )

  it.effect("is noticed when the peer hangs up, and what it said before is handled", () => {
    const submitted: Array<Transaction> = []
    const pool = Mempool.layerTest({
      submit: (transaction) =>
        Effect.sync(() => {
          submitted.push(transaction)
          return "accepted" as const
        })
    })
    return Effect.gen(function* () {
      const { remote, session } = yield* joinOut()
      yield* remote.send({ _tag: "TransactionBroadcast", transaction: transaction(1) })
      yield* remote.close
      yield* settle
      const { established, reason } = yield* Fiber.join(session)
      assert.deepStrictEqual([established, reason], [true, "remoteClosed"])
      assert.deepStrictEqual(submitted, [transaction(1)])
    }).pipe(Effect.provide(node(pool)))
  })

  it.effect("a fault of this node in one session closes that one and no other", () => {
    const broken = Blockchain.layerTest({
      hashAt: () => {
        throw new Error("a fault")
      }
    })
    return Effect.gen(function* () {
      const unlucky = yield* joinIn(peer(1))
      const other = yield* joinIn(peer(2))
      yield* unlucky.send({ _tag: "GetBlockHash", height: height(0) })
      yield* settle
      assert.deepStrictEqual([unlucky.isClosed, other.isClosed], [true, false])
      yield* other.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.strictEqual(heard(other, "BlockHeightResponse").length, 1)
      const again = yield* joinIn(peer(1))
      assert.deepStrictEqual(again.received[0], ack)
    }).pipe(Effect.provide(node(broken)))
  })

  it.effect("a fault of this node is told to who dialled, so that it can dial again", () => {
    const broken = Blockchain.layerTest({
      tip: () => {
        throw new Error("a fault")
      }
    })
    return Effect.gen(function* () {
      const { remote, session } = yield* joinOut()
      yield* remote.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.strictEqual((yield* Fiber.join(session)).reason, "internalError")
      assert.isTrue(remote.isClosed)
    }).pipe(Effect.provide(node(broken)))
  })

  it.effect("lets the peer come again", () =>
    Effect.gen(function* () {
      for (let time = 0; time < 3; time++) {
        const remote = yield* joinIn()
        assert.deepStrictEqual(remote.received[0], ack)
        yield* remote.close
        yield* settle
        assert.deepStrictEqual(yield* peers, [])
      }
    }).pipe(Effect.provide(node()))
  )
})
