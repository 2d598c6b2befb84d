/**
 * Plays the peers of a recording to a node of ours, on the recording's own clock, and keeps what the node answered.
 *
 * A recording names its peers in its notes; each connection becomes a session here, with what `timed` answered on it
 * and what the node does. Only answers are kept: Ack, Pong and the responses of Exchange.
 */
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import type { RemotePeer } from "../../src/layers/registry/RemotePeer.ts"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import { requestAnsweredBy } from "../../src/protocol/Exchange.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Entry, message, transcript } from "./Transcript.ts"

/** One connection of a recording. */
export interface Session {
  /** What the recording says this connection is about. */
  readonly title: string
  /** What `timed` answered. A line that was cut when it was recorded is kept as text. */
  readonly expected: ReadonlyArray<Message | string>
  readonly actual: ReadonlyArray<Message>
  /** Whether the node had closed the connection when `timed` had. */
  readonly closed: { readonly expected: boolean; readonly actual: boolean }
}

/** The recording's node: a masternode, known by this address. */
export const OWN_ADDRESS = "127.0.0.2"
/** The clock of the recordings at their first line, give or take a few seconds. */
export const STARTED_AT = 1_795_478_100_000

export const node = TimeNode.layerWith<never, MemoryPeerRegistry.Driver>({ peers: MemoryPeerRegistry.layer })

export const configured = (peers: ReadonlyArray<string> = []) =>
  node.pipe(
    Layer.provide(
      NodeConfig.layerTest({
        listen: { host: OWN_ADDRESS, port: 24_100 },
        externalAddress: peerId(OWN_ADDRESS)!,
        localAddress: peerId(OWN_ADDRESS)!,
        peers: peers.map((peer) => ({ peer: peerId(peer)!, port: 24_100 })),
        masternode: { enabled: true, tier: "Free", rewardAddress: "" }
      })
    )
  )

export const isAnswer = ({ _tag }: Message): boolean => requestAnsweredBy(_tag) !== undefined

/** Lets time pass up to a moment of the recording, and everything that is due by then happen. */
export const passTime = Effect.fnUntraced(function* (until: number) {
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  yield* TestClock.adjust(Math.max(0, STARTED_AT + until - now))
  yield* settle
})

/** Lets everything happen that needs no time. */
export const settle = Effect.promise(() => new Promise((done) => setImmediate(done))).pipe(
  Effect.andThen(Effect.yieldNow),
  Effect.repeat({ times: 20 })
)

export const replay = Effect.fnUntraced(function* (file: string) {
  const driver = yield* MemoryPeerRegistry.Driver
  const sessions: Array<LiveSession> = []
  const open = new Map<string, LiveSession>()
  let title = file
  let address = 80

  const connect = Effect.fnUntraced(function* (name: string, from: string) {
    const session: LiveSession = {
      title: name === "client" ? title : `${title} (${name})`,
      from,
      peers: [yield* driver.dial(peerId(from)!)],
      expected: [],
      closed: { expected: false, actual: false },
      hasLeft: false
    }
    sessions.push(session)
    for (const [other, { hasLeft }] of open) if (hasLeft) open.delete(other)
    open.set(name, session)
  })

  /** The recording goes on after a line for which we, unlike `timed`, closed the connection. */
  const reconnect = Effect.fnUntraced(function* (session: LiveSession) {
    const peer = yield* driver.dial(peerId(session.from)!)
    yield* peer.sendBytes(HANDSHAKE)
    yield* settle
    peer.received.splice(0)
    session.peers.push(peer)
  })

  const play = Effect.fnUntraced(function* (entry: Entry) {
    const { from, line } = entry
    const note = from === "note" ? line : undefined
    if (note === undefined && (from === "timed" || from.startsWith("timed->"))) {
      const session = open.get(from === "timed" ? "client" : from.slice("timed->".length))
      const said = message(line)
      if (said === undefined || isAnswer(said)) session?.expected.push(said ?? line)
      return
    }
    if (note === undefined) {
      const session = open.get(from)
      if (session === undefined) return
      if (session.peers.at(-1)!.isClosed && !session.closed.expected) yield* reconnect(session)
      const peer = session.peers.at(-1)!
      for (const bytes of chunksOf(entry)) {
        yield* peer.sendBytes(bytes)
        yield* settle
      }
      if (entry.terminator === "") yield* peer.end
      yield* settle
      return
    }
    title = /^=== (.*) \(from/.exec(note)?.[1] ?? /^=== (.*)/.exec(note)?.[1] ?? title
    const named = /\(?from ([0-9.]+)/.exec(note)?.[1]
    if (named !== undefined) address = Number(named.split(".").at(-1))
    const connected = /^(\w+) connected to timed/.exec(note)?.[1]
    if (connected !== undefined) {
      // A second client of a recording is another peer, except where the note says that the address is the same.
      const own = connected === "other" ? address + 100 : address
      yield* connect(connected, `127.0.0.${own}`)
    }
    const gone = /^timed(?:->(\w+))? closed the connection/.exec(note)
    const left = /^(\w+) closes$/.exec(note)?.[1]
    const session = open.get(left ?? gone?.[1] ?? closedByNode(open))
    if (session === undefined || session.hasLeft) return
    yield* settle
    if (gone !== null) {
      session.closed = { expected: true, actual: session.peers.at(-1)!.isClosed }
    } else if (left !== undefined) {
      session.hasLeft = true
      yield* session.peers.at(-1)!.close
      yield* settle
    }
  })

  for (const entry of transcript(file)) {
    yield* passTime(entry.at)
    yield* play(entry)
  }
  yield* settle
  return sessions.map(({ closed, expected, peers, title }): Session => ({
    title,
    expected,
    actual: peers.flatMap(({ received }) => received.filter(isAnswer)),
    closed
  }))
})

// --- internal ---

interface LiveSession {
  readonly title: string
  readonly from: string
  readonly peers: Array<RemotePeer>
  readonly expected: Array<Message | string>
  closed: { readonly expected: boolean; readonly actual: boolean }
  /** The peer has closed the connection: what the node does then is no difference. */
  hasLeft: boolean
}

const HANDSHAKE = `{"Handshake":{"magic":[84,73,77,69],"protocol_version":1,"network":"Testnet"}}\n`

/**
 * Whose connection `timed` closed, where the note does not say: that of a peer that has just left, which is no news, or
 * else the one opened last.
 */
const closedByNode = (open: ReadonlyMap<string, LiveSession>): string => {
  const [left] = Array.from(open).find(([, { hasLeft }]) => hasLeft) ?? []
  return left ?? Array.from(open.keys()).at(-1) ?? ""
}

/** The bytes of an entry as they were written. Entries with a remark about how they were sent are raw. */
const chunksOf = (entry: Entry): ReadonlyArray<string> => {
  const line = entry.abridged ? restored(entry.line) : entry.line
  if (entry.remark === "sent byte by byte") return [...line, "\n"]
  const raw = entry.remark === "first half" || entry.remark === "second half" || entry.remark === "one write"
  return [raw ? line : line + entry.terminator]
}

/** The one line that was cut: a candidate of so many letters. */
const restored = (line: string): string =>
  line.replace(/(\w)\1*… \((\d+) \w\)/, (_, letter: string, count: string) => letter.repeat(Number(count)))
