/**
 * This node, the real `timed` and a bare server side by side, on the same chain, under the same load, in one run:
 * `npm run bench -- peers [--secs 3] [--rounds 3]`. Needs ../shared (or $TIMENODE_SHARED).
 *
 * Each row is asked of all three in turn, round after round; what is printed is the median of the rounds. Compare the
 * columns of a row with each other, never with another day's. The bare server gives recorded answers: it shows what the
 * system and Node cost before a node does anything.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { importChain } from "./chain/RecordedChain.ts"
import { median } from "./measure/Median.ts"

const root = resolve(import.meta.dirname, "..")
const shared = resolve(process.env["TIMENODE_SHARED"] ?? join(root, "../shared"))
const { values: flags } = parseArgs({
  options: { secs: { type: "string", default: "3" }, rounds: { type: "string", default: "3" } }
})

/** What is asked: connections, requests in flight on each, and the kind of request. */
const loads = [
  { name: "ping, 100 connections × 1", kind: "ping", conns: 100, depth: 1 },
  { name: "ping, 100 connections × 16", kind: "ping", conns: 100, depth: 16 },
  { name: "height, 100 × 16", kind: "height", conns: 100, depth: 16 },
  { name: "hash, 100 × 16", kind: "hash", conns: 100, depth: 16 },
  { name: "blocks 100–199, 1 × 4", kind: "blocks", conns: 1, depth: 4 },
  { name: "blocks 100–199, 10 × 1", kind: "blocks", conns: 10, depth: 1 },
  { name: "UTXO set, 1 × 1", kind: "utxos", conns: 1, depth: 1 },
  { name: "UTXO hash, 10 × 4", kind: "utxohash", conns: 10, depth: 4 }
]

interface Node {
  readonly name: string
  readonly address: string
  readonly pid: number
  readonly stop: () => void
}

interface Measured {
  readonly perSecond: number
  /** Server CPU a response, microseconds. */
  readonly cpu: number
  readonly p99: number
  readonly memory: number
}

const dirs: Array<string> = []
const scratch = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "timenode-bench-"))
  dirs.push(dir)
  return dir
}

