/**
 * What every `Blockchain` must do with branches, run over each implementation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { compareBytes } from "../../src/protocol/ByteArray.ts"
import { type Hash256, toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { type OutPoint, type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { Blockchain, type ChainEvent } from "../../src/services/Blockchain.ts"
import { ChainStore, type StoreError } from "../../src/services/ChainStore.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { blockAt, owner, spend } from "../fixtures/Blocks.ts"
import { chainOf, holds, ORIGIN, rival } from "./BlockchainSuite.ts"

type Services = Blockchain | ChainStore | UtxoStore | Mempool

export const hashOf = (block: Block): Hash256 => blockHash(block.header)
const tipOf = (blocks: ReadonlyArray<Block>): Hash256 => hashOf(blocks.at(-1)!)

/** Blocks of another branch, after the first `fork` ones of the chain. */
export const branchOf = (chain: ReadonlyArray<Block>, fork: number, count: number): ReadonlyArray<Block> => {
  const parent = fork === 0 ? ORIGIN.hash : hashOf(chain[fork - 1]!)
  const first = rival(blockAt(BigInt(fork + 1), parent))
  return [first, ...chainOf(count - 1, fork + 2, hashOf(first))]
}

/** Lets the chain see blocks one after the other, as they come from a peer. */
export const see = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>) {
  const chain = yield* Blockchain
  return (yield* Effect.forEach(blocks, (block) => chain.connect([block]))).flat()
})

/** Everything about the coins, from the view and from the store. */
const coins = Effect.gen(function* () {
  const store = yield* ChainStore
  const { count, hash, height } = yield* (yield* UtxoStore).summary
  assert.deepStrictEqual(hash, utxoSetHash(yield* store.utxoPage(null, 100_000)))
  return [toHex(hash), count, height] as const
})

const reorganise = (tip: Hash256) => Effect.flatMap(Blockchain, (chain) => chain.reorganise(tip))

const refusal = (tip: Hash256) =>
  Effect.map(Effect.flip(reorganise(tip)), (error) =>
    error._tag === "ReorganisationRefused" ? [error.reason, error.depth] : error._tag
  )

const pending = Effect.flatMap(Mempool, (mempool) =>
  Effect.map(mempool.pending, (pooled) => pooled.map(({ transaction }) => transaction))
)

const firstOutput = (block: Block): OutPoint => ({ txid: txid(block.transactions[0]!), vout: 0 })

/** A payment of one TIME, out of the first reward of a block. */
const payment = (block: Block, to = 3): Transaction =>
  signSpends(spend([firstOutput(block)], [[owner(to), SATOSHI_PER_TIME]]), owner(1).key)

