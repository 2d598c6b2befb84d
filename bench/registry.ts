/**
 * What the registry costs: Ping and Pong over TCP, against a bare `node:net` server that does the least one can do.
 *
 *     node bench/registry.ts [--seconds 1.5] [--rounds 5]
 *
 * Servers run one after the other in processes of their own, in turns; one client process drives them. The reliable
 * column is the server's CPU time per request: requests per second end where the client does.
 */
import { Effect, Layer, References } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { connect, createServer, type Socket } from "node:net"
import { parseArgs } from "node:util"
import * as MemoryPeerGuard from "../src/layers/MemoryPeerGuard.ts"
import * as TcpPeerRegistry from "../src/layers/TcpPeerRegistry.ts"
import { isRequest, type RequestOf } from "../src/protocol/Exchange.ts"
import { peerId } from "../src/protocol/PeerId.ts"
import * as Wire from "../src/protocol/wire/Wire.ts"
import { InlineAnswers } from "../src/services/InlineAnswers.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"
import { NodeIdentity } from "../src/services/NodeIdentity.ts"
import { PeerConnections } from "../src/services/PeerConnections.ts"
import { PeerRegistry } from "../src/services/PeerRegistry.ts"
import { PeerNetwork, type PeerTransport } from "../src/services/PeerTransport.ts"
import { median } from "./measure/Median.ts"

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "1.5" },
    rounds: { type: "string", default: "5" },
    // Of a server's own process.
    serve: { type: "string" },
    host: { type: "string", default: `127.${64 + (process.pid % 32)}.${process.pid % 251}.1` }
  }
})
const HOST = flags.host
const HANDSHAKE = `{"Handshake":{"magic":[84,73,77,69],"protocol_version":1,"network":"Testnet"}}\n`
const ACK = `{"Ack":{"message_type":"Handshake"}}\n`

const pong = (request: RequestOf<"Ping">) =>
  Wire.encode({ _tag: "Pong", nonce: request.nonce, timestamp: request.timestamp } as const)

// --- servers: each listens and tells its port ---

/** One parse, one stringify a line, one write a chunk. It rounds nonces, so it would not do as a node. */
const raw = (onPort: (port: number) => void): void => {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest = ""
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      const lines = (rest + chunk.toString("latin1")).split("\n")
      rest = lines.pop()!
      let out = ""
      for (const line of lines) {
        const message = JSON.parse(line)
        out += message.Ping === undefined ? ACK : `${JSON.stringify({ Pong: message.Ping })}\n`
      }
      if (out !== "") socket.write(out)
    })
  })
  server.listen(0, HOST, () => onPort((server.address() as { port: number }).port))
}

/** The same with the node's framer and codec: what is left above it is the registry's own. */
const codec = (onPort: (port: number) => void): void => {
  const server = createServer({ noDelay: true }, (socket) => {
    const framer = new Wire.Framer(() => 4096)
    socket.on("error", () => {})
    socket.on("data", (chunk: Buffer) => {
      const out: Array<Uint8Array> = []
      framer.push(chunk, (buffer, start, end) => {
        const message = Wire.decode(buffer, start, end)
        if (message._tag === "Ping") out.push(...pong(message).chunks)
        else out.push(Buffer.from(ACK))
      })
      if (out.length > 0) socket.write(out.length === 1 ? out[0]! : Buffer.concat(out))
    })
  })
  server.listen(0, HOST, () => onPort((server.address() as { port: number }).port))
}

/** The registry, with a session that answers pings itself where they are not answered in place. */
const registry = (inPlace: boolean) => (onPort: (port: number) => void) => {
  const session = Effect.fnUntraced(function* (transport: PeerTransport) {
    const connections = yield* PeerConnections
    const { reply } = yield* PeerRegistry
    const connection = yield* connections.register(transport)
    while (true) {
      for (const message of yield* connection.take) {
        if (message._tag === "Ping") yield* reply(connection, message, pong(message))
        if (message._tag !== "Handshake") continue
        yield* connections.establish(connection)
        yield* reply(connection, message, { _tag: "Ack", messageType: "Handshake" })
      }
    }
  })
  const node = Effect.gen(function* () {
    const network = yield* PeerNetwork
    onPort(network.listening!.port)
    yield* Effect.forever(
      Effect.flatMap(network.accept, (transport) => Effect.forkChild(Effect.ignore(Effect.scoped(session(transport)))))
    )
  })
  const inline = inPlace
    ? Layer.succeed(InlineAnswers, (request) =>
        isRequest(request) && request._tag === "Ping" ? pong(request) : undefined
      )
    : Layer.empty
  const layer = TcpPeerRegistry.layer.pipe(
    Layer.provide(inline),
    Layer.provide(MemoryPeerGuard.layer),
    Layer.provide(NodeIdentity.layerTest()),
    Layer.provide(NodeConfig.layerTest({ listen: { host: HOST, port: 0 }, localAddress: peerId(HOST)! })),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error"))
  )
  Effect.runFork(node.pipe(Effect.provide(layer)))
}

