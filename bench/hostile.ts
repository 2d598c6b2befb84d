/**
 * What each kind of bad peer costs honest ones:
 * `npm run bench -- hostile [--secs 5] [--pairs 5] [--only flood,silent]`.
 *
 * A node that serves the chain testnet-2601 runs all the time; twenty honest peers ping. For every kind they are
 * measured by turns without and with the bad ones, in pairs; a row is the median of the pairs, and honest peers, bad
 * peers and the node are processes of their own. `slow …` is driven by the load generator of ../shared (or
 * $TIMENODE_SHARED). Kinds that are cut off late are measured for as long as that takes. Without the load generator, peers of our own do the same.
 */
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs, promisify } from "node:util"
import { importChain } from "./chain/RecordedChain.ts"
import * as Limits from "../src/protocol/Limits.ts"
import { type BadKindName, badKinds, type Fate } from "../test/support/hostile/BadPeers.ts"
import { PeersProcess } from "../test/support/hostile/PeersProcess.ts"
import type { Target } from "../test/support/hostile/RawPeer.ts"
import { median } from "./measure/Median.ts"

const root = resolve(import.meta.dirname, "..")
const peerload = join(resolve(process.env["TIMENODE_SHARED"] ?? join(root, "../shared")), "tools/peerload/peerload")
const { values: flags } = parseArgs({
  options: {
    secs: { type: "string", default: "5" },
    pairs: { type: "string", default: "5" },
    only: { type: "string", default: "" }
  }
})
const HONEST = 20

interface Node {
  readonly pid: number
  readonly target: Target
  readonly stop: () => Promise<void>
}

/** What honest peers got in one run, and what became of the bad ones. */
interface Run {
  readonly perSecond: number
  readonly p99: number
  readonly lost: number
  readonly fate?: Fate
}

interface Kind {
  readonly name: string
  /** The least time that shows the cut, in seconds. */
  readonly seconds: number
  readonly alone: (node: Node, seconds: number) => Promise<Run>
  readonly beside: (node: Node, seconds: number) => Promise<Run>
}

let nets = 0
/** A network of loopback for every crowd: an address that is banned, or not yet free, spoils no other run. */
const nextNet = (): string => {
  nets++
  return `127.${128 + ((process.pid + (nets >> 8)) % 64)}.${nets & 255}`
}

