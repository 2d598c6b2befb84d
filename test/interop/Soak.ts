/**
 * Watches a mixed network for a while and judges it: links stay, chains grow and stay equal, nobody is banned, memory
 * is flat.
 *
 * A link that ends is a drop whoever ended it: in a network in which every node is alive and nothing is lost, no rule
 * of either side ends one. Drops are taken from the system's sockets and from the logs of both kinds.
 */
import { Clock, Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { dueHeight, hashAt, type Member, mixedNetwork, SPEED, tipOf } from "./MixedNetwork.ts"
import { until } from "./Processes.ts"
import { connections, peerSockets } from "./Sockets.ts"

export interface SoakReport {
  readonly seconds: number
  readonly addresses: ReadonlyArray<string>
  /** Blocks on every chain at the end. */
  readonly blocks: number
  readonly checkpoints: number
  readonly connections: ReadonlyArray<string>
  /** Times by reason; those of `timed` by the words of its log. */
  readonly drops: ReadonlyMap<string, number>
  readonly bans: number
  /** Resident memory of our nodes in MiB: after the start, in the middle, at the end. */
  readonly memory: ReadonlyArray<readonly [name: string, start: number, middle: number, end: number]>
  /** What is wrong, one sentence each. Empty when all is well. */
  readonly faults: ReadonlyArray<string>
}

/** Runs a network of its own for so long, in real time. `progress` gets a line a minute. */
export const soak = Effect.fn("soak")(function* (minutes: number, progress: (line: string) => void) {
  const network = yield* mixedNetwork
  const { clock, links, members } = network
  const addresses = members.map(({ ip }) => ip)
  const faults: Array<string> = []
  const nodes = members.filter(({ kind }) => kind === "timenode")
  const isTimed = (ip: string | undefined) => members.some((member) => member.ip === ip && member.kind === "timed")
  /** Without what two `timed` have between them, which is their affair. */
  const sockets = () => new Set([...connections(peerSockets(addresses))].filter((name) => !endsOf(name).every(isTimed)))

  yield* until(
    "all are connected",
    Effect.sync(() => links.every(([a, b]) => linkOf(sockets(), a, b).length === 1)),
    30
  )
  // At its next round, two minutes of its time later, a timed dials the masternodes it has heard of by then.
  yield* Effect.sleep(`${(150 / SPEED) * 1000} millis`)
  let standing = sockets()
  const logged = new Map(members.map((member) => [member, member.log().length]))
  const drops = new Map<string, number>()
  const memory = new Map(nodes.map((node) => [node, [] as Array<number>]))
  /** A node that cannot be asked is a fault to report, not the end of the report. */
  const fault =
    <A>(where: string, instead: A) =>
    (error: unknown): Effect.Effect<A> =>
      Effect.sync(() => {
        faults.push(`${where}: ${error instanceof Error ? error.message : String(error)}`)
        return instead
      })
  const count = (reason: string) => drops.set(reason, (drops.get(reason) ?? 0) + 1)

  const began = yield* Clock.currentTimeMillis
  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - began)
  let checkpoints = 0
  let sample = 0
  while ((yield* elapsed) < minutes * 60_000) {
    yield* Effect.sleep("1 second")
    const now = yield* socketsNow(sockets, standing)
    for (const gone of missing(standing, now)) {
      count("socket closed")
      faults.push(`${gone} ended after ${seconds(yield* elapsed)} s`)
    }
    for (const fresh of missing(now, standing)) faults.push(`${fresh} is new after ${seconds(yield* elapsed)} s`)
    for (const [a, b] of links) {
      const double = linkOf(now, a, b)
      if (double.length > 1) faults.push(`${a} and ${b} have ${double.length} connections`)
    }
    standing = now
    for (const [node, sizes] of memory) sizes.push(residentOf(node))
    if (++sample % SAMPLES_PER_CHECKPOINT === 0) {
      const heights = yield* compareChains(members, faults).pipe(Effect.catch(fault("a checkpoint", [NaN])))
      checkpoints++
      progress(
        `${seconds(yield* elapsed)} s: heights ${heights.join(" ")}, due ${dueHeight(clock)}, ` +
          `${standing.size} connections, ${[...drops.values()].reduce((a, b) => a + b, 0)} drops, ` +
          `memory ${nodes.map((node) => `${memory.get(node)!.at(-1)} MiB`).join(" ")}`
      )
    }
    if (faults.length > TOO_MANY) break
  }

  // Whoever has blocks later than others gets them by asking for heights, every minute of the network's time.
  yield* until(
    "all have the same chain",
    Effect.map(
      Effect.forEach(members, tipOf),
      (tips) => new Set(tips.map(({ hash, height }) => `${height} ${hash}`)).size === 1
    ),
    30
  ).pipe(Effect.catch(fault("at the end", undefined)))
  const heights = yield* Effect.forEach(members, heightOf).pipe(Effect.catch(fault("at the end", [0])))
  const blocks = Math.min(...heights)
  // Made in threes, when they are late; some minutes pass until the first are.
  if (blocks < dueHeight(clock) - BLOCKS_BEHIND) faults.push(`only ${blocks} of ${dueHeight(clock)} blocks were made`)

  let bans = 0
  for (const member of members) {
    const lines = member.log().slice(logged.get(member)).split("\n")
    for (const line of lines) {
      const reason = member.kind === "timenode" ? ownDrop(line) : timedDrop(line)
      if (reason !== undefined) {
        count(`${member.name}: ${reason}`)
        faults.push(`${member.name} logged: ${line.trim()}`)
      }
      if (member.kind === "timenode" && /level=(WARN|ERROR)/.test(line)) faults.push(`${member.name} logged: ${line}`)
    }
    const banned = member.log().split("\n").filter(isBan)
    bans += banned.length
    faults.push(...banned.map((line) => `${member.name} logged: ${line.trim()}`))
  }

  const sizes = Array.from(memory, ([node, sizes]) => [node.name, ...thirds(sizes)] as const)
  for (const [name, , middle, end] of minutes >= MINUTES_TO_JUDGE_MEMORY ? sizes : []) {
    if (end > middle * 1.1 + 4) faults.push(`${name} grew from ${middle} to ${end} MiB`)
  }
  return {
    seconds: seconds(yield* elapsed),
    addresses,
    blocks,
    checkpoints,
    connections: [...standing],
    drops,
    bans,
    memory: sizes,
    faults
  } satisfies SoakReport
}, Effect.scoped)

