import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { MAGIC } from "../../src/protocol/Network.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Offence } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { peer, transaction } from "./Fixture.ts"
import { ack, dialIn, dialOut, guard, handshake, heard, joinIn, node, settle, tags, wait } from "./Session.ts"

const names = Effect.map(
  Effect.flatMap(PeerRegistry, (registry) => registry.peers),
  (peers) => peers.map((info) => [info.peer, info.direction])
)

describe("a peer that dialled us", () => {
  it.effect("hears nothing before its handshake, and an acknowledgement first of all after it", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* wait("5 seconds")
      assert.deepStrictEqual(remote.received, [])
      assert.deepStrictEqual(yield* names, [])
      yield* remote.send(handshake)
      yield* settle
      assert.deepStrictEqual(remote.received[0], ack)
      assert.deepStrictEqual(yield* names, [[peer(1), "inbound"]])
    }).pipe(Effect.provide(node()))
  )

  it.effect("has ten seconds to shake hands", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* wait("9999 millis")
      assert.isFalse(remote.isClosed)
      yield* wait("1 millis")
      assert.isTrue(remote.isClosed)
    }).pipe(Effect.provide(node()))
  )

  it.effect("gains no time by sending lines that are no message", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const remote = yield* dialIn()
      for (let second = 0; second < 10; second++) {
        yield* remote.sendBytes("?\n")
        yield* wait("1 seconds")
      }
      assert.isTrue(remote.isClosed)
    }).pipe(Effect.provide(node(guard(offences))))
  })

  it.effect("is closed, but not blamed, for any other message before its handshake", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const early: ReadonlyArray<Message> = [
        { _tag: "GetBlockHeight" },
        { _tag: "Ping", nonce: 1n, timestamp: 0n },
        ack,
        { _tag: "PeersResponse", addresses: [] },
        { _tag: "TransactionBroadcast", transaction: transaction(1) }
      ]
      for (const [index, message] of early.entries()) {
        const remote = yield* dialIn(peer(index + 1))
        yield* remote.send(message)
        yield* settle
        assert.isTrue(remote.isClosed, message._tag)
        assert.deepStrictEqual(remote.received, [], message._tag)
      }
      assert.deepStrictEqual(offences, [])
    }).pipe(Effect.provide(node(guard(offences))))
  })

  it.effect("is closed and blamed for another magic or version, the magic first", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const wrong: ReadonlyArray<Message> = [
        { _tag: "Handshake", magic: Uint8Array.of(0xc0, 0x1d, 0x7e, 0x4d), protocolVersion: 2, network: "Testnet" },
        { _tag: "Handshake", magic: MAGIC, protocolVersion: 2, network: "Testnet" },
        { _tag: "Handshake", magic: MAGIC, protocolVersion: 0, network: "Testnet" }
      ]
      for (const [index, message] of wrong.entries()) {
        const remote = yield* dialIn(peer(index + 1))
        yield* remote.send(message)
        yield* settle
        assert.isTrue(remote.isClosed)
        assert.deepStrictEqual(remote.received, [])
      }
      assert.deepStrictEqual(offences, [
        [peer(1), "badMagic"],
        [peer(2), "badVersion"],
        [peer(3), "badVersion"]
      ])
    }).pipe(Effect.provide(node(guard(offences))))
  })

  it.effect("may call its network what it likes", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* remote.send({ _tag: "Handshake", magic: MAGIC, protocolVersion: 1, network: "whatever" })
      yield* settle
      assert.deepStrictEqual(remote.received[0], ack)
    }).pipe(Effect.provide(node()))
  )

  it.effect("is blamed for every blank or broken line, and may shake hands after it", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* remote.sendBytes("\n{\n")
      yield* remote.send(handshake)
      yield* settle
      assert.deepStrictEqual(offences, [
        [peer(1), "malformedLine"],
        [peer(1), "malformedLine"]
      ])
      assert.deepStrictEqual(remote.received[0], ack)
    }).pipe(Effect.provide(node(guard(offences))))
  })

  it.effect("is closed when such a line is the one too many", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* remote.sendBytes("\n\n")
      yield* remote.send(handshake)
      yield* settle
      assert.isTrue(remote.isClosed)
      assert.deepStrictEqual(remote.received, [])
    }).pipe(Effect.provide(node(guard([], 2))))
  )

  it.effect("is closed for a first line longer than any handshake", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      yield* remote.sendBytes(`{"Handshake":{"network":"${"x".repeat(5_000)}`)
      yield* settle
      assert.isTrue(remote.isClosed)
    }).pipe(Effect.provide(node()))
  )

  // After so many lines the handshake is taken together with what follows it, and not as it comes.
  for (const before of ["", "\n".repeat(2 * Limits.INLINE_ANSWERS_PER_TICK)]) {
    it.effect(
      `is answered what it asked in the same breath, ${before === "" ? "first thing" : "after many bad lines"}`,
      () =>
        Effect.gen(function* () {
          const remote = yield* dialIn()
          const lines: ReadonlyArray<Message> = [
            handshake,
            { _tag: "GetBlockHeight" },
            { _tag: "Ping", nonce: 7n, timestamp: 0n },
            { _tag: "GetPeers" }
          ]
          yield* remote.sendBytes(before + lines.map((line) => `${Wire.encodeText(line)}\n`).join(""))
          yield* settle
          assert.strictEqual(tags(remote)[0], "Ack")
          assert.deepStrictEqual(
            tags(remote).filter((tag) => ["BlockHeightResponse", "Pong", "PeersResponse"].includes(tag)),
            ["BlockHeightResponse", "Pong", "PeersResponse"]
          )
        }).pipe(Effect.provide(node()))
    )
  }

  it.effect("may send its handshake in pieces", () =>
    Effect.gen(function* () {
      const remote = yield* dialIn()
      for (const character of `${Wire.encodeText(handshake)}\r\n`) yield* remote.sendBytes(character)
      yield* settle
      assert.deepStrictEqual(remote.received[0], ack)
    }).pipe(Effect.provide(node()))
  )

  it.effect("is closed without a byte when it is connected already, and the old connection goes on", () =>
    Effect.gen(function* () {
      const first = yield* joinIn()
      const second = yield* dialIn()
      yield* settle
      assert.isTrue(second.isClosed)
      assert.deepStrictEqual(second.received, [])
      yield* first.send({ _tag: "GetBlockHeight" })
      yield* settle
      assert.strictEqual(heard(first, "BlockHeightResponse").length, 1)
    }).pipe(Effect.provide(node()))
  )
})

