/**
 * What the system can do to a node's sockets: refuse, stay silent, fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { HttpServer } from "effect/http"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { connect, type Server, type Socket } from "node:net"
import * as NodeRpcListener from "../../src/layers/NodeRpcListener.ts"
import * as TcpPeerRegistry from "../../src/layers/TcpPeerRegistry.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { PeerConnections } from "../../src/services/PeerConnections.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { PeerNetwork } from "../../src/services/PeerTransport.ts"
import { loopbackNet } from "../support/loopback.ts"
import { neverAccepting } from "../support/NeverAccepting.ts"
import { admit, handshake } from "../support/Sessions.ts"
import { BIN, scratch } from "../support/timenode.ts"

const HANDSHAKE = Buffer.from(Wire.encode(handshake).chunks[0]!)

const node = (host: string) =>
  TcpPeerRegistry.layer.pipe(
    Layer.provide(NodeConfig.layerTest({ listen: { host, port: 0 } })),
    Layer.provide(Layer.mergeAll(NodeIdentity.layerTest(), PeerGuard.layerTest())),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Fatal"))
  )

const dialRaw = (host: string, port: number, localAddress: string) =>
  Effect.acquireRelease(
    Effect.sync(() => connect({ host, port, localAddress }).on("error", () => {})),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** The servers that listen from now on, as long as the scope lives: what the system tells a program of, it tells them. */
const listeningServers = Effect.acquireRelease(
  Effect.sync(() => {
    const servers: Array<Server> = []
    const note = (message: unknown) => servers.push((message as { readonly server: Server }).server)
    subscribe(LISTENING, note)
    return { servers, note }
  }),
  ({ note }) => Effect.sync(() => void unsubscribe(LISTENING, note))
).pipe(Effect.map(({ servers }) => servers as ReadonlyArray<Server>))

const LISTENING = "tracing:net.server.listen:asyncEnd"

/** The system calls that failed on accepted sockets. */
const failedCalls = Effect.acquireRelease(
  Effect.sync(() => {
    const failed: Array<string | undefined> = []
    const note = (message: unknown) =>
      (message as { readonly socket: Socket }).socket.prependListener("error", (error: NodeJS.ErrnoException) =>
        failed.push(error.syscall)
      )
    subscribe(ACCEPTED, note)
    return { failed, note }
  }),
  ({ note }) => Effect.sync(() => void unsubscribe(ACCEPTED, note))
).pipe(Effect.map(({ failed }) => failed as ReadonlyArray<string | undefined>))

const ACCEPTED = "net.server.socket"

/** What the system says when a connection was there and could not be had. */
const refuse = (server: Server, code: string): void => {
  server.emit("error", Object.assign(new Error(`accept ${code}`), { code, syscall: "accept" }))
}

/** A node that may have so few descriptors that peers can take them all. */
const startWithDescriptors = (count: number, home: string, host: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const args = [BIN, "start", "--no-discovery", "--listen", `${host}:0`, "--rpc-listen", `${host}:0`]
      const command = `ulimit -n ${count}; exec "$0" "$@"`
      return spawn("sh", ["-c", command, process.execPath, ...args], { env: { PATH: process.env["PATH"], HOME: home } })
    }),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )

const ports = (child: ChildProcessWithoutNullStreams) =>
  Effect.callback<{ readonly p2p: number; readonly rpc: number }>((resume) => {
    child.stdout.once("data", (data: Buffer) => {
      const [, p2p, rpc] = /p2p=[\d.]+:(\d+) rpc=[\d.]+:(\d+)/.exec(data.toString()) ?? assert.fail(data.toString())
      resume(Effect.succeed({ p2p: Number(p2p), rpc: Number(rpc) }))
    })
  })

/** True when the other side said something, false when it closed without a word. */
const isServed = (socket: Socket): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    socket.once("data", () => resume(Effect.succeed(true)))
    socket.once("close", () => resume(Effect.succeed(false)))
  })

const call = (host: string, port: number) =>
  Effect.promise(async () => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"getblockcount","params":[]}`
    const headers = { "content-type": "application/json" }
    const response = await fetch(`http://${host}:${port}/`, { method: "POST", headers, body })
    return (await response.json()) as { readonly result: unknown }
  })