const servers = { raw, codec, registry: registry(true), "registry, by session": registry(false) } as const
type ServerName = keyof typeof servers

const serve = (name: ServerName): void => {
  servers[name]((port) => process.send!({ port }))
  process.on("message", () => process.send!(process.cpuUsage()))
}

// --- client ---

interface Shape {
  readonly connections: number
  readonly depth: number
}

interface Measurement {
  readonly perSecond: number
  readonly cpuMicros: number
}

const next = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve) => child.once("message", (m) => resolve(m as A)))

const cpuOf = async (child: ChildProcess): Promise<number> => {
  const answer = next<NodeJS.CpuUsage>(child)
  child.send("cpu")
  const { user, system } = await answer
  return user + system
}

const openConnection = (port: number, index: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const [a, b] = HOST.split(".").slice(1, 3).map(Number)
    const localAddress = `127.${a! + 32}.${(b! + (index >> 7)) % 255}.${(index & 127) + 2}`
    const socket = connect({ host: HOST, port, localAddress, noDelay: true })
    socket.once("error", reject)
    socket.write(HANDSHAKE)
    socket.once("data", () => resolve(socket))
  })

const measure = async (name: ServerName, shape: Shape, seconds: number): Promise<Measurement> => {
  const child = fork(import.meta.filename, ["--serve", name, "--host", HOST])
  const { port } = await next<{ port: number }>(child)
  const sockets = await Promise.all(
    Array.from({ length: shape.connections }, (_, index) => openConnection(port, index))
  )
  const line = `{"Ping":{"nonce":123456789012345,"timestamp":1765900000}}\n`
  let answers = 0
  for (const socket of sockets) {
    socket.on("data", (chunk: Buffer) => {
      let count = 0
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++
      answers += count
      socket.write(line.repeat(count))
    })
    socket.write(line.repeat(shape.depth))
  }
  await new Promise((resolve) => setTimeout(resolve, 500))
  const [before, cpuBefore, began] = [answers, await cpuOf(child), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const [count, cpu, elapsed] = [answers - before, (await cpuOf(child)) - cpuBefore, performance.now() - began]
  for (const socket of sockets) socket.destroy()
  child.kill()
  return { perSecond: (count / elapsed) * 1000, cpuMicros: cpu / count }
}

const main = async (seconds: number, rounds: number): Promise<void> => {
  const shapes: ReadonlyArray<Shape> = [
    { connections: 1, depth: 64 },
    { connections: 100, depth: 1 },
    { connections: 100, depth: 16 },
    { connections: 1_000, depth: 1 }
  ]
  const names = Object.keys(servers) as ReadonlyArray<ServerName>
  for (const shape of shapes) {
    const measured = new Map<ServerName, Array<Measurement>>(names.map((name) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const name of names) measured.get(name)!.push(await measure(name, shape, seconds))
    }
    const cpu = (name: ServerName) => median(measured.get(name)!.map(({ cpuMicros }) => cpuMicros))
    console.log(`${shape.connections} connections, ${shape.depth} in flight each`)
    for (const name of names) {
      const perSecond = median(measured.get(name)!.map((one) => one.perSecond))
      const columns = [
        name.padEnd(22),
        `${Math.round(perSecond / 1000)}k/s`.padStart(8),
        `${cpu(name).toFixed(2)} us`.padStart(10),
        `${(cpu(name) / cpu("raw")).toFixed(2)}x`.padStart(7)
      ]
      console.log(`  ${columns.join(" ")}`)
    }
  }
}

if (flags.serve !== undefined) serve(flags.serve as ServerName)
else await main(Number(flags.seconds), Number(flags.rounds))
