/**
 * The recorded listener that a `timed` dialled, played to this node: it asks as often as `timed` asked what `timed` asked,
 * and ends with the listener's blocks.
 *
 * The order is only compared at the opening: `timed` itself sends its timers' messages in random order.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import type { RemotePeer } from "../../src/layers/registry/RemotePeer.ts"
import { Exchange, isRequest } from "../../src/protocol/Exchange.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { configured, passTime, settle, STARTED_AT } from "./Replay.ts"
import { message, transcript } from "./Transcript.ts"

const LISTENER = "127.0.0.99"

/** What this node asks otherwise, and why. */
const differences: ReadonlyArray<{
  what: string
  why: string
  ours: ReadonlyArray<string>
  theirs: ReadonlyArray<string>
}> = [
  {
    what: "Version",
    why: "a timenode learns from it that we are one; timed ignores it",
    ours: ["Version"],
    theirs: []
  },
  { what: "block hash 0", why: "a peer on another network is left", ours: ["GetBlockHash"], theirs: [] },
  {
    what: "heartbeats",
    why: "timed sends gossip on links that it accepted alone",
    ours: ["HeartbeatBroadcast"],
    theirs: []
  },
  {
    what: "no UTXO set after a hash mismatch",
    why: "timed fetches the whole set every minute and throws it away",
    ours: [],
    theirs: ["GetUTXOSet"]
  }
]

const entries = transcript("30-server-answers-everything.jsonl")
const began = entries[0]!.at

it.effect("a node that dials says what timed says", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(STARTED_AT + began)
    const { sent, tip } = yield* Effect.gen(function* () {
      const driver = yield* MemoryPeerRegistry.Driver
      const listener = yield* driver.listen({ peer: peerId(LISTENER)!, port: 24_100 })
      // The node has tried before anybody listened; its next try comes within the first back-off.
      yield* TestClock.adjust("6 seconds")
      const peer = yield* listener.accept
      yield* play(peer)
      const chain = yield* Blockchain
      return { sent: peer.received.map(({ _tag }) => _tag), tip: chain.tip().height }
    }).pipe(Effect.provide(configured([LISTENER]), { local: true }))

    const recorded = entries.flatMap(({ from, line }) => (from === "timed" ? [message(line)!._tag] : []))
    const ours = differences.flatMap(({ ours }) => ours)
    const theirs = differences.flatMap(({ theirs }) => theirs)
    for (const tag of ours) assert.include(sent, tag)
    for (const tag of theirs) assert.include(recorded, tag)
    assert.deepStrictEqual(
      count(sent.filter((tag) => !ours.includes(tag))),
      count(recorded.filter((tag) => !theirs.includes(tag)))
    )
    assert.deepStrictEqual(tip, 7n)
    assert.deepStrictEqual(sent.slice(0, 3), ["Handshake", "Version", "MasternodeAnnouncement"])
  })
)

/** Answers as the recorded listener did, kind by kind, for as long as the recording goes. */
const play = Effect.fnUntraced(function* (peer: RemotePeer) {
  const answers = new Map<string, Array<Message>>()
  for (const { from, line } of entries) {
    const said = from === "listener" ? message(line) : undefined
    if (said !== undefined) answers.set(said._tag, [...(answers.get(said._tag) ?? []), said])
  }
  let answered = 0
  const answerAll = Effect.gen(function* () {
    yield* settle
    for (; answered < peer.received.length; answered++) {
      const asked = peer.received[answered]!
      if (!isRequest(asked)) continue
      const answer = answers.get(Exchange[asked._tag].response)?.shift()
      if (answer === undefined) continue
      yield* peer.send(fitted(answer, asked))
      yield* settle
    }
  })
  const start = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  const length = entries.at(-1)!.at - began
  yield* answerAll
  for (let second = 1; second < length / 1000 - 1; second++) {
    yield* passTime(start - STARTED_AT + second * 1000)
    yield* answerAll
  }
})

/** A recorded answer, made one to what this node asks: its own nonce, and the blocks that it does not have. */
const fitted = (answer: Message, asked: Message): Message => {
  if (answer._tag === "Pong" && asked._tag === "Ping") return { ...answer, nonce: asked.nonce }
  if (answer._tag !== "BlocksResponse" || asked._tag !== "GetBlocks") return answer
  return { ...answer, blocks: answer.blocks.filter(({ header }) => header.height >= asked.start) }
}

const count = (tags: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const tag of [...tags].sort()) counts[tag] = (counts[tag] ?? 0) + 1
  return counts
}