const startNode = async (): Promise<Node> => {
  const dir = mkdtempSync(join(tmpdir(), "timenode-bench-"))
  const host = `127.${64 + (process.pid % 64)}.${(process.pid >> 6) % 256}.9`
  await importChain(dir)
  // It takes the addresses it is told and dials none of them.
  const args = ["start", "--data-dir", dir, "--listen", `${host}:0`, "--rpc-listen", `${host}:0`, "--max-peers", "0"]
  const child = spawn(process.execPath, ["src/bin.ts", ...args, "--log-level", "error"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ready = await new Promise<string>((done) => child.stdout.once("data", (data: Buffer) => done(data.toString())))
  const port = Number(/p2p=[\d.]+:(\d+)/.exec(ready)?.[1])
  const stop = async (): Promise<void> => {
    const gone = new Promise((done) => child.once("exit", done))
    child.kill("SIGTERM")
    await gone
    rmSync(dir, { recursive: true })
  }
  return { pid: child.pid!, target: { host, port }, stop }
}

/** Resident memory of the node, in MiB. */
const memory = ({ pid }: Node): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024

const measure = async ({ target }: Node, seconds: number, kind?: BadKindName): Promise<Run> => {
  const honest = await PeersProcess.start({ target, net: nextNet(), peers: HONEST })
  await sleep(500)
  // The measurement begins first: how the bad ones come is a part of what they cost.
  const measured = honest.measure(seconds * 1_000)
  const bad = kind === undefined ? undefined : await PeersProcess.start({ target, net: nextNet(), peers: kind })
  const served = await measured
  const fate = await bad?.fate()
  await Promise.all([honest.stop(), bad?.stop()])
  return fate === undefined ? served : { ...served, fate }
}

const load = async ({ target }: Node, seconds: number, args: ReadonlyArray<string>): Promise<Run> => {
  const common = ["--addr", `${target.host}:${target.port}`, "--base", `${nextNet()}.1`, "--secs", `${seconds}`]
  const { stdout } = await promisify(execFile)(peerload, [...args, ...common, "--from", "100", "--to", "199"])
  const result = JSON.parse(stdout)
  const run = { perSecond: result.per_s, p99: result.latency_ms.p99, lost: result.failed_conns }
  if (result.stuck === undefined) return run
  return { ...run, fate: { joined: result.stuck, cut: result.stuck_cut_off, lastCutAfter: null } }
}

const drainSeconds = Limits.DRAIN_TIMEOUT / 1_000 + 3
const slow = (kind: string): Kind => ({
  name: `slow ${kind}`,
  seconds: drainSeconds,
  alone: (node, seconds) => load(node, seconds, ["req", "--kind", "ping", "--conns", `${HONEST}`, "--depth", "1"]),
  beside: (node, seconds) => load(node, seconds, ["slow", "--kind", kind, "--stuck", "20", "--conns", `${HONEST}`])
})

const LATE: Partial<Record<BadKindName, number>> = {
  blocks: drainSeconds,
  utxos: drainSeconds,
  silent: Limits.HANDSHAKE_TIMEOUT / 1_000 + 3
}
const ofLoadGenerator = existsSync(peerload) ? [slow("blocks"), slow("utxos")] : []
const own = (Object.keys(badKinds) as ReadonlyArray<BadKindName>).filter(
  (name) => !ofLoadGenerator.some((kind) => kind.name === `slow ${name}`)
)
const kinds: ReadonlyArray<Kind> = [
  ...ofLoadGenerator,
  ...own.map((name) => ({
    name,
    seconds: LATE[name] ?? 0,
    alone: (node: Node, seconds: number) => measure(node, seconds),
    beside: (node: Node, seconds: number) => measure(node, seconds, name)
  }))
]

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toLocaleString("en", { maximumSignificantDigits: 3 })

const row = async (node: Node, kind: Kind): Promise<string> => {
  const runs: Array<readonly [alone: Run, beside: Run]> = []
  const seconds = Math.max(Number(flags.secs), kind.seconds)
  const atFirst = memory(node)
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, memory(node))), 100)
  for (let pair = 0; pair < Number(flags.pairs); pair++) {
    const alone = await kind.alone(node, seconds)
    const beside = await kind.beside(node, seconds)
    runs.push([alone, beside])
    // What the bad ones left behind in the system's buffers is worked off.
    await sleep(1_000)
  }
  clearInterval(watch)
  const of = (pick: (run: Run) => number) =>
    [median(runs.map(([alone]) => pick(alone))), median(runs.map(([, beside]) => pick(beside)))] as const
  const [rateAlone, rateBeside] = of(({ perSecond }) => perSecond)
  const [p99Alone, p99Beside] = of(({ p99 }) => p99)
  const fates = runs.map(([, { fate }]) => fate!)
  const cut = `${median(fates.map((fate) => fate.cut))} of ${median(fates.map(({ joined }) => joined))}`
  const after = fates.map(({ lastCutAfter }) => lastCutAfter).filter((time) => time !== null)
  const cells = [kind.name, number(rateAlone), number(rateBeside), (rateBeside / rateAlone).toFixed(2)]
  cells.push(number(p99Alone), number(p99Beside), `${Math.round(atFirst)} / ${Math.round(most)}`, cut)
  cells.push(after.length === 0 ? "" : number(median(after)), `${runs.reduce((sum, [, { lost }]) => sum + lost, 0)}`)
  return `| ${cells.join(" | ")} |`
}

const wanted = flags.only === "" ? kinds : kinds.filter(({ name }) => flags.only.split(",").includes(name))
const node = await startNode()
try {
  console.log("| bad peers | alone /s | beside /s | ratio | p99 ms | beside | MiB before / most | cut | ms | lost |")
  console.log("| - | -: | -: | -: | -: | -: | -: | -: | -: | -: |")
  for (const kind of wanted) console.log(await row(node, kind))
} finally {
  await node.stop()
}
