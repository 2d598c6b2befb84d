/**
 * How fast a fresh node copies a chain: from several nodes on loopback, with full validation, into SQLite.
 * `npm run bench -- sync [--blocks 20000] [--peers 4] [--timed] [--rounds 3] [--profile DIR]`.
 *
 * The chain is made once and kept in the system's folder for temporary files; `--blocks 0` leaves it out. The table has a
 * row for each tenth of it, with what a block of that tenth cost the node in CPU time and the memory at its end. With
 * `--timed`, and ../shared (or $TIMENODE_SHARED), the network's own node copies the recorded chain from another of its
 * kind in the same run, by turns with this node: compare these figures with each other, never with another day's.
 * `--profile` names a directory for CPU profiles of the copying nodes.
 */
import { type ChildProcess, execFileSync } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { Effect, Exit, Scope } from "effect"
import { type PeerAddress, peerId } from "../src/protocol/PeerId.ts"
import { type LoopbackNet, loopbackNet } from "../test/support/loopback.ts"
import { makeChain } from "./sync/MadeChain.ts"
import { next, type Sample, startNode } from "./sync/SyncProcess.ts"

const root = resolve(import.meta.dirname, "..")
const shared = resolve(process.env["TIMENODE_SHARED"] ?? join(root, "../shared"))
const { values: flags } = parseArgs({
  options: {
    blocks: { type: "string", default: "20000" },
    peers: { type: "string", default: "4" },
    timed: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    profile: { type: "string" }
  }
})

const scope = Effect.runSync(Scope.make())
const dirs: Array<string> = []
const sources: Array<ChildProcess> = []
const scratch = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "timenode-bench-"))
  dirs.push(dir)
  return dir
}
const count = (value: number): string => Math.round(value).toLocaleString("en")

/** Copies everything up to `height` into a fresh node, and gives what it told on the way. */
const copy = async (net: LoopbackNet, height: number, due: number, peers: ReadonlyArray<PeerAddress>) => {
  const { child } = await startNode({ host: net.ip(9), dataDir: scratch(), due, peers }, flags.profile)
  const samples: Array<Sample> = []
  while ((samples.at(-1)?.height ?? 0) < height) samples.push(await next<Sample>(child))
  const ended = once(child, "exit")
  child.disconnect()
  await ended
  return samples
}

/** The last sample before the chain began to grow. */
const beginning = <S extends Pick<Sample, "height">>(samples: ReadonlyArray<S>): S =>
  samples.findLast(({ height }) => height === samples[0]!.height)!

/** Blocks a second between the first and the last growth of the chain. */
const speed = (samples: ReadonlyArray<Pick<Sample, "height" | "at">>): number => {
  const first = beginning(samples)
  const last = samples.at(-1)!
  return ((last.height - first.height) * 1_000) / (last.at - first.at)
}

/** CPU time of a block between two samples, in microseconds. */
const costOfBlock = (from: Sample, to: Sample): string =>
  ((1_000 * (to.cpu - from.cpu)) / (to.height - from.height)).toFixed(0)

const mib = (bytes: number): string => count(bytes / 2 ** 20)

const printTable = (samples: ReadonlyArray<Sample>, blocks: number): void => {
  console.log("| height | s | CPU µs a block | heap MiB | external MiB | of it buffers | resident MiB | peers |")
  console.log("| -: | -: | -: | -: | -: | -: | -: | -: |")
  let before = beginning(samples)
  for (let tenth = 1; tenth <= 10; tenth++) {
    const sample = samples.find(({ height }) => height >= (blocks * tenth) / 10)!
    const { arrayBuffers, external, heapUsed, rss } = sample.memory
    const memory = [heapUsed, external, arrayBuffers, rss].map(mib)
    const cells = [count(sample.height), (sample.at / 1_000).toFixed(1), costOfBlock(before, sample)]
    console.log(`| ${[...cells, ...memory, sample.peers].join(" | ")} |`)
    before = sample
  }
}

