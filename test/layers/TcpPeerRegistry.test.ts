import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, Scope } from "effect"
import { connect } from "node:net"
import * as TcpPeerRegistry from "../../src/layers/TcpPeerRegistry.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { suite } from "../services/PeerRegistrySuite.ts"
import { loopbackNet } from "../support/loopback.ts"
import { tcp } from "../support/ScriptedPeers.ts"
import { accepted, admit, handshake, ping } from "../support/Sessions.ts"

suite("PeerRegistry over TCP", tcp, it.live)

const node = (host: string, port = 0) =>
  TcpPeerRegistry.layer.pipe(
    Layer.provide(NodeConfig.layerTest({ listen: { host, port } })),
    Layer.provide(Layer.mergeAll(NodeIdentity.layerTest(), PeerGuard.layerTest())),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )

const dialRaw = (host: string, port: number, localAddress: string) =>
  Effect.acquireRelease(
    Effect.sync(() => connect({ host, port, localAddress })),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("TCP", () => {
  it.live("says so when its port is taken", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const { listening } = yield* PeerNetwork.pipe(Effect.provide(yield* Layer.build(node(net.ip(1)))))
      const error = yield* Effect.flip(Layer.build(node(net.ip(1), listening!.port)))
      assert.strictEqual(error._tag, "ListenError")
      assert.strictEqual(error.message, `${net.ip(1)}:${listening!.port} is in use by another program`)
    })
  )

  it.live("says so when its address is not one of this machine", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(node("203.0.113.1")))
      assert.strictEqual(error.message, "203.0.113.1:0 is no address of this machine")
    })
  )

  it.live("knows a peer by its IPv4 address on a socket for both families", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const program = Effect.gen(function* () {
        const { listening } = yield* PeerNetwork
        const socket = yield* dialRaw("127.0.0.1", listening!.port, net.ip(7))
        socket.write(Wire.encode(handshake).chunks[0]!)
        const connection = yield* accepted
        assert.strictEqual(connection.peer, net.peer(7))
        yield* (yield* PeerConnections).establish(connection)
        assert.strictEqual((yield* (yield* PeerRegistry).peers)[0]?.peer, net.peer(7))
      })
      yield* program.pipe(Effect.provide(node("::")))
    }).pipe(Effect.scoped)
  )

  it.live("reads a peer that never pauses for breath in turns with the others, and loses nothing of it", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      yield* Effect.gen(function* () {
        const { listening } = yield* PeerNetwork
        const connect = Effect.fnUntraced(function* (host: number) {
          const socket = yield* dialRaw(net.ip(1), listening!.port, net.ip(host))
          socket.write(Wire.encode(handshake).chunks[0]!)
          return [socket, yield* Effect.flatMap(accepted, admit)] as const
        })
        const [talkative, flooded] = yield* connect(7)
        const [quiet, calm] = yield* connect(8)
        const count = 20_000
        const lines = Array.from({ length: count }, (_, nonce) => Wire.encode(ping(BigInt(nonce))).chunks[0]!)
        talkative.write(Buffer.concat(lines))
        const heard: Array<bigint> = []
        let heardBefore: number | undefined
        const hear = Effect.forever(
          Effect.map(flooded.take, (batch) => {
            for (const message of batch) if (message._tag === "Ping") heard.push(message.nonce)
            // In the midst of it the other one says a word.
            if (heard.length > 0 && heardBefore === undefined) {
              heardBefore = heard.length
              quiet.write(Wire.encode(ping(1n)).chunks[0]!)
            }
          })
        )
        const hearing = yield* Effect.forkChild(hear)
        yield* calm.take
        // Fewer than wait for a session that is busy: it was read in turns, not until its inbox was full.
        assert.isBelow(heard.length - heardBefore!, Limits.INBOUND_QUEUE / 2)
        while (heard.length < count) yield* Effect.sleep("5 millis")
        yield* Fiber.interrupt(hearing)
        assert.isTrue(heard.every((nonce, index) => nonce === BigInt(index)))
      }).pipe(Effect.provide(node(net.ip(1))))
    }).pipe(Effect.scoped)
  )

  it.live("delivers what was written before the node stops", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const received: Array<Buffer> = []
      const outer = yield* Effect.scope
      const program = Effect.gen(function* () {
        const { listening } = yield* PeerNetwork
        const socket = yield* Scope.provide(dialRaw(net.ip(1), listening!.port, net.ip(7)), outer)
        socket.on("data", (chunk: Buffer) => received.push(chunk))
        const ended = yield* Effect.forkIn(
          Effect.callback<void>((resume) => void socket.once("end", () => resume(Effect.void))),
          outer,
          { startImmediately: true }
        )
        const connection = yield* accepted
        const addresses = Array.from({ length: 10_000 }, () => "x".repeat(90))
        yield* connection.write({ _tag: "PeersResponse", addresses })
        return ended
      })
      const ended = yield* program.pipe(Effect.scoped, Effect.provide(node(net.ip(1)), { local: true }))
      yield* Fiber.join(ended)
      const text = Buffer.concat(received).toString()
      assert.isTrue(text.endsWith("]}\n"))
      assert.isAbove(text.length, 900_000)
    }).pipe(Effect.scoped)
  )
})
