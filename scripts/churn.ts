/**
 * Connections come and go; nothing of them stays.
 *
 *   node scripts/churn.ts --connections 100000
 *
 * A node, in memory and over TCP, is visited by peers that leave at every stage. When they have gone, it must have as
 * many fibers, timers and sockets as after the first few of them, nothing in any collection of its connections, and, as
 * they come and go, a heap that does not grow. Exits 1 if anything is left.
 */
import { Effect, Layer, Metric, References } from "effect"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { ConnectionPool } from "../src/layers/registry/ConnectionPool.ts"
import * as TimeNode from "../src/layers/TimeNode.ts"
import { peerId } from "../src/protocol/PeerId.ts"
import { Blockchain } from "../src/services/Blockchain.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"
import { PeerGuard } from "../src/services/PeerGuard.ts"
import { PeerNetwork } from "../src/services/PeerTransport.ts"
import { readChain } from "../test/fixtures/Vectors.ts"
import { ChurnPeers, type Ends } from "../test/support/hostile/ChurnPeers.ts"

const { values: flags } = parseArgs({ options: { connections: { type: "string", default: "100000" } } })
const connections = Number(flags.connections)
/** Enough for every way of leaving from every address, so that what is made once is made. */
const WARM_UP = 200
/** Each costs a collection of garbage. */
const SAMPLES = connections < 10_000 ? 4 : 20
/** How long what has gone may take to be noticed: the handshake's deadline and some more. */
const PATIENCE = 15_000
/** What a heap may grow by without growing: the compiler's, and rounding. */
const TOLERATED_GROWTH = 1.5

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

// --- what there is ---

let fibers = 0
const countFibers = Layer.succeed(Metric.FiberRuntimeMetrics, {
  recordFiberStart: () => void fibers++,
  recordFiberEnd: () => void fibers--
})

/** The node's pool: seen as it admits its first connection, because nothing else gives it away. */
const pools = new Set<ConnectionPool>()
const { admit } = ConnectionPool.prototype
ConnectionPool.prototype.admit = function (transport) {
  pools.add(this)
  return admit.call(this, transport)
}

const SUBSCRIBERS = "events.subscribers"

/** Counters that only ever grow, moments, and bounds. */
const NOT_CONTENTS = /^(generations|published|turn|time|limits?|.*At)$/

/** Sizes of all collections, and the counts, below an object; what is empty is left out. */
const contents = (of: object, path = "", depth = 4): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const [name, value] of Object.entries(of)) {
    const size = value instanceof Map || value instanceof Set ? value.size : Array.isArray(value) ? value.length : value
    if (NOT_CONTENTS.test(name) || name === "options" || name === "turns") continue
    if (typeof size === "number" && size !== 0) found[path + name] = size
    else if (typeof size === "object" && size !== null && depth > 0) {
      Object.assign(found, contents(size, `${path}${name}.`, depth - 1))
    }
  }
  return found
}

const poolContents = (): Record<string, number> =>
  Object.fromEntries(Object.entries(allContents()).filter(([name]) => name !== SUBSCRIBERS))

const allContents = (): Record<string, number> => Object.assign({}, ...Array.from(pools, (pool) => contents(pool)))

/** What the process holds: fibers, subscribers, and what keeps the event loop alive, by kind. */
const holdings = (): Record<string, number> => {
  // Some parts of the node subscribe for as long as it lives.
  const found: Record<string, number> = { fibers, subscribers: allContents()[SUBSCRIBERS] ?? 0 }
  for (const kind of process.getActiveResourcesInfo()) found[kind] = (found[kind] ?? 0) + 1
  return found
}

const heap = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

// --- what happens ---

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Waits until there is no more than before, or for as long as that may take; tells what there is more. */
const left = async (before: Record<string, number> | undefined): Promise<ReadonlyArray<string>> => {
  const began = performance.now()
  while (true) {
    const ofPool = poolContents()
    const now = { ...holdings(), ...ofPool }
    const more = Object.entries(now).filter(
      ([name, count]) => count > (before === undefined ? Infinity : (before[name] ?? 0))
    )
    const isQuiet = more.length === 0 && Object.keys(ofPool).length === 0
    if (isQuiet || performance.now() - began > PATIENCE) return more.map(([name, count]) => `${name}: ${count}`)
    await sleep(50)
  }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const churn = async (port: number, host: string): Promise<boolean> => {
  const octets = host.split(".")
  const peers = new ChurnPeers({ host, port }, `127.${Number(octets[1]) + 64}.${octets[2]}`)
  const all: Record<string, number> = {}
  const heaps: Array<number> = []
  try {
    // Output is opened when it is first used, and belongs to what there was.
    console.log(`${connections} connections to ${host}:${port}`)
    await peers.run(WARM_UP)
    await left(undefined)
    await sleep(500)
    const before = holdings()
    const began = performance.now()
    for (let sample = 1; sample <= SAMPLES; sample++) {
      const ends: Ends = await peers.run(Math.ceil(connections / SAMPLES))
      for (const [end, count] of Object.entries(ends)) all[end] = (all[end] ?? 0) + count
      heaps.push(heap())
      const seconds = (performance.now() - began) / 1_000
      console.log(`${(sample * 100) / SAMPLES} %: ${seconds.toFixed(1)} s, heap ${heaps.at(-1)!.toFixed(1)} MiB`)
    }
    console.table(all)
    const remaining = await left(before)
    for (const what of remaining) console.log(`LEFT ${what}`)
    const half = SAMPLES / 2
    const growth = median(heaps.slice(half)) - median(heaps.slice(0, half))
    console.log(`heap of the second half against the first: ${growth >= 0 ? "+" : ""}${growth.toFixed(2)} MiB`)
    if (remaining.length === 0) console.log(`nothing left: ${JSON.stringify(holdings())}`)
    return remaining.length === 0 && growth < TOLERATED_GROWTH
  } finally {
    peers.stop()
  }
}

const host = `127.${64 + (process.pid % 64)}.${(process.pid >> 6) % 256}.1`
const node = TimeNode.layerWith({
  // These peers would be banned after the tenth torn line, and nobody would come any more.
  peerGuard: PeerGuard.layerTest()
}).pipe(
  Layer.provide(NodeConfig.layerTest({ listen: { host, port: 0 }, localAddress: peerId(host)! })),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error")),
  Layer.provideMerge(countFibers)
)
const program = Effect.gen(function* () {
  yield* (yield* Blockchain).connect(readChain().slice(1, 200))
  const { listening } = yield* PeerNetwork
  return yield* Effect.promise(() => churn(listening!.port, host))
})
const isClean = await Effect.runPromise(program.pipe(Effect.provide(node)))
process.exitCode = isClean ? 0 : 1
