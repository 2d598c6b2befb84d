/**
 * What every `Blockchain` must do, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { txid } from "../../src/protocol/Transaction.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import {
  Blockchain,
  BlockRejected,
  type BlockVerdict,
  type ChainEvent,
  type OfferedBlock
} from "../../src/services/Blockchain.ts"
import { ChainStore, type StoreError } from "../../src/services/ChainStore.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { blockAt, owner, sealed, spend } from "../fixtures/Blocks.ts"

export const ORIGIN = genesis(testnet)

/** Blocks of the given heights, each on the one before it. */
export const chainOf = (count: number, from = 1, parent: Hash256 = ORIGIN.hash): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let previous = parent
  for (let at = from; at < from + count; at++) {
    const block = blockAt(BigInt(at), previous)
    blocks.push(block)
    previous = blockHash(block.header)
  }
  return blocks
}

/** Another valid block at the height of the given one: it differs by a spare reward. */
export const rival = (block: Block): Block => {
  const rewards = block.masternodeRewards.slice(0, 1)
  const amount = block.header.blockReward
  const [coinbase, ...others] = block.transactions
  const outputs = coinbase!.outputs.slice(0, 1).map((output) => ({ ...output, value: amount }))
  return sealed({
    ...block,
    transactions: [{ ...coinbase!, outputs }, ...others],
    masternodeRewards: rewards.map((reward) => ({ ...reward, amount }))
  })
}

/** Breaks a rule that only the chain of the network keeps. */
export const broken = (block: Block): Block => ({ ...block, header: { ...block.header, version: 7 } })

const tags = (verdicts: ReadonlyArray<BlockVerdict>) => verdicts.map(({ _tag }) => _tag)

const someone = peerId("127.0.0.2")!

/** What became of an offered block. */
const offered = Effect.fnUntraced(function* (block: Block) {
  const chain = yield* Blockchain
  const outcome = yield* Deferred.make<Parameters<OfferedBlock["decided"]>[0]>()
  const taken = yield* chain.offer({
    block,
    from: someone,
    decided: (result) => void Deferred.doneUnsafe(outcome, Effect.succeed(result))
  })
  assert.isTrue(taken)
  return yield* Deferred.await(outcome)
})

/** Everything that can be asked agrees that the chain is genesis and these blocks. */
export const holds = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>) {
  const chain = yield* Blockchain
  const store = yield* ChainStore
  const all = [ORIGIN.block, ...blocks]
  const hashes = all.map(({ header }) => blockHash(header))
  const last = all.at(-1)!.header
  const tip = { height: last.height, hash: hashes.at(-1)!, timestamp: last.timestamp }
  assert.deepStrictEqual(chain.tip(), tip)
  assert.deepStrictEqual(yield* store.tip, tip)
  assert.deepStrictEqual(yield* store.hashes(height(0), all.length + 1), hashes)
  hashes.forEach((hash, at) => {
    assert.deepStrictEqual(chain.hashAt(height(at)), hash)
    assert.strictEqual(chain.heightOf(hash), height(at))
  })
  assert.isUndefined(chain.hashAt(height(all.length)))
  const bytes = yield* chain.blocks(height(0), height(all.length), { count: all.length + 1, bytes: 1e9 })
  assert.deepStrictEqual(
    bytes.map((block) => Buffer.from(block).toString()),
    all.map((block) => Buffer.from(Wire.encodeBlock(block)).toString())
  )
})

