import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import * as ForkResolver from "../../src/peer/ForkResolver.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { compareBytes } from "../../src/protocol/ByteArray.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Message, MessageOf } from "../../src/protocol/Message.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import type { Gossip } from "../../src/services/Gossip.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import type { Offence, PeerGuard } from "../../src/services/PeerGuard.ts"
import {
  type PeerRegistry,
  PeerNotConnected,
  RequestError,
  type RequestPolicy,
  RequestTimeout
} from "../../src/services/PeerRegistry.ts"
import { blockAt, owner, spend } from "../fixtures/Blocks.ts"
import { chainOf, ORIGIN, rival } from "../services/BlockchainSuite.ts"
import { branchOf, hashOf, oldForm } from "../services/ReorganisationSuite.ts"
import { dueMillis, peer, peerInfo, registry } from "./Fixture.ts"
import { guard } from "./Session.ts"

type Question = MessageOf<"GetBlocks" | "GetBlockHeight" | "GetBlockHash">

interface Remote {
  /** After genesis. */
  readonly chain: ReadonlyArray<Block>
  readonly agent?: "timed" | "timenode"
  readonly direction?: "inbound" | "outbound"
  /** Says nothing to such a question; the second argument is how many of all kinds it was asked before. */
  readonly silent?: (question: Question, before: number) => boolean
  /** Blocks that it sends instead of those of its chain. */
  readonly sends?: ReadonlyArray<Block>
  /** Takes so many seconds for an answer with blocks, and gives one block in each. */
  readonly seconds?: number
}

const mute = { silent: () => true }

/** A node with these blocks, and peers that do as they please. */
const world = (remotes: ReadonlyArray<Remote>, policy: { readonly legacy: boolean } = { legacy: true }) => {
  const asked: Array<readonly [PeerId, Question]> = []
  const offences: Array<readonly [PeerId, Offence]> = []
  const gone: Array<PeerId> = []
  /** Who was told of which block. */
  const told: Array<readonly [PeerId, Block]> = []
  const peers = new Map(remotes.map((remote, index) => [peer(index + 1), remote]))
  const answer = (question: Question, { chain, seconds, sends }: Remote): Message => {
    switch (question._tag) {
      case "GetBlockHeight":
        return { _tag: "BlockHeightResponse", height: height(chain.length) }
      case "GetBlockHash": {
        const block = [ORIGIN.block, ...chain][Number(question.height)]
        return { _tag: "BlockHashResponse", height: question.height, hash: block ? blockHash(block.header) : null }
      }
      case "GetBlocks": {
        const { end, start } = question
        const blocks = sends ?? chain.filter(({ header }) => header.height >= start && header.height <= end)
        return { _tag: "BlocksResponse", blocks: blocks.slice(0, seconds === undefined ? 101 : 1) }
      }
    }
  }
  const request = (to: PeerId, question: Question, policy: RequestPolicy) =>
    Effect.suspend(() => {
      const remote = peers.get(to)
      if (remote === undefined) {
        return Effect.fail(new RequestError({ reason: new PeerNotConnected({ peer: to }) }))
      }
      const before = asked.filter(([of]) => of === to).length
      asked.push([to, question])
      if (remote.silent?.(question, before) !== true) {
        const pause = question._tag === "GetBlocks" ? (remote.seconds ?? 0) : 0
        return Effect.delay(Effect.succeed(answer(question, remote)), pause * 1_000)
      }
      const late = new RequestError({ reason: new RequestTimeout({ peer: to, request: question._tag }) })
      return Effect.andThen(Effect.sleep(policy.timeout), Effect.fail(late))
    })
  const config = NodeConfig.layerTest(policy)
  const chain = LocalBlockchain.layer.pipe(
    Layer.provide(MemoryMempool.layer),
    Layer.provide(ViewUtxoStore.layer),
    Layer.provide(MemoryChainStore.layer),
    Layer.provide(config)
  )
  const infos = [...peers].map(([peer, { agent = "timed", direction = "outbound" }]) =>
    peerInfo({ peer, agent, direction })
  )
  const tell = (to: PeerId, message: Message) => {
    if (message._tag === "BlockAnnouncement") told.push([to, message.block])
  }
  const layer = Layer.mergeAll(GossipRelay.layer, chain, config, guard(offences)).pipe(
    Layer.provideMerge(
      registry(
        {},
        {
          peers: Effect.succeed(infos),
          send: (to, message) => Effect.sync(() => tell(to, message)),
          broadcast: (message, { except, to = () => true } = {}) =>
            Effect.sync(() => {
              for (const info of infos) if (info.peer !== except && to(info)) tell(info.peer, message as Message)
              return { sent: infos.length, skipped: 0 }
            }),
          disconnect: (peer) => Effect.sync(() => void gone.push(peer)),
          request: request as unknown as PeerRegistry["Service"]["request"]
        }
      )
    )
  )
  /** Who was asked, and how often, for what. */
  const count = (tag: Question["_tag"], of?: PeerId) =>
    asked.filter(([to, question]) => question._tag === tag && (of === undefined || to === of)).length
  return { asked, offences, gone, told, layer, count }
}