describe("a peer that we dialled", () => {
  it.effect("hears our handshake and nothing else until it has acknowledged it", () =>
    Effect.gen(function* () {
      const { remote } = yield* dialOut()
      yield* wait("5 seconds")
      assert.deepStrictEqual(remote.received, [handshake])
      assert.deepStrictEqual(yield* names, [])
      yield* remote.send(ack)
      yield* settle
      assert.deepStrictEqual(yield* names, [[peer(2), "outbound"]])
    }).pipe(Effect.provide(node()))
  )

  it.effect("is left when it has not acknowledged for ten seconds, and never counts as a peer", () =>
    Effect.gen(function* () {
      const { remote, session } = yield* dialOut()
      yield* wait("9999 millis")
      assert.isFalse(remote.isClosed)
      yield* wait("1 millis")
      assert.isTrue(remote.isClosed)
      const { established, reason } = yield* Fiber.join(session)
      assert.deepStrictEqual([established, reason], [false, "handshakeTimeout"])
    }).pipe(Effect.provide(node()))
  )

  it.effect("is left at once when it hangs up, or acknowledges something else", () =>
    Effect.gen(function* () {
      const first = yield* dialOut(peer(2))
      yield* first.remote.close
      const second = yield* dialOut(peer(3))
      yield* second.remote.send({ _tag: "Ack", messageType: "Goodbye" })
      yield* settle
      const ends = [yield* Fiber.join(first.session), yield* Fiber.join(second.session)]
      assert.deepStrictEqual(
        ends.map(({ established, reason }) => [established, reason]),
        [
          [false, "remoteClosed"],
          [false, "handshakeRefused"]
        ]
      )
    }).pipe(Effect.provide(node()))
  )

  it.effect("is not blamed for lines that are no message", () => {
    const offences: Array<readonly [PeerId, Offence]> = []
    return Effect.gen(function* () {
      const { remote } = yield* dialOut()
      yield* remote.sendBytes("\n?\n")
      yield* remote.send(ack)
      yield* settle
      assert.deepStrictEqual(yield* names, [[peer(2), "outbound"]])
      assert.deepStrictEqual(offences, [])
    }).pipe(Effect.provide(node(guard(offences))))
  })
})