export const reorganisationSuite = (name: string, layer: Layer.Layer<Services, StoreError>): void => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R | Services>) =>
    Effect.andThen(
      TestClock.setTime(Number(dueTime(testnet, height(10_000))) * 1_000),
      Effect.provide(effect, layer, { local: true })
    )

  /** What a node that has seen these blocks alone has for coins. */
  const cleanReplay = (blocks: ReadonlyArray<Block>) =>
    Effect.andThen(see(blocks), coins).pipe(Effect.provide(layer, { local: true }))

  describe(`${name} has branches`, () => {
    for (const depth of [1, 3, Limits.REORG_DEPTH]) {
      it.effect(`changes to a longer branch that takes ${depth} of its blocks off`, () =>
        Effect.gen(function* () {
          const chain = yield* Blockchain
          const ours = chainOf(depth + 2)
          const theirs = branchOf(ours, 2, depth + 1)
          yield* chain.connect(ours)
          const verdicts = yield* see(theirs)
          assert.deepStrictEqual(
            verdicts,
            theirs.map((block, at) => ({
              _tag: "SideBranch",
              parent: height(block.header.height - 1n),
              fork: height(2),
              length: at + 1
            }))
          )
          yield* holds(ours)
          const tip = { height: height(depth + 3), hash: tipOf(theirs), timestamp: theirs.at(-1)!.header.timestamp }
          assert.deepStrictEqual(chain.branches(), [{ tip, fork: height(2), length: depth + 1, rejected: null }])

          assert.deepStrictEqual(yield* reorganise(tip.hash), { tip, fork: height(2), disconnected: depth })
          const now = [...ours.slice(0, 2), ...theirs]
          yield* holds(now)
          for (const block of ours.slice(2)) assert.isUndefined(chain.heightOf(hashOf(block)))
          assert.deepStrictEqual(yield* coins, yield* cleanReplay(now))
          assert.deepStrictEqual(
            chain.branches().map(({ fork, length, tip }) => [fork, length, tip.hash]),
            [[2n, depth, tipOf(ours)]]
          )
        }).pipe(provided)
      )
    }

    it.effect("refuses a branch that would take more blocks off than is ever done", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(Limits.REORG_DEPTH + 2)
        const theirs = branchOf(ours, 1, Limits.REORG_DEPTH + 2)
        yield* chain.connect(ours)
        yield* see(theirs)
        assert.deepStrictEqual(yield* refusal(tipOf(theirs)), ["TooDeep", Limits.REORG_DEPTH + 1])
        yield* holds(ours)
      }).pipe(provided)
    )

    it.effect("of two branches as long takes the one that ends with the lower hash, and stays there", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const one = chainOf(4)
        const other = [...one.slice(0, 2), ...branchOf(one, 2, 2)]
        const [lower, higher] = compareBytes(tipOf(one), tipOf(other)) < 0 ? [one, other] : [other, one]
        yield* chain.connect(higher)
        yield* see(lower)
        yield* reorganise(tipOf(lower))
        yield* holds(lower)
        assert.deepStrictEqual(yield* refusal(tipOf(higher)), ["NotBetter", 2])
        yield* holds(lower)
      }).pipe(provided)
    )

    it.effect("refuses what is shorter, what it does not know, and what it is on", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(5)
        const theirs = branchOf(ours, 1, 3)
        yield* chain.connect(ours)
        yield* see(theirs)
        assert.deepStrictEqual(yield* refusal(tipOf(theirs)), ["NotBetter", 4])
        for (const unknown of [tipOf(ours), tipOf(chainOf(9)), ORIGIN.hash]) {
          assert.deepStrictEqual(yield* refusal(unknown), ["UnknownBranch", 0])
        }
        yield* holds(ours)
      }).pipe(provided)
    )

    it.effect("goes back when the first branch has grown, and on to a part of a longer one", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(9)
        const theirs = branchOf(ours, 2, 3)
        yield* chain.connect(ours.slice(0, 4))
        yield* see(theirs)
        yield* reorganise(tipOf(theirs))
        const back = yield* see(ours)
        assert.deepStrictEqual(
          back.map(({ _tag }) => _tag),
          ["AlreadyKnown", "AlreadyKnown", ...Array.from({ length: 7 }, () => "SideBranch")]
        )
        yield* reorganise(hashOf(ours[5]!))
        yield* holds(ours.slice(0, 6))
        assert.deepStrictEqual(yield* reorganise(tipOf(ours)), {
          tip: chain.tip(),
          fork: height(6),
          disconnected: 0
        })
        yield* holds(ours)
        assert.deepStrictEqual(yield* coins, yield* cleanReplay(ours))
      }).pipe(provided)
    )

    it.effect(
      "changes nothing for a branch with an invalid block, and keeps no more of it than what comes before",
      () =>
        Effect.gen(function* () {
          const chain = yield* Blockchain
          const ours = chainOf(5)
          const start = branchOf(ours, 2, 2)
          const nothing = spend([{ txid: ORIGIN.hash, vout: 7 }], [[owner(3), SATOSHI_PER_TIME]])
          const bad = blockAt(5n, tipOf(start), [nothing])
          const after = chainOf(2, 6, hashOf(bad))
          yield* chain.connect(ours)
          const pooled = payment(ours[0]!)
          yield* Effect.flatMap(Mempool, (mempool) => mempool.submit(pooled))
          const before = yield* coins
          const events: Array<ChainEvent> = []
          yield* chain.changes.pipe(
            Stream.runForEach((event) => Effect.sync(() => events.push(event))),
            Effect.forkChild({ startImmediately: true })
          )
          yield* Effect.yieldNow

          yield* see([...start, bad, ...after])
          const error = yield* Effect.flip(reorganise(tipOf(after)))
          assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "UnknownInput")
          assert.strictEqual(error._tag === "BlockRejected" && error.hash, toHex(hashOf(bad)))
          yield* holds(ours)
          assert.deepStrictEqual(yield* coins, before)
          assert.deepStrictEqual(yield* pending, [pooled])
          for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
          assert.deepStrictEqual(events, [])
          assert.deepStrictEqual(
            chain.branches().map(({ tip }) => tip.hash),
            [tipOf(start)]
          )
          assert.deepStrictEqual(yield* refusal(tipOf(after)), ["UnknownBranch", 0])
        }).pipe(provided)
    )

    it.effect("remembers what can never be accepted: what follows is refused at once, and shown as invalid", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(5)
        const start = branchOf(ours, 2, 2)
        // The same coin twice, under a merkle root over both payments: no other body has this hash.
        const coin = firstOutput(ours[0]!)
        const bad = blockAt(5n, tipOf(start), [
          spend([coin], [[owner(3), SATOSHI_PER_TIME]]),
          spend([coin], [[owner(4), SATOSHI_PER_TIME]])
        ])
        const after = chainOf(3, 6, hashOf(bad))
        yield* chain.connect(ours)
        yield* see([...start, bad, ...after.slice(0, 1)])
        yield* Effect.flip(reorganise(hashOf(after[0]!)))
        assert.isUndefined(chain.refusal(tipOf(start)))
        assert.strictEqual(chain.refusal(hashOf(after[0]!))?.hash, toHex(hashOf(bad)))
        for (const block of [bad, ...after]) {
          const error = yield* Effect.flip(chain.connect([block]))
          assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "DuplicateInput")
          assert.strictEqual(error._tag === "BlockRejected" && error.height, block.header.height)
        }
        assert.deepStrictEqual(
          chain
            .branches()
            .map(({ fork, length, rejected, tip }) => [toHex(tip.hash), Number(fork), length, rejected?.hash]),
          [
            [toHex(tipOf(start)), 2, 2, undefined],
            [toHex(tipOf(after)), 2, 6, toHex(hashOf(bad))]
          ]
        )
        yield* holds(ours)
      }).pipe(provided)
    )

    it.effect("remembers an invalid branch that it was to follow, however many bad blocks come after it", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(3)
        const [first] = branchOf(ours, 1, 1)
        const twice = spend([firstOutput(ours[0]!)], [[owner(3), SATOSHI_PER_TIME]])
        const bad = blockAt(3n, hashOf(first!), [twice, { ...twice, lockTime: 1 }])
        const after = chainOf(1, 4, hashOf(bad))
        yield* chain.connect(ours)
        yield* see([first!, bad, ...after])
        assert.strictEqual((yield* Effect.flip(reorganise(tipOf(after))))._tag, "BlockRejected")
        const { header, ...body } = blockAt(4n, tipOf(ours))
        const junk = Array.from({ length: Limits.INVALID_BLOCKS + 1 }, (_, version) => ({
          ...body,
          header: { ...header, version: version + 2 }
        }))
        for (const block of junk) yield* Effect.flip(chain.connect([block]))
        assert.isDefined(chain.refusal(hashOf(junk.at(-1)!)))
        assert.isUndefined(chain.refusal(hashOf(junk[0]!)))
        for (const block of [bad, ...after]) assert.isDefined(chain.refusal(hashOf(block)))
      }).pipe(provided)
    )

    it.effect("remembers no block that may be accepted later, or with another body", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(5)
        const [first] = branchOf(ours, 2, 1)
        const once = spend([firstOutput(ours[0]!)], [[owner(3), SATOSHI_PER_TIME]])
        const true4 = oldForm(blockAt(4n, hashOf(first!), [once]))
        const forged4 = oldForm(blockAt(4n, hashOf(first!), [once, { ...once, lockTime: 1 }]))
        assert.deepStrictEqual(hashOf(true4), hashOf(forged4))
        const after = chainOf(2, 5, hashOf(true4))
        yield* chain.connect(ours)
        yield* see([first!, forged4, ...after])
        assert.strictEqual((yield* Effect.flip(reorganise(tipOf(after))))._tag, "BlockRejected")
        assert.isUndefined(chain.refusal(hashOf(true4)))
        yield* see([true4, ...after])
        yield* reorganise(tipOf(after))
        yield* holds([...ours.slice(0, 2), first!, true4, ...after])

        const early = blockAt(7n, tipOf(after))
        yield* TestClock.setTime(Number(dueTime(testnet, height(5))) * 1_000)
        assert.strictEqual((yield* Effect.flip(chain.connect([early])))._tag, "BlockRejected")
        yield* TestClock.setTime(Number(dueTime(testnet, height(7))) * 1_000)
        assert.strictEqual((yield* chain.connect([early]))[0]!._tag, "Connected")
      }).pipe(provided)
    )

    it.effect("puts on the bodies that it is given, whatever others have sent under the same hashes", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(5)
        const [first] = branchOf(ours, 2, 1)
        const fourth = oldForm(blockAt(4n, hashOf(first!), [payment(ours[0]!)]))
        const theirs = [first!, fourth, ...chainOf(2, 5, hashOf(fourth))]
        const forgeries = [
          [spend([{ txid: ORIGIN.hash, vout: 7 }], [[owner(3), SATOSHI_PER_TIME]])],
          [],
          [payment(ours[1]!)]
        ]
        yield* chain.connect(ours)
        yield* see(theirs)
        for (const transactions of forgeries) {
          yield* see([{ ...fourth, transactions: [fourth.transactions[0]!, ...transactions] }])
        }
        yield* chain.reorganise(tipOf(theirs), theirs)
        const now = [...ours.slice(0, 2), ...theirs]
        yield* holds(now)
        assert.deepStrictEqual(yield* coins, yield* cleanReplay(now))
      }).pipe(provided)
    )

    it.effect("lets a branch spend nothing that only the blocks it replaces have made, spent there or not", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const shared = chainOf(2)
        const parent = tipOf(shared)
        const paid = spend([firstOutput(shared[0]!)], [[owner(3), SATOSHI_PER_TIME]])
        const made = { txid: txid(paid), vout: 0 }
        const passedOn = spend([made], [[owner(4), SATOSHI_PER_TIME]])
        const third = blockAt(3n, parent, [paid])
        const ours = [...shared, third, blockAt(4n, hashOf(third), [passedOn])]
        yield* chain.connect(ours)
        const before = yield* coins
        for (const outpoint of [made, { txid: txid(passedOn), vout: 0 }]) {
          const first = rival(blockAt(3n, parent))
          const thief = blockAt(4n, hashOf(first), [spend([outpoint], [[owner(5), SATOSHI_PER_TIME]])])
          const theirs = [first, thief, ...chainOf(1, 5, hashOf(thief))]
          yield* see(theirs)
          const error = yield* Effect.flip(reorganise(tipOf(theirs)))
          assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "UnknownInput")
        }
        yield* holds(ours)
        assert.deepStrictEqual(yield* coins, before)
      }).pipe(provided)
    )

    it.effect("rolls nothing back for a junk block, whatever parent it names", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(5)
        yield* chain.connect(ours)
        assert.deepStrictEqual(yield* chain.connect([blockAt(6n, tipOf(chainOf(9)))]), [{ _tag: "Orphan" }])
        for (const parent of [ORIGIN.hash, hashOf(ours[2]!)]) {
          const error = yield* Effect.flip(chain.connect([blockAt(6n, parent)]))
          assert.strictEqual(error._tag === "BlockRejected" && error.rejection._tag, "HeightMismatch")
        }
        // A body that is not its header's is kept from nobody who has the right one.
        const theirs = branchOf(ours, 3, 3)
        const forged = { ...theirs[0]!, transactions: rival(ours[3]!).transactions.slice(0, 0) }
        const error = yield* Effect.flip(chain.connect([forged]))
        assert.strictEqual(error._tag, "BlockRejected")
        assert.isTrue(chain.branches().every(({ rejected }) => rejected !== null))
        yield* holds(ours)
        yield* see(theirs)
        yield* reorganise(tipOf(theirs))
        yield* holds([...ours.slice(0, 3), ...theirs])
      }).pipe(provided)
    )

    it.effect("keeps no block whose parent it has not seen, even when that comes after it", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(4)
        const [first, orphan, ...more] = branchOf(ours, 3, 3)
        yield* chain.connect(ours)
        assert.deepStrictEqual(yield* see([orphan!, ...more]), [{ _tag: "Orphan" }, { _tag: "Orphan" }])
        assert.strictEqual((yield* see([first!]))[0]!._tag, "SideBranch")
        assert.deepStrictEqual(
          chain.branches().map(({ tip }) => tip.hash),
          [hashOf(first!)]
        )
        assert.deepStrictEqual(yield* refusal(hashOf(more[0]!)), ["UnknownBranch", 0])
        yield* holds(ours)
      }).pipe(provided)
    )

    it.effect("tells what came off, newest first, and then what was put on", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(4)
        const theirs = branchOf(ours, 1, 4)
        yield* chain.connect(ours)
        yield* see(theirs)
        const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(chain.changes, 7)), {
          startImmediately: true
        })
        yield* Effect.yieldNow
        yield* reorganise(tipOf(theirs))
        assert.deepStrictEqual(yield* Fiber.join(seen), [
          ...ours
            .slice(1)
            .reverse()
            .map((block): ChainEvent => ({
              _tag: "Disconnected",
              height: block.header.height,
              hash: hashOf(block)
            })),
          ...theirs.map((block): ChainEvent => {
            const { height, timestamp } = block.header
            return { _tag: "Connected", tip: { height, hash: hashOf(block), timestamp }, block }
          })
        ])
      }).pipe(provided)
    )

    it.effect("returns transactions to the pool that are valid again and not on the new branch", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const mempool = yield* Mempool
        const shared = chainOf(4)
        const [alone, both, contradicted] = shared.map((block) => payment(block)) as [
          Transaction,
          Transaction,
          Transaction
        ]
        const parent = tipOf(shared)
        const ours = [blockAt(5n, parent, [alone, both, contradicted])]
        const rivalPayment = payment(shared[2]!, 9)
        const first = rival(blockAt(5n, parent, [both]))
        const theirs = [first, blockAt(6n, hashOf(first), [rivalPayment])]
        yield* chain.connect([...shared, ...ours])
        const waiting = payment(shared[3]!)
        yield* mempool.submit(waiting)
        yield* see(theirs)
        yield* reorganise(tipOf(theirs))
        assert.deepStrictEqual(yield* pending, [waiting, alone])
        assert.deepStrictEqual(yield* coins, yield* cleanReplay([...shared, ...theirs]))
      }).pipe(provided)
    )

    it.effect("forgets branches that it has left far behind", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const ours = chainOf(Limits.SIDE_BLOCK_DISTANCE + 3)
        yield* chain.connect(ours.slice(0, 3))
        yield* see(branchOf(ours, 1, 2))
        yield* chain.connect(ours.slice(0, -1))
        assert.strictEqual(chain.branches().length, 1)
        yield* chain.connect(ours)
        assert.deepStrictEqual(chain.branches(), [])
      }).pipe(provided)
    )

    it.effect("stays whole wherever a reorganisation is interrupted", () =>
      Effect.gen(function* () {
        const chain = yield* Blockchain
        const store = yield* ChainStore
        const one = chainOf(40)
        const two = branchOf(one, 1, 40)
        const three = chainOf(60)
        yield* chain.connect(one.slice(0, 30))
        yield* see(two)
        for (let turns = 0; turns < 12; turns++) {
          const fiber = yield* Effect.forkChild(Effect.exit(reorganise(tipOf(two))))
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(yield* store.tip, chain.tip())
          const changed = chain.tip().height === 41n
          yield* holds(changed ? [...one.slice(0, 1), ...two] : one.slice(0, 30))
        }
        yield* Effect.exit(reorganise(tipOf(two)))
        yield* see(three)
        yield* reorganise(tipOf(three))
        yield* holds(three)
        assert.deepStrictEqual(yield* coins, yield* cleanReplay(three))
      }).pipe(provided)
    )

    const Choice = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))
    it.effect.prop(
      "has, after any forks with any spends, the coins of a node that saw only the branch which won",
      [
        Schema.Array(Choice).check(Schema.isMinLength(4), Schema.isMaxLength(24)),
        Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))
      ],
      ([choices, every]) =>
        Effect.gen(function* () {
          const chain = yield* Blockchain
          const tree = new Tree()
          for (const [index, choice] of choices.entries()) {
            const branch = tree.grow(choice)
            yield* see(branch.slice(-1))
            if (index % every === 0) yield* Effect.exit(reorganise(tipOf(branch)))
            yield* holds(tree.branch(chain.tip().hash))
            yield* coins
          }
          assert.deepStrictEqual(yield* coins, yield* cleanReplay(tree.branch(chain.tip().hash)))
        }).pipe(provided),
      { timeout: 30_000, arbitrary: { runs: 12 } }
    )
  })
}