export const blockchainSuite = (
  name: string,
  layer: Layer.Layer<Blockchain | ChainStore | UtxoStore, StoreError>
): void => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    // A time at which all blocks of these tests are due.
    Effect.andThen(
      TestClock.setTime(Number(dueTime(testnet, height(10_000))) * 1_000),
      Effect.provide(effect, layer, { local: true })
    )

  describe(`${name} is a Blockchain`, () => {
    it.effect("begins with the genesis of its network", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        assert.strictEqual(chain.network, testnet)
        assert.deepStrictEqual(chain.genesisHash, ORIGIN.hash)
        yield* holds([])
        assert.deepStrictEqual(yield* chain.block(height(0)), ORIGIN.block)
        const utxos = yield* UtxoStore
        assert.strictEqual(
          toHex((yield* utxos.summary).hash),
          "0098b7eb69bfd82bc919f390b8054980c5169c345a0a312111f507b983dacaca"
        )
      }).pipe(provided)
    )

    it.effect("puts blocks on in order", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(5)
        const verdicts = yield* chain.connect(blocks)
        assert.deepStrictEqual(
          verdicts,
          blocks.map(({ header }) => ({
            _tag: "Connected",
            tip: { height: header.height, hash: blockHash(header), timestamp: header.timestamp }
          }))
        )
        yield* holds(blocks)
        assert.deepStrictEqual(yield* chain.block(height(3)), blocks[2])
        assert.isUndefined(yield* chain.block(height(6)))
      }).pipe(provided)
    )

    it.effect("puts on more blocks than one commit takes", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(2 * Limits.BLOCKS_PER_COMMIT + 1)
        assert.strictEqual((yield* chain.connect(blocks)).length, blocks.length)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("connects nothing when given nothing", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        assert.deepStrictEqual(yield* chain.connect([]), [])
        yield* holds([])
      }).pipe(provided)
    )

    it.effect("passes over blocks that it has", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(4)
        yield* chain.connect(blocks.slice(0, 2))
        const verdicts = yield* chain.connect([ORIGIN.block, ...blocks])
        assert.deepStrictEqual(tags(verdicts), [
          "AlreadyKnown",
          "AlreadyKnown",
          "AlreadyKnown",
          "Connected",
          "Connected"
        ])
        assert.deepStrictEqual(tags(yield* chain.connect([blocks[3]!, blocks[3]!])), ["AlreadyKnown", "AlreadyKnown"])
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("stops at a block whose parent is not the tip, and leaves the chain as it is", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(4)
        yield* chain.connect(blocks.slice(0, 3))
        const side = yield* chain.connect([rival(blocks[1]!), blocks[3]!])
        assert.deepStrictEqual(side, [{ _tag: "SideBranch", parent: height(1), fork: height(1), length: 1 }])
        const orphan = yield* chain.connect(chainOf(2, 9).slice(1))
        assert.deepStrictEqual(orphan, [{ _tag: "Orphan" }])
        yield* holds(blocks.slice(0, 3))
        const gap = yield* chain.connect([blocks[3]!, rival(blocks[3]!)])
        assert.deepStrictEqual(tags(gap), ["Connected", "SideBranch"])
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("takes no genesis but its own", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const foreign = { ...ORIGIN.block, header: { ...ORIGIN.block.header, timestamp: 5n } }
        assert.deepStrictEqual(yield* chain.connect([foreign]), [{ _tag: "Orphan" }])
        yield* holds([])
      }).pipe(provided)
    )

    it.effect("keeps the blocks before a rejected one", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(3)
        const bad = broken(blocks[2]!)
        const error = yield* Effect.flip(chain.connect([...blocks.slice(0, 2), bad, ...chainOf(2, 4)]))
        assert.instanceOf(error, BlockRejected)
        assert.strictEqual(error.height, 3n)
        assert.strictEqual(error.hash, toHex(blockHash(bad.header)))
        assert.deepStrictEqual(error.rejection, { _tag: "BadVersion", expected: 1n, actual: 7n })
        yield* holds(blocks.slice(0, 2))
        yield* chain.connect(blocks)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("takes a block once it is due", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(3)
        yield* TestClock.setTime(Number(dueTime(testnet, height(1))) * 1_000)
        const error = yield* Effect.flip(chain.connect(blocks))
        assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "TimestampTooFarAhead")
        yield* holds(blocks.slice(0, 2))
        yield* TestClock.adjust("10 minutes")
        yield* chain.connect(blocks)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("spends outputs of earlier blocks, of the same batch too, and each once", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const utxos = yield* UtxoStore
        const first = blockAt(1n, ORIGIN.hash)
        const outpoint = { txid: txid(first.transactions[0]!), vout: 0 }
        const payment = spend([outpoint], [[owner(3), SATOSHI_PER_TIME]])
        const second = blockAt(2n, blockHash(first.header), [payment])
        const again = spend([outpoint], [[owner(4), SATOSHI_PER_TIME]])
        const third = blockAt(3n, blockHash(second.header), [again])
        const error = yield* Effect.flip(chain.connect([first, second, third]))
        assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "UnknownInput")
        yield* holds([first, second])
        assert.isUndefined(yield* utxos.get(outpoint))
        const change = { txid: txid(payment), vout: 0 }
        assert.strictEqual((yield* utxos.get(change))?.value, SATOSHI_PER_TIME)
        const fourth = blockAt(3n, blockHash(second.header), [spend([change], [[owner(5), SATOSHI_PER_TIME]])])
        yield* chain.connect([fourth])
        yield* holds([first, second, fourth])
        const store = yield* ChainStore
        assert.deepStrictEqual((yield* utxos.summary).hash, utxoSetHash(yield* store.utxoPage(null, 1_000)))
      }).pipe(provided)
    )

    it.effect("decides each offered block once", () =>
      Effect.gen(function* () {
        const blocks = chainOf(3)
        const outcome = yield* offered(blocks[0]!)
        assert.strictEqual(outcome._tag, "Connected")
        assert.strictEqual((yield* offered(blocks[0]!))._tag, "AlreadyKnown")
        assert.strictEqual((yield* offered(rival(blocks[0]!)))._tag, "SideBranch")
        assert.strictEqual((yield* offered(blocks[2]!))._tag, "Orphan")
        assert.strictEqual((yield* offered(broken(blocks[1]!)))._tag, "BlockRejected")
        assert.strictEqual((yield* offered(blocks[1]!))._tag, "Connected")
        yield* holds(blocks.slice(0, 2))
      }).pipe(provided)
    )

    it.effect("takes so many offered blocks and no more, and never waits", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(1)
        let decided = 0
        const offer = chain.offer({ block: blocks[0]!, from: someone, decided: () => decided++ })
        let taken = 0
        while (yield* offer) taken++
        assert.isAtLeast(taken, Limits.BLOCK_QUEUE)
        // The writer may have taken some out between two offers.
        assert.isAtMost(taken, 2 * Limits.BLOCK_QUEUE)
        while (decided < taken) yield* Effect.yieldNow
        assert.isTrue(yield* offer)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("survives whoever offers a block and throws when told about it", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(2)
        yield* chain.offer({
          block: blocks[0]!,
          from: someone,
          decided: () => {
            throw new Error("not my day")
          }
        })
        assert.strictEqual((yield* offered(blocks[1]!))._tag, "Connected")
      }).pipe(provided)
    )

    it.effect("lets writers in one after the other", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(230)
        const writers = Array.from({ length: 6 }, (_, writer) =>
          Effect.gen(function* () {
            const step = 40 + 17 * writer
            for (let at = 0; at < blocks.length; at += step) yield* chain.connect(blocks.slice(at, at + step))
          })
        )
        const offers = Effect.forEach(blocks, (block) => chain.offer({ block, from: someone, decided: () => {} }))
        yield* Effect.all([...writers, offers], { concurrency: "unbounded" })
        yield* chain.connect(blocks)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("stays whole wherever a writer is interrupted", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const store = yield* ChainStore
        const blocks = chainOf(350)
        for (let turns = 0; turns < 24; turns++) {
          const fiber = yield* Effect.forkChild(chain.connect(blocks))
          for (let turn = 0; turn < turns % 12; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(yield* store.tip, chain.tip())
          assert.deepStrictEqual(chain.hashAt(chain.tip().height), chain.tip().hash)
        }
        yield* chain.connect(blocks)
        yield* holds(blocks)
      }).pipe(provided)
    )

    it.effect("tells its changes as they happen", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const blocks = chainOf(30)
        yield* chain.connect(blocks.slice(0, 10))
        const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(chain.changes, 20)), {
          startImmediately: true
        })
        yield* Effect.yieldNow
        yield* chain.connect(blocks.slice(10))
        assert.deepStrictEqual(
          yield* Fiber.join(seen),
          blocks.slice(10).map((block): ChainEvent => {
            const { height, timestamp } = block.header
            return { _tag: "Connected", tip: { height, hash: blockHash(block.header), timestamp }, block }
          })
        )
      }).pipe(provided)
    )

    it.effect("tells a slow subscriber how much it missed", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const count = 2 * Limits.CHAIN_EVENTS + 50
        const blocks = chainOf(count)
        const seen: Array<ChainEvent> = []
        const awake = yield* Deferred.make<void>()
        const reader = yield* Effect.forkChild(
          chain.changes.pipe(
            Stream.takeUntil((event) => event._tag === "Connected" && event.tip.height === BigInt(count)),
            Stream.runForEach((event) =>
              Effect.andThen(
                Effect.sync(() => seen.push(event)),
                Deferred.await(awake)
              )
            )
          ),
          { startImmediately: true }
        )
        yield* Effect.yieldNow
        yield* chain.connect(blocks.slice(0, 1))
        yield* chain.connect(blocks)
        yield* Deferred.succeed(awake, undefined)
        yield* Fiber.join(reader)
        let next = 1n
        for (const event of seen) {
          if (event._tag === "Lagged") next += BigInt(event.missed)
          else if (event._tag === "Connected") assert.strictEqual(event.tip.height, next++)
        }
        assert.strictEqual(next, BigInt(count) + 1n)
        assert.isTrue(seen.some(({ _tag }) => _tag === "Lagged"))
      }).pipe(provided)
    )
  })
}