const has = (blocks: ReadonlyArray<Block>) =>
  Effect.map(Blockchain, (chain) => {
    assert.deepStrictEqual(chain.tip().hash, hashOf(blocks.at(-1)!))
    assert.strictEqual(chain.tip().height, BigInt(blocks.length))
  })

/** Looks into the branch of a peer while the clock goes on: what came of it, and after how many milliseconds. */
const resolve = (of = peer(1)) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const forks = yield* ForkResolver.make
    const fiber = yield* forks.resolve(of).pipe(
      Effect.flatMap((taken) => Effect.map(Clock.currentTimeMillis, (now) => [taken, now - began] as const)),
      Effect.forkChild({ startImmediately: true })
    )
    for (let second = 0; second < 130 && fiber.pollUnsafe() === undefined; second++) {
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(fiber)
  }).pipe(Effect.scoped)

const inWorld = <A, E>(
  here: ReturnType<typeof world>,
  ours: ReadonlyArray<Block>,
  run: Effect.Effect<A, E, Blockchain | PeerRegistry | PeerGuard | Gossip | NodeConfig>
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(dueMillis(1_000))
    const chain = yield* Blockchain
    yield* chain.connect(ours)
    return yield* run
  }).pipe(Effect.provide(here.layer, { local: true }))

const ours = chainOf(30)
/** Parted after block 20, and longer. */
const theirs = [...ours.slice(0, 20), ...branchOf(ours, 20, 14)]
const other = [...ours.slice(0, 20), ...chainOf(10, 21, hashOf(rival(rival(ours[19]!))))]
const many = (count: number, remote: Remote) => Array.from({ length: count }, () => remote)

