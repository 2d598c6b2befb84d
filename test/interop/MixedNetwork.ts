/**
 * Two `timed`, one of each build, and two timenodes, on one clock, in a ring in which neighbours are of different kind.
 *
 * The ring makes blocks. `first` (1e6d414) knows three active masternodes: itself, and both timenodes. When it is three
 * blocks late it makes them, its address being the lowest, and timenodes that ask it get them. At other marks it
 * announces one block to those who dialled it and forgets it; a timenode that dialled it takes the block, and `first`
 * gets it back from the timenode that it dialled itself. `second` (e9e4319) answers nobody, so that it is the dialler of
 * both its links; it asks for heights. It is no masternode, so that no two nodes ever make blocks.
 *
 *      first  <--  north
 *        |      /     ^
 *        v    v       |        north and south: timenode, which are linked, too, so that
 *      south  <--  second      what only one of them is told or asks for reaches the other
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { stripVTControlCharacters } from "node:util"
import { loopbackNet } from "../support/loopback.ts"
import { rpc, type SharedClock, timed, timenode } from "./Processes.ts"

export interface Member {
  readonly name: string
  readonly kind: "timed" | "timenode"
  readonly ip: string
  readonly rpc: string
  readonly pid: number
  /** All it has logged so far. */
  readonly log: () => string
}

/** Starts all four. `links` are the pairs that have to be connected, by address. */
export const mixedNetwork = Effect.gen(function* () {
  const net = yield* loopbackNet
  const clock: SharedClock = { epoch: GENESIS + 30, anchor: Math.floor(Date.now() / 1000), speed: SPEED }
  const [firstIp, northIp, southIp, secondIp] = [net.ip(2), net.ip(3), net.ip(4), net.ip(5)]
  const [north, south] = yield* Effect.all(
    [
      timenode({ ip: northIp, clock, peers: [firstIp, southIp], masternode: true }),
      timenode({ ip: southIp, clock, peers: [], masternode: true })
    ],
    { concurrency: 2 }
  )
  const first = yield* timed({ ip: firstIp, clock, peers: [southIp], masternode: true, build: "1e6d414" })
  const second = yield* timed({ ip: secondIp, clock, peers: [northIp, southIp], build: "e9e4319" })
  const ofTimed = (node: { readonly log: string }) => () => stripVTControlCharacters(readFileSync(node.log, "utf8"))
  const members: ReadonlyArray<Member> = [
    { ...first, name: "timed 1e6d414", kind: "timed", ip: firstIp, log: ofTimed(first) },
    { ...second, name: "timed e9e4319", kind: "timed", ip: secondIp, log: ofTimed(second) },
    { ...north, name: "timenode north", kind: "timenode", ip: northIp },
    { ...south, name: "timenode south", kind: "timenode", ip: southIp }
  ]
  const links = [
    [northIp, firstIp],
    [firstIp, southIp],
    [secondIp, northIp],
    [secondIp, southIp],
    [northIp, southIp]
  ] as const
  return { members, links, clock }
})

export interface Tip {
  readonly height: number
  readonly hash: string
}

export const tipOf = (member: Member) =>
  Effect.map(rpc(member.rpc, "getblockchaininfo"), ({ bestblockhash, blocks }): Tip => ({
    height: blocks,
    hash: bestblockhash
  }))

/** The hash of a block that the member has. `timed` has no other way to tell it than the block on top. */
export const hashAt = Effect.fnUntraced(function* (member: Member, height: number) {
  const tip = yield* tipOf(member)
  if (tip.height === height) return tip.hash
  return (yield* rpc(member.rpc, "getblock", [height + 1])).previousblockhash as string
})

/** The height that is due by the clock of the network. */
export const dueHeight = ({ anchor, epoch, speed }: SharedClock): number =>
  Math.floor((epoch + (Date.now() / 1000 - anchor) * speed - GENESIS) / 600)

/** How much faster the network's clock runs. */
export const SPEED = 20

// --- internal ---

const GENESIS = 1_764_547_200