const fromTimenodes = async (net: LoopbackNet): Promise<void> => {
  const blocks = Number(flags.blocks)
  const chain = join(tmpdir(), `timenode-bench-chain-${blocks}`)
  await makeChain(chain, blocks)
  const peers: Array<PeerAddress> = []
  for (let number = 0; number < Number(flags.peers); number++) {
    const dataDir = scratch()
    cpSync(chain, dataDir, { recursive: true })
    const { child, listening } = await startNode({ host: net.ip(20 + number), dataDir, due: blocks, peers: [] })
    sources.push(child)
    peers.push(listening)
  }
  const samples = await copy(net, blocks, blocks, peers)
  printTable(samples, blocks)
  console.log(
    `${count(blocks)} blocks from ${peers.length} timenodes: ${count(speed(samples))} blocks/s, ` +
      `${costOfBlock(beginning(samples), samples.at(-1)!)} µs of CPU a block`
  )
}

const RECORDED = 2_601
const timeds = new Set<number>()

const endTimed = (pid: number): void => {
  timeds.delete(pid)
  process.kill(pid, "SIGKILL")
}

/** The process it runs as. */
const startTimed = (ip: string, anchor: number, archive?: string, peer?: string): number => {
  const dir = scratch()
  if (archive !== undefined) execFileSync("tar", ["-C", dir, "-xf", archive])
  const args = ["--ip", ip, "--dir", dir, "--masternode", "false", "--epoch", "1766108000", "--log", "error"]
  // Its pauses are counted by its clock: it looks for a higher chain once a minute.
  args.push("--anchor", `${anchor}`, "--speed", "20")
  if (peer !== undefined) args.push("--peers", peer)
  const pid = Number(execFileSync(join(shared, "peer/run-peer.sh"), args, { stdio: ["ignore", "pipe", "ignore"] }))
  timeds.add(pid)
  return pid
}

/** What a `timed` says of its height; undefined while it does not listen yet. */
const heightOf = async (ip: string): Promise<number | undefined> => {
  const asked = fetch(`http://${ip}:24101`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: "bench", method: "getblockcount", params: [] }),
    signal: AbortSignal.timeout(60_000)
  })
  const response = await asked.catch(() => undefined)
  return response && ((await response.json()) as { result: number }).result
}

/** The same again and again, until it has the recorded chain. */
const timedSamples = async (ip: string): Promise<ReadonlyArray<Pick<Sample, "height" | "at">>> => {
  const samples: Array<Pick<Sample, "height" | "at">> = []
  const deadline = performance.now() + 120_000
  while ((samples.at(-1)?.height ?? 0) < RECORDED) {
    if (performance.now() > deadline) throw new Error(`the timed at ${ip} does not get the chain`)
    const height = await heightOf(ip)
    if (height !== undefined) samples.push({ height, at: performance.now() })
    await sleep(5)
  }
  return samples
}

/** Each round is a pair: by this node, then by a `timed`. */
const fromTimed = async (net: LoopbackNet): Promise<void> => {
  const anchor = Math.floor(Date.now() / 1_000)
  startTimed(net.ip(2), anchor, join(shared, "peer/chains/testnet-2601.tar.xz"))
  const source: PeerAddress = { peer: peerId(net.ip(2))!, port: 24_100 }
  for (let round = 0; round < Number(flags.rounds); round++) {
    const ours = await copy(net, RECORDED, RECORDED, [source])
    const cost = costOfBlock(beginning(ours), ours.at(-1)!)
    const copying = startTimed(net.ip(30 + round), anchor, undefined, net.ip(2))
    const theirs = await timedSamples(net.ip(30 + round))
    endTimed(copying)
    console.log(
      `${count(RECORDED)} blocks from one timed: ${count(speed(ours))} blocks/s, ${cost} µs of CPU a block; ` +
        `by a timed ${count(speed(theirs))} blocks/s`
    )
  }
}

try {
  const net = await Effect.runPromise(Scope.provide(loopbackNet, scope))
  if (Number(flags.blocks) > 0) await fromTimenodes(net)
  if (flags.timed) await fromTimed(net)
} finally {
  for (const child of sources) child.kill()
  for (const pid of timeds) endTimed(pid)
  await sleep(500)
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  await Effect.runPromise(Scope.close(scope, Exit.void))
}