/** Three octets of a network on loopback in which port 24100 is free. */
const freeNet = async (): Promise<string> => {
  while (true) {
    const net = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}`
    const isFree = await new Promise<boolean>((done) => {
      const server = createServer().once("error", () => done(false))
      server.listen(24100, `${net}.2`, () => server.close(() => done(true)))
    })
    if (isFree) return net
  }
}

const startTimed = (net: string): Node => {
  const dir = scratch()
  execFileSync("tar", ["-C", dir, "-xf", join(shared, "peer/chains/testnet-2601.tar.xz")])
  const args = ["--ip", `${net}.2`, "--dir", dir, "--masternode", "false", "--epoch", "1766108000", "--log", "error"]
  const pid = Number(execFileSync(join(shared, "peer/run-peer.sh"), args, { stdio: ["ignore", "pipe", "ignore"] }))
  return { name: "timed", address: `${net}.2:24100`, pid, stop: () => process.kill(pid, "SIGKILL") }
}

const startTimenode = async (net: string): Promise<Node> => {
  const dir = scratch()
  await importChain(dir)
  const args = ["src/bin.ts", "start", "--data-dir", dir, "--listen", `${net}.9`, "--rpc-listen", `${net}.9:24101`]
  const child = spawn(process.execPath, [...args, "--no-discovery", "--log-level", "error"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((done) => child.stdout.once("data", done))
  return { name: "timenode", address: `${net}.9:24100`, pid: child.pid!, stop: () => child.kill("SIGTERM") }
}

/** What this node answers to each kind of request, recorded for the bare server. */
const recordAnswers = async (address: string): Promise<string> => {
  const [host, port] = address.split(":") as [string, string]
  const folder = scratch()
  const requests = [
    `{"Handshake":{"magic":[84,73,77,69],"protocol_version":1,"network":"Testnet"}}`,
    `{"Ping":{"nonce":1,"timestamp":1766108000}}`,
    `"GetBlockHeight"`,
    `{"GetBlockHash":100}`,
    `{"GetBlocks":[100,199]}`,
    `"GetUTXOSet"`,
    `"GetUTXOStateHash"`
  ]
  const wanted = ["Ack", "Pong", "BlockHeightResponse", "BlockHashResponse", "BlocksResponse"]
  wanted.push("UTXOSetResponse", "UTXOStateHashResponse")
  await new Promise<void>((done) => {
    const found = new Set<string>()
    let text = ""
    const socket = connect({ host, port: Number(port), localAddress: host.replace(/\.\d+$/, ".77") })
    socket.write(`${requests.join("\n")}\n`)
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      const lines = (text + chunk).split("\n")
      text = lines.pop()!
      for (const line of lines) {
        const index = wanted.indexOf(/"([A-Za-z]+)"/.exec(line)![1]!)
        if (index < 0) continue
        writeFileSync(join(folder, /"([A-Za-z]+)"/.exec(requests[index]!)![1]!), `${line}\n`, "latin1")
        found.add(wanted[index]!)
      }
      if (found.size === wanted.length) done(void socket.destroy())
    })
  })
  return folder
}

const startRaw = async (net: string, answers: string): Promise<Node> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "peers/RawServer.ts"), `${net}.3`, answers], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((done) => child.stdout.once("data", done))
  return { name: "bare", address: `${net}.3:24100`, pid: child.pid!, stop: () => child.kill("SIGTERM") }
}

let run = 0

const measure = async (node: Node, load: (typeof loads)[number]): Promise<Measured> => {
  // Addresses of their own for every run: a node may still hold the connections of the run before.
  const base = `127.${128 + (run % 100)}.${Math.floor(run++ / 100)}.1`
  const args = ["req", "--kind", load.kind, "--conns", `${load.conns}`, "--depth", `${load.depth}`, "--base", base]
  args.push("--secs", flags.secs, "--addr", node.address, "--pid", `${node.pid}`, "--from", "100", "--to", "199")
  const { stderr, stdout } = spawnSync(join(shared, "tools/peerload/peerload"), args, { encoding: "utf8" })
  const result = JSON.parse(stdout)
  if (result.failed_conns > 0) process.stderr.write(`${node.name}, ${load.name}: ${stderr}`)
  await sleep(500)
  return {
    perSecond: result.per_s,
    cpu: (result.server_cpu_ms * 1_000) / result.responses,
    p99: result.latency_ms.p99,
    memory: result.server_rss_kib / 1_024
  }
}

const medians = (rounds: ReadonlyArray<Measured>): Measured => ({
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  cpu: median(rounds.map(({ cpu }) => cpu)),
  p99: median(rounds.map(({ p99 }) => p99)),
  memory: median(rounds.map(({ memory }) => memory))
})
const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toLocaleString("en", { maximumSignificantDigits: 3 })

/** Resident memory of each of a thousand connections that say nothing, in KiB. */
const idleMemory = (node: Node): number => {
  const args = ["idle", "--conns", "1000", "--base", "127.230.0.1", "--addr", node.address, "--pid", `${node.pid}`]
  const { stdout } = spawnSync(join(shared, "tools/peerload/peerload"), args, { encoding: "utf8" })
  return JSON.parse(stdout).kib_per_conn
}

const row = (cells: ReadonlyArray<string>): void => console.log(`| ${cells.join(" | ")} |`)

const net = await freeNet()
const nodes = [startTimed(net), await startTimenode(net)]
nodes.push(await startRaw(net, await recordAnswers(nodes[1]!.address)))
try {
  const names = nodes.map(({ name }) => name)
  row(
    ["asked", ...names.map((name) => `${name} /s`), "timenode ÷ timed", "bare ÷ timed"].concat(
      names.map((name) => `${name} CPU µs`),
      ["timenode ÷ bare", "p99 ms, timed / timenode"]
    )
  )
  row(["-", ...Array<string>(10).fill("-:")])
  for (const load of loads) {
    const rounds: ReadonlyArray<Array<Measured>> = nodes.map(() => [])
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const [index, node] of nodes.entries()) rounds[index]!.push(await measure(node, load))
    }
    const measured = rounds.map(medians)
    const [theirs, ours, bare] = measured as [Measured, Measured, Measured]
    row([
      load.name,
      ...measured.map(({ perSecond }) => number(perSecond)),
      (ours.perSecond / theirs.perSecond).toFixed(2),
      (bare.perSecond / theirs.perSecond).toFixed(2),
      ...measured.map(({ cpu }) => number(cpu)),
      (ours.cpu / bare.cpu).toFixed(2),
      `${number(theirs.p99)} / ${number(ours.p99)}`
    ])
  }
  const [theirs, ours] = nodes.map(idleMemory) as [number, number]
  console.log(`\nAn idle connection: timed ${number(theirs)} KiB, timenode ${number(ours)} KiB`)
} finally {
  for (const node of nodes) node.stop()
  await sleep(1_000)
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
}
