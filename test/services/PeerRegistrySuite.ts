/**
 * What every PeerRegistry must do, whatever carries the bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, References, Result, Scope, Stream } from "effect"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { InlineAnswers } from "../../src/services/InlineAnswers.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { type PeerConnection, PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import type { RegistryUnderTest } from "../support/ScriptedPeers.ts"
import { ScriptedPeers } from "../support/ScriptedPeers.ts"
import { accepted, ack, admit, handshake, inbound, outbound, ping, pong, version } from "../support/Sessions.ts"

/** Runs the contract. On a virtual clock, `it` is `it.effect`; over real sockets `it.live`. */
export const suite = (
  name: string,
  layer: Layer.Layer<RegistryUnderTest, unknown, NodeConfig | NodeIdentity | PeerGuard>,
  run: typeof it.effect | typeof it.live
): void => {
  const environment = layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        NodeConfig.layerTest({ maxPeers: 3 }),
        NodeIdentity.layerTest(),
        Layer.succeed(References.MinimumLogLevel, "Error"),
        PeerGuard.layerTest({ isBanned: (peer) => Effect.succeed(peer.endsWith(".66")) })
      )
    )
  )
  const test = <A, E>(
    text: string,
    program: Effect.Effect<A, E, RegistryUnderTest | Scope.Scope>,
    inline: typeof InlineAnswers.defaultValue extends () => infer I ? I : never = () => undefined
  ) =>
    run(text, () =>
      program.pipe(
        Effect.provide(environment.pipe(Layer.provide(Layer.succeed(InlineAnswers, inline))), { local: true }),
        Effect.scoped
      )
    )

  describe(name, () => {
    test(
      "lists a peer from its handshake until its session ends",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const scope = yield* Scope.make()
        const { remote, connection } = yield* Scope.provide(inbound(7), scope)
        const [info] = yield* registry.peers
        assert.strictEqual(info?.peer, (yield* ScriptedPeers).id(7))
        assert.strictEqual(info?.direction, "inbound")
        assert.strictEqual(info?.agent, "timed")
        assert.strictEqual(info?.generation, connection.generation)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* registry.peers, [])
        yield* remote.closed
      })
    )

    test(
      "does not list, address or tell gossip to a connection before its handshake is done",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const peers = yield* ScriptedPeers
        const remote = yield* peers.dial(7)
        const connection = yield* accepted
        assert.deepStrictEqual(yield* registry.peers, [])
        assert.deepStrictEqual(yield* registry.broadcast(ping(1n)), { sent: 0, skipped: 0 })
        assert.strictEqual((yield* Effect.flip(registry.send(peers.id(7), ping(1n)))).reason._tag, "PeerNotConnected")
        yield* connection.close("handshakeTimeout")
        yield* remote.closed
        assert.deepStrictEqual(remote.received, [])
      })
    )

    test(
      "tells who came and who went, in order",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const events = yield* Effect.forkChild(
          registry.events.pipe(
            Stream.take(4),
            Stream.map((event) => (event._tag === "Disconnected" ? event.reason : event._tag)),
            Stream.runCollect
          ),
          { startImmediately: true }
        )
        const first = yield* inbound(7)
        const second = yield* inbound(8)
        yield* registry.disconnect(first.connection.peer, "requested")
        yield* second.remote.close
        yield* second.connection.closed
        assert.deepStrictEqual(yield* Fiber.join(events), ["Connected", "Connected", "requested", "remoteClosed"])
      })
    )

    test(
      "asks a peer that it dialled and gets the answer, past gossip",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* outbound(7)
        const asking = yield* Effect.forkChild(registry.request(connection.peer, { _tag: "GetBlockHeight" }))
        yield* remote.expect("GetBlockHeight")
        yield* remote.send(GOSSIP)
        yield* remote.send({ _tag: "BlockHeightResponse", height: height(2281n) })
        assert.strictEqual((yield* Fiber.join(asking)).height, 2281n)
        assert.deepStrictEqual(yield* connection.take, [GOSSIP])
      })
    )

    test(
      "gives each of many requests its own answer",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* inbound(7)
        const nonces = Array.from({ length: 100 }, (_, index) => 0xffff_ffff_ffff_ffffn - BigInt(index))
        const asking = yield* Effect.forkChild(
          Effect.forEach(nonces, (nonce) => registry.request(connection.peer, ping(nonce)), {
            concurrency: "unbounded"
          })
        )
        yield* Effect.forEach(nonces, () =>
          Effect.flatMap(remote.expect("Ping"), ({ nonce }) => remote.send(pong(nonce)))
        )
        assert.deepStrictEqual(
          (yield* Fiber.join(asking)).map(({ nonce }) => nonce),
          nonces
        )
      })
    )

    test(
      "does not ask what that kind of peer never answers on its side of a link",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const connections = yield* PeerConnections
        const { remote, connection } = yield* inbound(7)
        const heightOf = registry.request(connection.peer, { _tag: "GetBlockHeight" })
        assert.strictEqual((yield* Effect.flip(heightOf)).reason._tag, "NotAnswered")
        yield* connections.identify(connection, version("timenode/1", "id:ff"))
        assert.strictEqual((yield* registry.peers)[0]?.agent, "timenode")
        const asking = yield* Effect.forkChild(heightOf)
        yield* remote.expect("GetBlockHeight")
        yield* remote.send({ _tag: "BlockHeightResponse", height: height(1n) })
        assert.strictEqual((yield* Fiber.join(asking)).height, 1n)
        assert.deepStrictEqual(remote.received, [ack, { _tag: "GetBlockHeight" }])
      })
    )

    test(
      "ends every request when the connection does",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* outbound(7)
        const once = { timeout: Duration.seconds(60) }
        const asking = yield* Effect.forkChild(
          Effect.all(
            [
              Effect.flip(registry.request(connection.peer, ping(1n), once)),
              Effect.flip(registry.request(connection.peer, { _tag: "GetPeers" }, once)),
              Effect.flip(connection.ask({ _tag: "GetMasternodes" }, once))
            ],
            { concurrency: "unbounded" }
          )
        )
        yield* remote.expect("GetMasternodes")
        yield* remote.close
        for (const { reason } of yield* Fiber.join(asking)) {
          assert.strictEqual(reason._tag, "ConnectionClosed")
          assert.strictEqual(reason._tag === "ConnectionClosed" && reason.reason, "remoteClosed")
        }
        const after = yield* Effect.flip(registry.request(connection.peer, ping(2n), once))
        assert.strictEqual(after.reason._tag, "PeerNotConnected")
      })
    )

    test(
      "refuses more requests than may wait for one peer, and keeps nothing of what it refused",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* outbound(7)
        const nonces = Array.from({ length: Limits.PENDING_REQUESTS_PER_PEER }, (_, index) => BigInt(index))
        const once = { timeout: Duration.seconds(60) }
        const asking = yield* Effect.forkChild(
          Effect.forEach(nonces, (nonce) => Effect.exit(registry.request(connection.peer, ping(nonce), once)), {
            concurrency: "unbounded"
          }),
          { startImmediately: true }
        )
        const error = yield* Effect.flip(registry.request(connection.peer, ping(1_000n), once))
        assert.strictEqual(error.reason._tag, "SendQueueFull")
        assert.strictEqual((yield* registry.peers)[0]?.pendingRequests, nonces.length)
        yield* remote.close
        yield* Fiber.join(asking)
      })
    )

    test(
      "answers on the connection that asked, whatever its address, and never on its successor",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const first = yield* inbound(7)
        yield* first.remote.send(ping(1n))
        const [request] = yield* first.connection.take
        assert.strictEqual(request._tag, "Ping")
        yield* first.remote.close
        yield* first.connection.closed
        const second = yield* inbound(7)
        const error = yield* Effect.flip(registry.reply(first.connection, ping(1n), pong(1n)))
        assert.strictEqual(error.reason._tag, "ConnectionClosed")
        const byName = { ...first.connection, generation: first.connection.generation }
        assert.strictEqual(
          (yield* Effect.flip(registry.reply(byName, ping(1n), pong(1n)))).reason._tag,
          "ConnectionClosed"
        )
        yield* registry.reply(second.connection, ping(2n), pong(2n))
        assert.strictEqual((yield* second.remote.expect("Pong")).nonce, 2n)
      })
    )

    test(
      "closes a second connection of a peer before it is heard",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* inbound(7)
        const second = yield* (yield* ScriptedPeers).dial(7)
        yield* second.send(handshake)
        const error = yield* Effect.flip(accepted)
        assert.strictEqual(error._tag === "RegistrationError" && error.reason._tag, "AlreadyConnected")
        yield* second.closed
        assert.deepStrictEqual(second.received, [])
        yield* registry.send(connection.peer, ping(1n))
        yield* remote.expect("Ping")
      })
    )

    test(
      "lets only one of two connections establish that came before either did",
      Effect.gen(function* () {
        const peers = yield* ScriptedPeers
        const first = yield* peers.dial(7)
        const firstConnection = yield* accepted
        const second = yield* peers.dial(7)
        const secondConnection = yield* accepted
        yield* first.send(handshake)
        yield* second.send(handshake)
        yield* admit(secondConnection)
        const error = yield* Effect.flip(admit(firstConnection))
        assert.strictEqual(error._tag, "AlreadyConnected")
        yield* second.expect("Ack")
        yield* first.closed
      })
    )

    test(
      "refuses the banned, and peers beyond the slots",
      Effect.gen(function* () {
        const peers = yield* ScriptedPeers
        const network = yield* PeerNetwork
        const connections = yield* PeerConnections
        const banned = yield* peers.dial(66)
        const error = yield* Effect.flip(accepted)
        assert.strictEqual(error.reason._tag, "PeerBanned")
        yield* banned.closed
        // Three and the one for a feeler.
        for (const peer of [1, 2, 3, 4]) yield* outbound(peer + 10)
        const listener = yield* peers.listen(20)
        const tooMany = yield* Effect.flip(Effect.flatMap(network.dial(listener.address), connections.register))
        assert.strictEqual(tooMany._tag === "RegistrationError" && tooMany.reason._tag, "TooManyPeers")
        for (let count = 0; count < Limits.PENDING_HANDSHAKES_PER_PEER; count++) {
          yield* peers.dial(30)
          yield* accepted
        }
        yield* peers.dial(30)
        assert.strictEqual((yield* Effect.flip(accepted)).reason._tag, "TooManyPeers")
        yield* inbound(31)
      })
    )

    test(
      "frees its slot with every connection",
      Effect.gen(function* () {
        for (let round = 0; round < 5; round++) {
          yield* Effect.scoped(Effect.all([outbound(11), outbound(12), outbound(13)]))
          yield* Effect.scoped(inbound(14))
          yield* Effect.scoped(Effect.andThen((yield* ScriptedPeers).dial(15), accepted))
        }
      })
    )

    test(
      "tells gossip to all but its origin, encoded once, and waits for nobody who does not drain",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const origin = yield* inbound(7)
        const others = yield* Effect.forEach([8, 9], inbound)
        const slow = yield* inbound(10)
        yield* slow.remote.stopReading
        yield* clog(slow.connection)
        const report = yield* registry.broadcast(GOSSIP, { except: origin.connection.peer })
        assert.deepStrictEqual(report, { sent: 2, skipped: 1 })
        for (const { remote } of others) yield* remote.expect("TransactionFinalized")
        const chosen = { to: ({ peer }: { readonly peer: string }) => peer === origin.connection.peer }
        assert.deepStrictEqual(yield* registry.broadcast(GOSSIP, chosen), { sent: 1, skipped: 0 })
        yield* origin.remote.expect("TransactionFinalized")
      })
    )

    test(
      "makes an answer wait for a peer that does not read, and nobody else",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const slow = yield* inbound(7)
        const quick = yield* inbound(8)
        yield* slow.remote.stopReading
        yield* clog(slow.connection)
        assert.strictEqual(
          (yield* Effect.flip(registry.send(slow.connection.peer, GOSSIP))).reason._tag,
          "SendQueueFull"
        )
        const asked = yield* Effect.flip(
          registry.request(slow.connection.peer, ping(1n), { timeout: Duration.seconds(9) })
        )
        assert.strictEqual(asked.reason._tag, "SendQueueFull")
        const waiting = yield* Effect.forkChild(registry.reply(slow.connection, ping(5n), pong(5n)), {
          startImmediately: true
        })
        yield* registry.reply(quick.connection, ping(6n), pong(6n))
        assert.strictEqual((yield* quick.remote.expect("Pong")).nonce, 6n)
        assert.isUndefined(waiting.pollUnsafe())
        yield* slow.remote.startReading
        yield* Fiber.join(waiting)
        assert.strictEqual((yield* slow.remote.expect("Pong")).nonce, 5n)
      })
    )

    test(
      "ends an answer that waits for room with its connection",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* inbound(7)
        yield* remote.stopReading
        yield* clog(connection)
        const waiting = yield* Effect.forkChild(Effect.flip(registry.reply(connection, ping(5n), pong(5n))), {
          startImmediately: true
        })
        yield* registry.disconnect(connection.peer, "notDraining")
        const { reason } = yield* Fiber.join(waiting)
        assert.strictEqual(reason._tag === "ConnectionClosed" && reason.reason, "notDraining")
      })
    )

    test(
      "keeps a bounded number of messages for a session that is busy, and loses none",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* inbound(7)
        const count = 5_000
        for (let nonce = 0; nonce < count; nonce++) yield* remote.send(ping(BigInt(nonce)))
        const taken: Array<bigint> = []
        while (taken.length < count) {
          const [info] = yield* registry.peers
          assert.isAtMost(info!.inboundMessages, Limits.INBOUND_QUEUE)
          for (const message of yield* connection.take) {
            if (message._tag === "Ping") taken.push(message.nonce)
          }
        }
        assert.deepStrictEqual(
          taken,
          Array.from({ length: count }, (_, nonce) => BigInt(nonce))
        )
      })
    )

    test(
      "hands a line that is no message to the session, in its place",
      Effect.gen(function* () {
        const { remote, connection } = yield* inbound(7)
        yield* remote.send(ping(1n))
        yield* remote.sendBytes(`{"Pong":{}}\n{"NoSuchThing":1}\n\n`)
        yield* remote.send(ping(2n))
        const tags: Array<string> = []
        while (tags.length < 5) tags.push(...(yield* connection.take).map(({ _tag }) => _tag))
        assert.deepStrictEqual(tags, ["Ping", "WireError", "WireError", "WireError", "Ping"])
      })
    )

    test(
      "takes a line however it is cut, and the last one without its end",
      Effect.gen(function* () {
        const { remote, connection } = yield* inbound(7)
        const line = Wire.encodeText(ping(77n))
        for (const byte of `${line}\r\n`) yield* remote.sendBytes(byte)
        assert.deepStrictEqual(yield* connection.take, [ping(77n)])
        yield* remote.sendBytes(line)
        yield* remote.end
        assert.deepStrictEqual(yield* connection.take, [ping(77n)])
        assert.strictEqual((yield* Effect.flip(connection.take)).reason, "remoteClosed")
      })
    )

    test(
      "closes a stranger whose line is too long, and a peer whose line is not UTF-8",
      Effect.gen(function* () {
        const stranger = yield* (yield* ScriptedPeers).dial(7)
        const pending = yield* accepted
        yield* stranger.sendBytes(`{"${"x".repeat(Limits.LINE_BEFORE_HANDSHAKE)}`)
        assert.strictEqual(yield* pending.closed, "lineTooLong")
        yield* stranger.closed
        const { remote, connection } = yield* inbound(8)
        yield* remote.sendBytes(Uint8Array.of(0x22, 0xff, 0x22, 0x0a))
        assert.strictEqual(yield* connection.closed, "invalidUtf8")
      })
    )

    test(
      "delivers what was written before it closes",
      Effect.gen(function* () {
        const { remote, connection } = yield* inbound(7)
        for (let nonce = 0n; nonce < 100n; nonce++) yield* connection.write(ping(nonce))
        yield* connection.close("requested")
        yield* remote.closed
        assert.strictEqual(remote.received.length, 101)
        assert.strictEqual((yield* Effect.flip(connection.write(ping(0n)))).reason._tag, "ConnectionClosed")
      })
    )

    test(
      "closes once, for the first reason given",
      Effect.gen(function* () {
        const { connection } = yield* inbound(7)
        yield* connection.close("badMagic")
        yield* connection.close("idle")
        assert.strictEqual(yield* connection.closed, "badMagic")
        assert.strictEqual((yield* Effect.flip(connection.take)).reason, "badMagic")
      })
    )

    test(
      "takes addresses as gossip, asked or not, and other unasked answers not at all",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* outbound(7)
        const addresses: Message = { _tag: "PeersResponse", addresses: ["203.0.113.5"] }
        yield* remote.send({ _tag: "BlockHeightResponse", height: height(9n) })
        yield* remote.send(addresses)
        yield* registry.send(connection.peer, { _tag: "GetPeers" })
        yield* remote.expect("GetPeers")
        yield* remote.send(addresses)
        yield* remote.send(GOSSIP)
        const taken: Array<unknown> = []
        while (taken.length < 3) taken.push(...(yield* connection.take))
        assert.deepStrictEqual(taken, [addresses, addresses, GOSSIP])
      })
    )

    test(
      "waits for the Ack past gossip, which comes after",
      Effect.gen(function* () {
        const network = yield* PeerNetwork
        const connections = yield* PeerConnections
        const listener = yield* (yield* ScriptedPeers).listen(7)
        const connection = yield* Effect.flatMap(network.dial(listener.address), connections.register)
        const remote = yield* listener.accept
        const asking = yield* Effect.forkChild(connection.ask(handshake))
        yield* remote.expect("Handshake")
        yield* remote.send(GOSSIP)
        yield* remote.send(ack)
        assert.deepStrictEqual(yield* Fiber.join(asking), ack)
        yield* connections.establish(connection)
        assert.deepStrictEqual(yield* connection.take, [GOSSIP])
      })
    )

    test(
      "says that nobody listens",
      Effect.gen(function* () {
        const network = yield* PeerNetwork
        const peers = yield* ScriptedPeers
        const { address } = yield* Effect.scoped(peers.listen(7))
        const error = yield* Effect.flip(network.dial(address))
        assert.strictEqual(error.reason, "refused")
        assert.strictEqual(error.peer, peers.id(7))
      })
    )

    test(
      "answers in the order of the requests, in place or not",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { remote, connection } = yield* inbound(7)
        const serve = Effect.gen(function* () {
          for (const request of yield* connection.take) {
            if (request._tag === "GetBlockHash") {
              // Takes its time, so that what comes meanwhile is tempted to overtake.
              if (request.height % 3n === 0n) yield* Effect.yieldNow
              yield* registry.reply(connection, request, {
                _tag: "BlockHashResponse",
                height: request.height,
                hash: null
              })
            } else if (request._tag === "Ping") {
              yield* registry.reply(connection, request, pong(request.nonce))
            }
          }
        })
        yield* Effect.forkScoped(Effect.ignore(Effect.forever(serve)))
        const asked = Array.from({ length: 600 }, (_, index) => BigInt(index))
        const isPing = (index: bigint) => (index * 7n) % 5n < 3n
        for (const index of asked) {
          yield* remote.send(isPing(index) ? ping(index) : { _tag: "GetBlockHash", height: height(index) })
          if (index % 50n === 0n) yield* Effect.yieldNow
        }
        const answers: Array<bigint> = []
        while (answers.length < asked.length) {
          const answer = yield* remote.next
          if (answer._tag === "Pong") answers.push(answer.nonce)
          if (answer._tag === "BlockHashResponse") answers.push(answer.height)
        }
        assert.deepStrictEqual(answers, asked)
      }),
      (request) => (request._tag === "Ping" ? Wire.encode(pong(request.nonce)) : undefined)
    )

    test(
      "answers in place without a session's turn",
      Effect.gen(function* () {
        const { remote, connection } = yield* inbound(7)
        const taking = yield* Effect.forkChild(connection.take, { startImmediately: true })
        yield* remote.send(ping(5n))
        assert.strictEqual((yield* remote.expect("Pong")).nonce, 5n)
        assert.isUndefined(taking.pollUnsafe())
        yield* remote.send(GOSSIP)
        assert.deepStrictEqual(yield* Fiber.join(taking), [GOSSIP])
      }),
      (request) => (request._tag === "Ping" ? Wire.encode(pong(request.nonce)) : undefined)
    )

    test(
      "leaves no connection of a peer, whatever state it is in, when told to disconnect",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const peers = yield* ScriptedPeers
        const one = yield* peers.dial(7)
        const pending = yield* accepted
        yield* registry.disconnect(peers.id(7), "banned")
        assert.strictEqual(yield* pending.closed, "banned")
        yield* one.closed
        yield* registry.disconnect(peers.id(9), "banned")
      })
    )

    test(
      "records the round trip of a ping, and when a peer last brought something new",
      Effect.gen(function* () {
        const registry = yield* PeerRegistry
        const { connection } = yield* inbound(7)
        yield* (yield* PeerConnections).recordPing(connection, 12)
        yield* registry.recordUseful(connection.peer, "transaction")
        yield* registry.recordUseful((yield* ScriptedPeers).id(8), "block")
        const [info] = yield* registry.peers
        assert.deepStrictEqual([info?.ping, info?.lastBlockAt], [12, null])
        // Two clocks are read, whose milliseconds do not begin together.
        assert.isAtLeast(info!.lastTransactionAt!, connection.connectedAt - 2)
        yield* registry.recordUseful(connection.peer, "block")
        assert.isNotNull((yield* registry.peers)[0]!.lastBlockAt)
      })
    )
  })
}

// --- internal ---

const GOSSIP: Message = { _tag: "TransactionFinalized", txid: new Uint8Array(32) as never, votes: 3 }

/** Writes to a peer that does not read until more waits than may. */
const clog = Effect.fnUntraced(function* (connection: PeerConnection) {
  const registry = yield* PeerRegistry
  const addresses = Array.from({ length: 20_000 }, () => "203.0.113.5:24100")
  while (true) {
    const sent = yield* Effect.result(registry.send(connection.peer, { _tag: "PeersResponse", addresses }))
    if (Result.isFailure(sent)) return
    yield* Effect.yieldNow
  }
})
