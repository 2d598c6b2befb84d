/**
 * Whom the blocks before a snapshot are asked of, and when.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as HistorySync from "../../src/peer/HistorySync.ts"
import type { Block } from "../../src/protocol/Block.ts"
import { ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import type { MessageOf } from "../../src/protocol/Message.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { History, type HistoryState, type Replayed } from "../../src/services/History.ts"
import { NotAnswered, type PeerRegistry, RequestError } from "../../src/services/PeerRegistry.ts"
import { Sync } from "../../src/services/Sync.ts"
import { chainTo, peer, peerInfo, registry } from "./Fixture.ts"

const BASE = 250n
const base = { height: height(BASE), hash: ZERO_HASH, utxoCount: 0n, utxoHash: ZERO_HASH, coinsHash: ZERO_HASH }

class World {
  readonly asked: Array<readonly [PeerId, bigint, bigint]> = []
  readonly answer: (peer: PeerId, blocks: ReadonlyArray<Block>) => ReadonlyArray<Block> | undefined
  readonly verdict: (height: bigint) => Replayed
  replayed = 0n
  restarts = 0
  /** How high the peers' chains are, and ours. */
  target = 300n
  height = 300n

  constructor(answer: World["answer"] = (_, blocks) => blocks, verdict: World["verdict"] = () => "Connected") {
    this.answer = answer
    this.verdict = verdict
  }

  get state(): HistoryState {
    return this.replayed < BASE
      ? { _tag: "Replaying", base, height: height(this.replayed) }
      : { _tag: "Verified", base }
  }

  replay(blocks: ReadonlyArray<Block>): Replayed {
    if (blocks[0]?.header.height !== this.replayed + 1n) return "Unlisted"
    const verdict = this.verdict(this.replayed + 1n)
    if (verdict === "Connected") this.replayed = blocks.at(-1)!.header.height
    return verdict
  }
}

/** Runs beside the program, with three peers. */
const withSync = (world: World, run: Effect.Effect<void>) => {
  const answerOf = (peer: PeerId, { end, start }: MessageOf<"GetBlocks">) => {
    world.asked.push([peer, start, end])
    const blocks = world.answer(peer, chainTo(Number(end)).slice(Number(start)))
    return blocks === undefined
      ? Effect.fail(new RequestError({ reason: new NotAnswered({ peer, request: "GetBlocks" }) }))
      : Effect.succeed({ _tag: "BlocksResponse", blocks } as const)
  }
  const services = Layer.mergeAll(
    registry(
      {},
      {
        peers: Effect.succeed([1, 2, 3].map((number) => peerInfo({ peer: peer(number), direction: "outbound" }))),
        request: ((peer: PeerId, request: MessageOf<"GetBlocks">) =>
          answerOf(peer, request)) as unknown as PeerRegistry["Service"]["request"]
      }
    ),
    History.layerTest({
      state: () => world.state,
      replay: (blocks) => Effect.sync(() => world.replay(blocks)),
      restart: Effect.sync(() => {
        world.restarts++
        world.replayed = 0n
      })
    }),
    Sync.layerTest({
      status: Effect.sync(() => ({
        best: height(world.target),
        height: height(world.height),
        target: height(world.target),
        blocksPerSecond: 0,
        secondsLeft: null,
        peers: []
      }))
    })
  )
  return Effect.provide(run, HistorySync.layer.pipe(Layer.provide(services)), { local: true })
}

/** Lets so many seconds pass, and what each of them brings be done. */
const pass = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds * 2 }), () => Effect.andThen(settle, TestClock.adjust(500)), {
    discard: true
  })

const settle = Effect.forEach(Array.from({ length: 8 }), () => Effect.yieldNow, { discard: true })

describe("HistorySync", () => {
  it.effect("asks peer after peer for range after range, once the chain is as high as theirs", () => {
    const world = new World()
    world.height = 200n
    return withSync(
      world,
      Effect.gen(function* () {
        yield* pass(300)
        assert.deepStrictEqual(world.asked, [])
        world.height = 300n
        yield* pass(20)
        assert.deepStrictEqual(world.asked, [
          [peer(1), 1n, 101n],
          [peer(2), 102n, 202n],
          [peer(3), 203n, 250n]
        ])
        assert.strictEqual(world.state._tag, "Verified")
      })
    )
  })

  it.effect("passes over those that have nothing, do not answer, or send something else", () => {
    const world = new World((from, blocks) =>
      from === peer(1) ? [] : from === peer(2) ? undefined : world.asked.length < 5 ? blocks.slice(1) : blocks
    )
    return withSync(
      world,
      Effect.gen(function* () {
        yield* pass(50)
        assert.deepStrictEqual(
          world.asked.map(([peer]) => peer),
          [peer(1), peer(2), peer(3)]
        )
        yield* pass(180)
        assert.strictEqual(world.state._tag, "Verified")
        assert.strictEqual(world.restarts, 0)
      })
    )
  })

  it.effect("begins anew when no peer's block fits, and not when only one peer's does not", () => {
    let isFalse = true
    const world = new World(undefined, (next) => {
      if (next === 1n) return "Connected"
      const doubted = isFalse || world.asked.at(-1)![0] === peer(1)
      return doubted ? "Doubtful" : "Connected"
    })
    return withSync(
      world,
      Effect.gen(function* () {
        yield* pass(30)
        assert.strictEqual(world.restarts, 1)
        isFalse = false
        const asked = world.asked.length
        yield* pass(540)
        assert.strictEqual(world.asked.length, asked)
        yield* pass(600)
        assert.strictEqual(world.state._tag, "Verified")
        assert.strictEqual(world.restarts, 1)
      })
    )
  })
})