/** The report for a reader. */
export const reportText = (report: SoakReport): string =>
  [
    `duration     ${report.seconds} s, ${((report.seconds * SPEED) / 3600).toFixed(1)} h of the nodes' time`,
    `blocks       ${report.blocks} on all four chains, compared at ${report.checkpoints} checkpoints and at the end`,
    `connections  ${report.connections.length}`,
    ...report.connections.map((name) => `             ${name}`),
    `drops        ${report.drops.size === 0 ? "none" : ""}`,
    ...Array.from(report.drops, ([reason, times]) => `             ${times} x ${reason}`),
    `bans         ${report.bans}`,
    ...report.memory.map(([name, ...sizes]) => `memory       ${name}: ${sizes.join(" -> ")} MiB`),
    `faults       ${report.faults.length}`,
    ...report.faults.slice(0, TOO_MANY).map((fault) => `             ${fault}`)
  ].join("\n")

// --- internal ---

/**
 * The connections that are there. The system's table is read in pieces while it changes, and a reading can miss some:
 * one is gone when several readings in a row do not show it. It never comes back with the same port.
 */
const socketsNow = Effect.fnUntraced(function* (read: () => Iterable<string>, before: ReadonlySet<string>) {
  const now = new Set(read())
  for (let again = 0; again < 5 && missing(before, now).length > 0; again++) {
    yield* Effect.sleep("100 millis")
    for (const socket of read()) now.add(socket)
  }
  return now
})

const SAMPLES_PER_CHECKPOINT = 60
const TOO_MANY = 50
/** Three of a burst, the one that is due since a moment, and the burst that began a moment ago. */
const BLOCKS_BEHIND = 5
/** A process is warm after some minutes, and its collector takes its time. */
const MINUTES_TO_JUDGE_MEMORY = 15

const seconds = (milliseconds: number): number => Math.round(milliseconds / 1000)

const missing = (from: ReadonlySet<string>, there: ReadonlySet<string>): ReadonlyArray<string> =>
  [...from].filter((name) => !there.has(name))

/** The addresses of a connection's ends, the dialler's first. */
const endsOf = (name: string): ReadonlyArray<string> => name.split(" -> ").map((end) => end.split(":")[0]!)

const linkOf = (names: ReadonlySet<string>, a: string, b: string): ReadonlyArray<string> =>
  [...names].filter((name) => endsOf(name).includes(a) && endsOf(name).includes(b))

const heightOf = (member: Member) => Effect.map(tipOf(member), ({ height }) => height)

/** All chains are one up to the lowest tip. Returns the heights. */
const compareChains = Effect.fnUntraced(
  function* (members: ReadonlyArray<Member>, faults: Array<string>) {
    const heights = yield* Effect.forEach(members, (member) => Effect.map(tipOf(member), ({ height }) => height))
    const common = Math.min(...heights)
    const hashes = yield* Effect.forEach(members, (member) => hashAt(member, common))
    if (new Set(hashes).size > 1) faults.push(`different blocks at height ${common}: ${hashes.join(" ")}`)
    return heights
  },
  Effect.retry({ times: 2 })
)

const ownDrop = (line: string): string | undefined => /Released \S+ from PeerRegistry: (\w+)/.exec(line)?.[1]

const timedDrop = (line: string): string | undefined =>
  /disconnected \(EOF\)|unresponsive after 3 missed pongs|Connection to \S+ failed/.exec(line)?.[0]

/** A line about a ban or an offence that counts towards one. */
const isBan = (line: string): boolean =>
  /PERMANENTLY BANNED|Auto-banned|Violation #|blacklisted IP|: banned"/.test(line)

/** In MiB; 0 when it has ended. */
const residentOf = ({ pid }: Member): number => {
  const status = `/proc/${pid}/status`
  if (!existsSync(status)) return 0
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(status, "latin1"))?.[1] ?? 0) / 1024)
}

/** The mean of the first sixth, of the middle, and of the last sixth. */
const thirds = (sizes: ReadonlyArray<number>): readonly [number, number, number] => {
  const part = Math.max(1, Math.floor(sizes.length / 6))
  const mean = (from: number) => Math.round(sizes.slice(from, from + part).reduce((sum, size) => sum + size, 0) / part)
  return [mean(0), mean(Math.floor((sizes.length - part) / 2)), mean(sizes.length - part)]
}
