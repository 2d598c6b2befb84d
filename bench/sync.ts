/**
 * How fast a fresh node copies a chain: from several nodes on loopback, with full validation, into SQLite.
 * `npm run bench -- sync [--blocks 20000] [--peers 4] [--timed]`.
 *
 * The chain is made once and kept in the system's folder for temporary files. With `--timed`, and ../shared (or
 * $TIMENODE_SHARED), the network's own node copies the recorded chain from another of its kind in the same run, and so
 * does this node: compare these two figures with each other, never with another day's.
 */
import { execFileSync } from "node:child_process"
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
    timed: { type: "boolean", default: false }
  }
})

const scope = Effect.runSync(Scope.make())
const dirs: Array<string> = []
const cleanups: Array<() => void> = []
const scratch = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "timenode-bench-"))
  dirs.push(dir)
  return dir
}
const count = (value: number): string => Math.round(value).toLocaleString("en")

/** Copies everything up to `height` into a fresh node, and gives what it told on the way. */
const copy = async (net: LoopbackNet, height: number, due: number, peers: ReadonlyArray<PeerAddress>) => {
  const { child } = await startNode({ host: net.ip(9), dataDir: scratch(), due, peers })
  const samples: Array<Sample> = []
  while ((samples.at(-1)?.height ?? 0) < height) samples.push(await next<Sample>(child))
  child.kill()
  return samples
}

/** Blocks a second between the first and the last growth of the chain. */
const speed = (samples: ReadonlyArray<Pick<Sample, "height" | "at">>): number => {
  const first = samples.findLast(({ height }) => height === samples[0]!.height)!
  const last = samples.at(-1)!
  return ((last.height - first.height) * 1_000) / (last.at - first.at)
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
    cleanups.push(() => child.kill())
    peers.push(listening)
  }
  const samples = await copy(net, blocks, blocks, peers)
  for (let tenth = 1; tenth <= 10; tenth++) {
    const { at, heap, height, peers, resident } = samples.find(({ height }) => height >= (blocks * tenth) / 10)!
    console.log(
      `${(at / 1_000).toFixed(1)} s: height ${count(height)}, ${count(resident)} MiB resident, ${count(heap)} MiB heap, ${peers} peers`
    )
  }
  const { at, cpu } = samples.at(-1)!
  console.log(
    `${count(blocks)} blocks from ${peers.length} timenodes: ${count(speed(samples))} blocks/s, ` +
      `${Math.round((100 * cpu) / at)} % of a core`
  )
}

const RECORDED = 2_601

const startTimed = (ip: string, anchor: number, archive?: string, peer?: string): void => {
  const dir = scratch()
  if (archive !== undefined) execFileSync("tar", ["-C", dir, "-xf", archive])
  const args = ["--ip", ip, "--dir", dir, "--masternode", "false", "--epoch", "1766108000", "--log", "error"]
  // Its pauses are counted by its clock: it looks for a higher chain once a minute.
  args.push("--anchor", `${anchor}`, "--speed", "20")
  if (peer !== undefined) args.push("--peers", peer)
  const pid = execFileSync(join(shared, "peer/run-peer.sh"), args, { stdio: ["ignore", "pipe", "ignore"] })
  cleanups.push(() => void process.kill(Number(pid), "SIGKILL"))
}

/** What a `timed` says of its height, until it has the recorded chain. */
const timedSamples = async (ip: string): Promise<ReadonlyArray<Pick<Sample, "height" | "at">>> => {
  const samples: Array<Pick<Sample, "height" | "at">> = []
  while ((samples.at(-1)?.height ?? 0) < RECORDED) {
    const response = await fetch(`http://${ip}:24101`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: "bench", method: "getblockcount", params: [] }),
      signal: AbortSignal.timeout(60_000)
    })
    samples.push({ height: ((await response.json()) as { result: number }).result, at: performance.now() })
    await sleep(5)
  }
  return samples
}

const fromTimed = async (net: LoopbackNet): Promise<void> => {
  const anchor = Math.floor(Date.now() / 1_000)
  startTimed(net.ip(2), anchor, join(shared, "peer/chains/testnet-2601.tar.xz"))
  const source: PeerAddress = { peer: peerId(net.ip(2))!, port: 24_100 }
  const ours = await copy(net, RECORDED, RECORDED, [source])
  console.log(`${count(RECORDED)} blocks from one timed: ${count(speed(ours))} blocks/s`)
  startTimed(net.ip(3), anchor, undefined, net.ip(2))
  console.log(`the same, by a timed: ${count(speed(await timedSamples(net.ip(3))))} blocks/s`)
}

try {
  const net = await Effect.runPromise(Scope.provide(loopbackNet, scope))
  await fromTimenodes(net)
  if (flags.timed) await fromTimed(net)
} finally {
  for (const cleanup of cleanups) cleanup()
  await sleep(500)
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  await Effect.runPromise(Scope.close(scope, Exit.void))
}