describe("TCP", () => {
  it.live("serves again after peers have taken all its descriptors", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const home = yield* scratch
      const child = yield* startWithDescriptors(48, home, net.ip(1))
      const exited: Array<number | null> = []
      child.on("exit", (code) => exited.push(code))
      const { p2p, rpc } = yield* ports(child)
      for (const port of [p2p, rpc]) {
        const crowd = Array.from({ length: 64 }, (_, index) =>
          connect({ host: net.ip(1), port, localAddress: net.ip(2 + index) }).on("error", () => {})
        )
        // Those that came too late are turned away; the others hold what there is.
        yield* Effect.callback<void>((resume) => {
          for (const socket of crowd) socket.once("close", () => resume(Effect.void))
        })
        for (const socket of crowd) socket.destroy()
      }
      const tryAgain = Effect.scoped(
        Effect.gen(function* () {
          const socket = yield* dialRaw(net.ip(1), p2p, net.ip(200))
          socket.write(HANDSHAKE)
          if (!(yield* isServed(socket))) return yield* Effect.fail("not yet")
        })
      )
      yield* Effect.retry(tryAgain, Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 100 })))
      assert.deepStrictEqual(yield* call(net.ip(1), rpc), { jsonrpc: "2.0", id: 1, result: 0 } as object)
      assert.deepStrictEqual(exited, [])
    })
  )

  it.live("goes on accepting when the system refuses a connection for a while", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const servers = yield* listeningServers
      const layers = NodeRpcListener.layer({ host: net.ip(1), port: 0 }).pipe(Layer.provideMerge(node(net.ip(1))))
      yield* Effect.gen(function* () {
        const { accept, listening } = yield* PeerNetwork
        yield* HttpServer.HttpServer
        assert.strictEqual(servers.length, 2)
        for (const server of servers) for (const code of ["EMFILE", "ENFILE", "ECONNABORTED"]) refuse(server, code)
        yield* dialRaw(net.ip(1), listening!.port, net.ip(7))
        assert.strictEqual((yield* accept).remote.peer, net.peer(7))
        assert.isTrue(servers.every(({ listening }) => listening))
      }).pipe(Effect.provide(layers))
    }).pipe(Effect.scoped)
  )

  it.effect("gives a dial up that nobody answers, within the connect deadline", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const address = yield* TestClock.withLive(neverAccepting(net.ip(2), net.peer(2)))
      const { dial } = yield* PeerNetwork
      const before = openSockets()
      const dialling = yield* Effect.forkChild(Effect.flip(Effect.scoped(dial(address))), { startImmediately: true })
      yield* TestClock.adjust(Limits.CONNECT_TIMEOUT - 1)
      yield* TestClock.withLive(Effect.sleep("50 millis"))
      assert.isUndefined(dialling.pollUnsafe())
      assert.strictEqual(openSockets(), before + 1)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(dialling)).reason, "timeout")
      // The system does not go on trying either.
      const isGivenUp = Effect.suspend(() => (openSockets() === before ? Effect.void : Effect.fail("still open")))
      yield* TestClock.withLive(
        Effect.retry(isGivenUp, Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 500 })))
      )
    }).pipe(Effect.provide(node("127.0.0.1")), Effect.scoped)
  )

  it.live("closes a connection whose write fails", () =>
    Effect.gen(function* () {
      const net = yield* loopbackNet
      const failed = yield* failedCalls
      yield* Effect.gen(function* () {
        const { accept, listening } = yield* PeerNetwork
        const connections = yield* PeerConnections
        const registry = yield* PeerRegistry
        const socket = yield* dialRaw(net.ip(1), listening!.port, net.ip(7))
        socket.write(HANDSHAKE)
        const connection = yield* Effect.flatMap(connections.register(yield* accept), admit)
        yield* isServed(socket)
        // In one turn of the loop: the node writes before it can be told by reading.
        socket.resetAndDestroy()
        yield* registry.broadcast({ _tag: "GetPeers" })
        assert.strictEqual(yield* connection.closed, "socketError")
        assert.deepStrictEqual(yield* registry.peers, [])
        assert.deepStrictEqual(failed, ["write"])
      }).pipe(Effect.provide(node(net.ip(1))))
    }).pipe(Effect.scoped)
  )
})

/** TCP sockets of this process that are open or opening. */
const openSockets = (): number =>
  process
    .getActiveResourcesInfo()
    .filter((name) => name === "TCPSocketWrap" || name === "TCPWRAP" || name === "TCPConnectWrap").length