// --- internal ---

/** The block with the merkle root that a `timed` gives it in a hurry, which covers the coinbase alone. */
export const oldForm = (block: Block): Block => ({
  ...block,
  header: { ...block.header, merkleRoot: txid(block.transactions[0]!) }
})

/** Blocks on any block before, spending any coins of their branch. */
class Tree {
  readonly #branches: Array<ReadonlyArray<Block>> = [[]]

  branch(tip: Hash256): ReadonlyArray<Block> {
    return this.#branches.find((blocks) => blocks.length > 0 && toHex(tipOf(blocks)) === toHex(tip)) ?? []
  }

  grow(choice: number): ReadonlyArray<Block> {
    // Rather recent blocks than old ones, so that branches become long.
    const back = Math.min(choice % 4, this.#branches.length - 1)
    const parent = this.#branches.at(-1 - back)!
    const unspent = new Map<string, OutPoint>()
    for (const { transactions } of parent) {
      for (const transaction of transactions) {
        for (const { previousOutput } of transaction.inputs) unspent.delete(name(previousOutput))
        transaction.outputs.forEach((_, vout) => {
          const outpoint = { txid: txid(transaction), vout }
          unspent.set(name(outpoint), outpoint)
        })
      }
    }
    const spent = [...unspent.values()].filter((_, index) => (choice + index) % 3 === 0).slice(0, 3)
    const pays = spent.map((outpoint) => spend([outpoint], [[owner(3 + this.#branches.length), SATOSHI_PER_TIME]]))
    const plain = blockAt(BigInt(parent.length + 1), parent.length === 0 ? ORIGIN.hash : tipOf(parent), pays)
    const twin = this.branch(hashOf(plain)).length > 0
    const branch = [...parent, twin ? rival(plain) : plain]
    if (this.branch(tipOf(branch)).length === 0) this.#branches.push(branch)
    return branch
  }
}

const name = ({ txid, vout }: OutPoint): string => `${toHex(txid)}:${vout}`