describe("a branch of a peer", () => {
  it.effect("takes nothing off our chain when 15 peers are asked and none answers", () => {
    // On 14 December 2025 15 peers were asked, none answered, and 1,975 blocks were taken off.
    let sent = false
    const leader = {
      chain: theirs,
      silent: ({ _tag }: Question) => {
        sent ||= _tag === "GetBlocks"
        return sent && _tag === "GetBlockHash"
      }
    }
    const here = world([leader, ...many(14, { chain: theirs, ...mute })])
    return inWorld(
      here,
      ours,
      Effect.gen(function* () {
        const [taken] = yield* resolve()
        assert.isFalse(taken)
        yield* has(ours)
        const voted = here.asked.slice(-15)
        assert.strictEqual(new Set(voted.map(([of]) => of)).size, 15)
        assert.isTrue(voted.every(([, question]) => question._tag === "GetBlockHash" && question.height === 21n))
        assert.isAbove(here.count("GetBlocks", peer(1)), 0)
        assert.deepStrictEqual([here.offences, here.gone], [[], []])
      })
    )
  })

  const votes: ReadonlyArray<readonly [string, ReadonlyArray<Remote>, boolean]> = [
    ["all of 15 are on it", many(14, { chain: theirs }), true],
    ["11 of 15 are on it", [...many(10, { chain: theirs }), ...many(4, { chain: ours })], true],
    ["10 of 15 are on it", [...many(9, { chain: theirs }), ...many(5, { chain: ours })], false],
    ["10 of 15 are on it, the others on a third", [...many(9, { chain: theirs }), ...many(5, { chain: other })], false],
    ["8 of 15 answer", [...many(7, { chain: theirs }), ...many(7, { chain: theirs, ...mute })], true],
    ["7 of 15 answer", [...many(6, { chain: theirs }), ...many(8, { chain: theirs, ...mute })], false],
    ["the others have no block there yet", many(14, { chain: ours.slice(0, 20) }), false],
    ["its peer is the only one", [], true],
    ["timed peers that dialled us could not answer", many(14, { chain: ours, direction: "inbound" }), true],
    [
      "timenodes that dialled us are against it",
      many(3, { chain: ours, direction: "inbound", agent: "timenode" }),
      false
    ]
  ]
  for (const [what, others, expected] of votes) {
    it.effect(`is ${expected ? "taken" : "not taken"} when ${what}`, () => {
      const here = world([{ chain: theirs }, ...others])
      return inWorld(
        here,
        ours,
        Effect.gen(function* () {
          const [taken, after] = yield* resolve()
          assert.strictEqual(taken, expected)
          // As far as it takes to be better; the rest is fetched like any block.
          yield* has(expected ? theirs.slice(0, 31) : ours)
          assert.isAtMost(after, Duration.toMillis(Policies.forkVote) + 1_000)
          assert.deepStrictEqual([here.offences, here.gone], [[], []])
        })
      )
    })
  }

  it.effect("as long as ours is taken if its last hash is lower, and not even fetched if not", () => {
    const twin = [...ours.slice(0, 28), ...branchOf(ours, 28, 2)]
    const [lower, higher] = compareBytes(hashOf(twin.at(-1)!), hashOf(ours.at(-1)!)) < 0 ? [twin, ours] : [ours, twin]
    const here = world([{ chain: lower }])
    const there = world([{ chain: higher }])
    return Effect.gen(function* () {
      yield* inWorld(here, higher, Effect.andThen(resolve(), has(lower)))
      yield* inWorld(there, lower, Effect.andThen(resolve(), has(lower)))
      assert.strictEqual(there.count("GetBlocks"), 0)
    })
  })

  it.effect("is found at the deepest fork that is allowed, and given up beyond it before a block is fetched", () => {
    const long = chainOf(Limits.REORG_DEPTH + 5)
    const atCap = [...long.slice(0, 5), ...branchOf(long, 5, Limits.REORG_DEPTH + 1)]
    const beyond = [...long.slice(0, 4), ...branchOf(long, 4, Limits.REORG_DEPTH + 2)]
    const here = world([{ chain: atCap }])
    const there = world([{ chain: beyond }])
    return Effect.gen(function* () {
      yield* inWorld(here, long, Effect.andThen(resolve(), has(atCap)))
      assert.isAtMost(here.count("GetBlockHash"), 11)
      yield* inWorld(there, long, Effect.andThen(resolve(), has(long)))
      assert.strictEqual(there.count("GetBlocks"), 0)
    })
  })

  const withBlock = (bad: Block) => [...theirs.slice(0, 22), bad, ...chainOf(11, 24, hashOf(bad))]
  const reward = { txid: txid(ours[0]!.transactions[0]!), vout: 0 }
  const unknown = spend([{ txid: ORIGIN.hash, vout: 9 }], [[owner(3), SATOSHI_PER_TIME]])
  const tooMuch = spend([reward], [[owner(3), 2n * SATOSHI_PER_TIME]])
  const invalid: ReadonlyArray<readonly [string, Transaction, boolean, boolean]> = [
    ["that pays out more than anybody may", tooMuch, true, true],
    ["that spends what we do not know", unknown, true, false],
    ["that spends what nobody knows", unknown, false, true]
  ]
  for (const [what, transaction, legacy, blamed] of invalid) {
    const name = `with a block ${what} changes nothing, whoever is on it, and is ${blamed ? "" : "not "}its peer's offence`
    it.effect(legacy ? name : `${name} where headers bind bodies`, () => {
      const chain = withBlock(blockAt(23n, hashOf(theirs[21]!), [transaction]))
      const here = world([{ chain }, ...many(14, { chain })], { legacy })
      return inWorld(
        here,
        ours,
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* resolve(), [false, 0])
          yield* has(ours)
          assert.deepStrictEqual(here.offences, blamed ? [[peer(1), "invalidBlock"]] : [])
          assert.deepStrictEqual(here.gone, blamed ? [peer(1)] : [])
        })
      )
    })
  }

  it.effect("that spends what our copy of an old block lacks is not taken, and nobody is blamed for it", () => {
    const whole = oldForm(blockAt(21n, hashOf(ours[19]!), [spend([reward], [[owner(3), SATOSHI_PER_TIME]])]))
    const cut = { ...whole, transactions: whole.transactions.slice(0, 1) }
    const made = { txid: txid(whole.transactions[1]!), vout: 0 }
    const next = blockAt(22n, hashOf(whole), [spend([made], [[owner(4), SATOSHI_PER_TIME]])])
    const here = world([{ chain: [...ours.slice(0, 20), whole, next, ...chainOf(11, 23, hashOf(next))] }])
    const mine = [...ours.slice(0, 20), cut, ...chainOf(9, 22, hashOf(cut))]
    return inWorld(
      here,
      mine,
      Effect.gen(function* () {
        assert.isFalse((yield* resolve())[0])
        yield* has(mine)
        assert.isAbove(here.count("GetBlocks"), 0)
        assert.deepStrictEqual([here.offences, here.gone], [[], []])
      })
    )
  })

  const paid = spend([reward], [[owner(3), SATOSHI_PER_TIME]])
  const old = oldForm(blockAt(23n, hashOf(theirs[21]!), [paid]))
  const withOld = withBlock(old)
  const copies: ReadonlyArray<readonly [string, ReadonlyArray<Transaction>]> = [
    ["breaks a rule", [unknown]],
    ["leaves payments out", []]
  ]
  for (const [what, payments] of copies) {
    it.effect(`is taken as its peer sent it, though somebody's copy of a block ${what} while the vote is on`, () => {
      const forged = { ...old, transactions: [old.transactions[0]!, ...payments] }
      const here = world([{ chain: withOld }, ...many(3, { chain: withOld }), { chain: withOld, ...mute }])
      return inWorld(
        here,
        ours,
        Effect.gen(function* () {
          const chain = yield* Blockchain
          const deciding = yield* Effect.forkChild(resolve(), { startImmediately: true })
          while (here.count("GetBlockHash", peer(2)) === 0) yield* Effect.yieldNow
          assert.strictEqual((yield* chain.connect([forged]))[0]!._tag, "SideBranch")
          assert.isTrue((yield* Fiber.join(deciding))[0])
          yield* has(withOld.slice(0, 31))
          assert.deepStrictEqual(yield* chain.block(height(23)), old)
          assert.deepStrictEqual([here.offences, here.gone], [[], []])
        })
      )
    })
  }

  it.effect("that is known to be invalid is not fetched again, from whomever", () => {
    const twice = blockAt(23n, hashOf(theirs[21]!), [paid, { ...paid, lockTime: 1 }])
    const chain = withBlock(twice)
    const here = world([{ chain }, { chain }])
    return inWorld(
      here,
      ours,
      Effect.gen(function* () {
        assert.isFalse((yield* resolve())[0])
        const asked = here.count("GetBlocks")
        assert.isFalse((yield* resolve())[0])
        assert.isFalse((yield* resolve(peer(2)))[0])
        assert.isAbove(asked, 0)
        assert.strictEqual(here.count("GetBlocks"), asked)
        assert.deepStrictEqual(here.offences, [])
        yield* has(ours)
      })
    )
  })

  const third = blockAt(21n, hashOf(ours[19]!), [paid])
  const unnamed = [third, ...chainOf(10, 22, hashOf(third))]
  const liars: ReadonlyArray<readonly [string, Remote]> = [
    ["never answers", { chain: theirs, ...mute }],
    ["answers slowly for ever", { chain: theirs, silent: (_, before) => before > 2 }],
    ["sends its blocks one by one and slowly", { chain: theirs, seconds: 50 }],
    ["never sends a block", { chain: theirs, silent: ({ _tag }) => _tag === "GetBlocks" }],
    ["sends no blocks", { chain: theirs, sends: [] }],
    ["sends ours", { chain: theirs, sends: ours.slice(20) }],
    ["sends another branch than it named", { chain: theirs, sends: unnamed }],
    ["begins with the branch that it named", { chain: theirs, sends: [theirs[20]!, ...unnamed] }],
    ["sends others than it named", { chain: theirs, sends: chainOf(9, 500) }],
    ["sends the same block again and again", { chain: theirs, sends: theirs.slice(20, 21) }],
    ["is shorter than it says", { chain: theirs, sends: theirs.slice(20, 25) }]
  ]
  for (const [what, liar] of liars) {
    it.effect(`that ${what} costs nobody anything`, () => {
      const here = world([liar, ...many(5, { chain: theirs })])
      return inWorld(
        here,
        ours,
        Effect.gen(function* () {
          const [taken, after] = yield* resolve()
          assert.isFalse(taken)
          assert.isAtMost(after, Duration.toMillis(Policies.forkResolution))
          yield* has(ours)
          // Another peer of the same branch is believed all the same.
          assert.isTrue((yield* resolve(peer(2)))[0])
          yield* has(theirs.slice(0, 31))
        })
      )
    })
  }

  it.effect("is looked into again only after a while, and holds up no other's", () => {
    const here = world([
      { chain: theirs, ...mute },
      { chain: theirs, silent: ({ _tag }) => _tag === "GetBlockHash" },
      { chain: theirs }
    ])
    return inWorld(
      here,
      ours,
      Effect.gen(function* () {
        const forks = yield* ForkResolver.make
        const pass = (seconds: number) =>
          Effect.forEach(Array.from({ length: seconds }), () =>
            Effect.andThen(
              Effect.forEach([peer(1), peer(2)], forks.consider),
              Effect.andThen(TestClock.adjust("1 second"), Effect.yieldNow)
            )
          )
        yield* pass(60)
        assert.deepStrictEqual([here.count("GetBlockHeight", peer(1)), here.count("GetBlockHeight", peer(2))], [1, 1])
        yield* pass(10)
        assert.deepStrictEqual([here.count("GetBlockHeight", peer(1)), here.count("GetBlockHeight", peer(2))], [2, 2])
        yield* has(ours)
      }).pipe(Effect.scoped)
    )
  })

  /** Has branches looked into as a node does, and lets time go on. */
  const considered = <A, E, R>(
    run: (forks: {
      readonly consider: (...peers: ReadonlyArray<PeerId>) => Effect.Effect<void>
      readonly pass: (seconds: number) => Effect.Effect<void>
    }) => Effect.Effect<A, E, R>
  ) =>
    Effect.gen(function* () {
      const forks = yield* ForkResolver.make
      const turns = Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })
      const pass = (seconds: number) =>
        Effect.forEach(Array.from({ length: seconds }), () => Effect.andThen(TestClock.adjust("1 second"), turns), {
          discard: true
        })
      const consider = (...peers: ReadonlyArray<PeerId>) =>
        Effect.andThen(Effect.forEach(peers, forks.consider, { discard: true }), turns)
      return yield* run({ consider, pass })
    }).pipe(Effect.scoped)

  it.effect("is fetched from one of the peers that are on it, and from the next when that one lasts", () => {
    const all = Array.from({ length: 6 }, (_, index) => peer(index + 1))
    const here = world(many(6, { chain: theirs }))
    const stalls = { chain: theirs, silent: ({ _tag }: Question) => _tag === "GetBlocks" }
    const there = world([stalls, ...many(5, { chain: theirs })])
    return Effect.gen(function* () {
      yield* inWorld(
        here,
        ours,
        considered(({ consider }) => Effect.andThen(consider(...all), has(theirs.slice(0, 31))))
      )
      assert.strictEqual(here.count("GetBlocks"), 1)
      yield* inWorld(
        there,
        ours,
        considered(({ consider, pass }) =>
          Effect.gen(function* () {
            yield* consider(...all)
            yield* pass(Duration.toSeconds(Policies.forkTurn) - 1)
            yield* has(ours)
            assert.strictEqual(there.count("GetBlocks"), 1)
            yield* pass(1)
            yield* has(theirs.slice(0, 31))
            assert.isAtMost(there.count("GetBlocks"), 1 + Limits.FORKS_AT_ONCE)
          })
        )
      )
    })
  })

  it.effect("is voted on once, however many peers are on it, when most are not", () => {
    const here = world([...many(5, { chain: theirs }), ...many(10, { chain: ours })])
    return inWorld(
      here,
      ours,
      considered(({ consider, pass }) =>
        Effect.gen(function* () {
          yield* consider(...Array.from({ length: 5 }, (_, index) => peer(index + 1)))
          yield* pass(15)
          yield* has(ours)
          assert.strictEqual(here.count("GetBlockHash", peer(15)), 1)
          assert.strictEqual(here.count("GetBlocks"), 1)
        })
      )
    )
  })

  it.effect("waits for its place behind four others, and comes to it when they are late", () => {
    const stalling = Array.from({ length: 6 }, (_, index): Remote => {
      const chain = [...ours.slice(0, 12 + index), ...branchOf(ours, 12 + index, 25)]
      return { chain, silent: ({ _tag }) => _tag === "GetBlocks" }
    })
    const here = world([...stalling, ...many(20, { chain: theirs })])
    return inWorld(
      here,
      ours,
      considered(({ consider, pass }) =>
        Effect.gen(function* () {
          yield* consider(...stalling.map((_, index) => peer(index + 1)), peer(7))
          yield* pass(59)
          assert.strictEqual(here.count("GetBlocks"), Limits.FORKS_AT_ONCE)
          yield* pass(2)
          assert.strictEqual(here.count("GetBlocks"), 7)
          yield* has(theirs.slice(0, 31))
        })
      )
    )
  })

  it.effect("is left alone while too many peers wait, are looked into or were so a while ago", () => {
    const here = world([{ chain: theirs }])
    const strangers = Array.from({ length: Limits.FORKS_WAITING }, (_, n) => peerId(`10.0.${n >> 8}.${n & 255}`)!)
    return inWorld(
      here,
      ours,
      considered(({ consider, pass }) =>
        Effect.gen(function* () {
          yield* consider(...strangers)
          yield* pass(1)
          yield* consider(peer(1))
          yield* pass(1)
          assert.strictEqual(here.count("GetBlockHeight", peer(1)), 0)
          yield* pass(Duration.toSeconds(Policies.passOver))
          yield* consider(peer(1))
          yield* has(theirs.slice(0, 31))
        })
      )
    )
  })

  it.effect(
    "once it is our chain, is announced by its tip to timenodes, and to a timed that has the block before",
    () => {
      const here = world([
        { chain: theirs },
        { chain: theirs, agent: "timenode" },
        { chain: ours, agent: "timenode", direction: "inbound" },
        { chain: theirs.slice(0, 30) },
        { chain: ours },
        { chain: theirs.slice(0, 29) },
        { chain: theirs, direction: "inbound" },
        { chain: theirs, ...mute },
        { chain: theirs.slice(0, 30) }
      ])
      return inWorld(
        here,
        ours,
        considered(({ consider, pass }) =>
          Effect.gen(function* () {
            yield* consider(peer(1))
            yield* pass(Duration.toSeconds(Policies.forkVote) + 1)
            yield* has(theirs.slice(0, 31))
            yield* pass(Duration.toSeconds(Policies.forkVote) + 1)
            const tip = theirs[30]!
            assert.deepStrictEqual(
              here.told,
              [2, 3, 4, 9].map((number) => [peer(number), tip])
            )
          })
        )
      )
    }
  )
})
