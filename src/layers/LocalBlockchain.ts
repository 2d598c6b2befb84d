/**
 * `Blockchain` over a chain store in this process: the single writer of the best chain.
 *
 * Blocks are checked against the coins of the view with the effects of the blocks before them laid over it, and are
 * committed many at a time. Index, tip, view, pool and events change after the store, and never without it: a commit and
 * what follows it cannot be interrupted, and all that comes before changes nothing. A branch that replaces blocks of the
 * chain is checked whole, from the coins at its fork on, before the one batch that does both.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import { isFinal, mayPass } from "../consensus/BlockRejection.ts"
import { bindsBody, rejectionWithoutCoins, spentOutPoints } from "../consensus/BlockRules.ts"
import { isBetter } from "../consensus/ForkChoice.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { type Height, height as toHeight } from "../protocol/Height.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import { dueTime, type Network } from "../protocol/Network.ts"
import {
  Blockchain,
  type BlockRejected,
  type BlockVerdict,
  type OfferedBlock,
  ReorganisationRefused
} from "../services/Blockchain.ts"
import { type ChainBatch, ChainStore, StoreError } from "../services/ChainStore.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import * as ChainEvents from "./ChainEvents.ts"
import { type CheckedBlock, checkBlocks, rejectedBlock } from "./CheckedBlocks.ts"
import { KnownBranches } from "./KnownBranches.ts"
import { lastBlocks, type RemovedBlock, returnedBy, undo } from "./RemovedBlocks.ts"
import { loadChain, readBlock } from "./StoredChain.ts"

/**
 * The chain in the store that is provided, which gets the genesis of the configured network if it is new. Building it
 * fails with `WrongNetwork` if the store begins with another block, and with `Damaged` if it contradicts itself.
 */
export const layer: Layer.Layer<Blockchain, StoreError, ChainStore | UtxoStore | Mempool | NodeConfig> = Layer.effect(
  Blockchain,
  Effect.gen(function* () {
    const { legacy, network } = yield* NodeConfig
    const store = yield* ChainStore
    const utxos = yield* UtxoStore
    const mempool = yield* Mempool
    const clock = yield* Clock.Clock

    const stored = yield* loadChain(network)
    const index = stored.index
    let tip = stored.tip
    const branches = new KnownBranches(index)
    const { invalid, side } = branches

    const writer = yield* Semaphore.make(1)
    const inbox = yield* Queue.bounded<OfferedBlock>(Limits.BLOCK_QUEUE)
    const events = yield* ChainEvents.make

    /** The blocks from `from` on that continue the chain by what their headers say, as many as one commit takes. */
    const continuation = (blocks: ReadonlyArray<Block>, from: number): ReadonlyArray<Block> => {
      const next: Array<Block> = []
      let head = tip.hash
      while (next.length < Limits.BLOCKS_PER_COMMIT) {
        const block = blocks[from + next.length]
        if (block === undefined || !bytesEqual(block.header.previousHash, head)) break
        next.push(block)
        head = blockHash(block.header)
      }
      return next
    }

    const coinsFor = (blocks: ReadonlyArray<Block>) =>
      Effect.map(utxos.getMany(blocks.flatMap(spentOutPoints)), (found) => new Map(found))

    /** Stores a change of the chain's end, and lets everybody know: all of it or, if the store fails, nothing. */
    const commit = Effect.fnUntraced(function* (
      blocks: ReadonlyArray<CheckedBlock>,
      durability: ChainBatch["durability"],
      removed: ReadonlyArray<RemovedBlock> = []
    ) {
      yield* store.commit({ disconnect: removed.length, connect: blocks, durability })
      for (let left = removed.length; left > 0; left--) index.pop()
      for (const { delta } of blocks) index.push(delta.hash)
      tip = blocks.at(-1)!.tip
      side.promote(blocks.map(({ tip }) => tip.hash))
      for (const { block, delta } of [...removed].reverse()) side.keep({ block, hash: delta.hash }, tip.height)
      side.prune(tip.height)
      const delta = {
        disconnected: removed.map(({ delta }) => delta),
        connected: blocks.map(({ delta }) => delta),
        ...(removed.length === 0 ? {} : { returned: returnedBy(removed, blocks) })
      }
      yield* utxos.applied(delta)
      yield* mempool.applied(delta)
      yield* events.publish([
        ...removed.map(({ delta: { hash, height } }) => ({ _tag: "Disconnected" as const, height, hash })),
        ...blocks.map(({ block, tip }) => ({ _tag: "Connected" as const, tip, block }))
      ])
    }, Effect.uninterruptible)

    /** Remembers the rejection if it is about every block of that hash; `after` are the rest of a branch voted for. */
    const remember = (block: Block, rejected: BlockRejected, after?: ReadonlyArray<Block>): void => {
      if (!isFinal(rejected.rejection, { bound: bindsBody(block, legacy), legacy })) return
      for (const { header } of [block, ...(after ?? [])]) invalid.add(header, rejected, after !== undefined)
    }

    /** What becomes of a block that does not continue the tip. */
    const putAside = (block: Block): Effect.Effect<BlockVerdict, BlockRejected> => {
      const { previousHash } = block.header
      const before = branches.to(previousHash)
      const fork = before === undefined ? index.heightOf(previousHash) : Number(before.fork)
      if (fork === undefined) return Effect.succeed({ _tag: "Orphan" })
      const parent = before?.blocks.at(-1)!.block.header ?? headerOf(network, toHeight(fork))
      const now = toUnixSeconds(clock.currentTimeMillisUnsafe())
      const context = { network, legacy, now, parent: { header: parent, hash: previousHash } }
      const rejection = rejectionWithoutCoins(block, context)
      if (rejection !== undefined) {
        const rejected = rejectedBlock(block, rejection)
        remember(block, rejected)
        return Effect.fail(rejected)
      }
      side.keep({ block, hash: blockHash(block.header) }, tip.height)
      const length = (before?.blocks.length ?? 0) + 1
      return Effect.succeed({ _tag: "SideBranch", parent: parent.height, fork: toHeight(fork), length })
    }

    const connectAll = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>) {
      const verdicts: Array<BlockVerdict> = []
      while (verdicts.length < blocks.length) {
        const { header } = blocks[verdicts.length]!
        if (index.heightOf(blockHash(header)) !== undefined) {
          verdicts.push({ _tag: "AlreadyKnown" })
          continue
        }
        const refused = invalid.refusal(header)
        if (refused !== undefined) return yield* rejectedBlock(blocks[verdicts.length]!, refused.rejection)
        const next = continuation(blocks, verdicts.length)
        if (next.length === 0) {
          verdicts.push(yield* putAside(blocks[verdicts.length]!))
          return verdicts
        }
        const options = { network, legacy, parent: tip, coins: yield* coinsFor(next), extent: "commit" } as const
        const { checked, rejected } = yield* checkBlocks(next, options)
        yield* Effect.yieldNow
        // What a power cut takes while more blocks wait can be fetched again; the commit of the last makes all durable.
        const last = rejected !== undefined || verdicts.length + checked.length === blocks.length
        if (checked.length > 0) yield* commit(checked, last ? "durable" : "batched")
        if (rejected !== undefined) {
          remember(next[checked.length]!, rejected)
          return yield* rejected
        }
        for (const { tip } of checked) verdicts.push({ _tag: "Connected", tip })
      }
      return verdicts
    })

    const connect = Effect.fn("Blockchain.connect")(function* (blocks: ReadonlyArray<Block>) {
      return yield* writer.withPermit(connectAll(blocks))
    })

    const reorganiseTo = Effect.fnUntraced(function* (hash: Hash256) {
      const branch = branches.to(hash)
      const depth = branch === undefined ? 0 : Number(tip.height - branch.fork)
      const refuse = (reason: ReorganisationRefused["reason"]) =>
        new ReorganisationRefused({ hash: toHex(hash), reason, depth })
      if (branch === undefined) return yield* refuse("UnknownBranch")
      if (depth > Limits.REORG_DEPTH) return yield* refuse("TooDeep")
      const blocks = branch.blocks.map(({ block }) => block)
      if (!isBetter({ height: blocks.at(-1)!.header.height, hash }, tip)) return yield* refuse("NotBetter")

      const removed = yield* Effect.provideService(lastBlocks(depth), ChainStore, store)
      const coins = yield* coinsFor(blocks)
      undo(removed, coins)
      const parent = { ...headerOf(network, branch.fork), hash: index.hashAt(branch.fork)! }
      const options = { network, legacy, parent, coins, extent: "all" } as const
      const { checked, rejected } = yield* checkBlocks(blocks, options)
      if (rejected !== undefined) {
        remember(blocks[checked.length]!, rejected, blocks.slice(checked.length + 1))
        if (!mayPass(rejected.rejection)) side.drop(branch.blocks[checked.length]!.hash)
        return yield* rejected
      }
      yield* commit(checked, "durable", removed)
      return { tip, fork: branch.fork, disconnected: depth }
    })

    const reorganise = Effect.fn("Blockchain.reorganise")((hash: Hash256, bodies: ReadonlyArray<Block> = []) =>
      // In one turn of the writer, so that nobody puts another body in the place of one of these.
      writer.withPermit(
        Effect.andThen(
          Effect.forEach(bodies, (block) => connectAll([block]), { discard: true }),
          reorganiseTo(hash)
        )
      )
    )

    const decide = Effect.fnUntraced(
      function* ({ block, decided }: OfferedBlock) {
        const outcome = yield* connect([block]).pipe(
          Effect.map((verdicts) => verdicts[0]!),
          Effect.catch((refused) => Effect.succeed(refused)),
          Effect.catchDefect((defect) =>
            Effect.succeed(new StoreError({ operation: "offer", reason: "Failed", detail: String(defect) }))
          )
        )
        decided(outcome)
      },
      // The writer outlives whatever one block or its sender's callback does to it.
      (effect) =>
        Effect.catchDefect(effect, (defect) => Effect.logError("An offered block failed unexpectedly", defect))
    )
    yield* Queue.take(inbox).pipe(Effect.flatMap(decide), Effect.forever, Effect.forkScoped)

    return Blockchain.of({
      network,
      genesisHash: genesis(network).hash,
      tip: () => tip,
      hashAt: (height) => index.hashAt(height),
      heightOf: (hash) => {
        const found = index.heightOf(hash)
        return found === undefined ? undefined : toHeight(found)
      },
      block: (height) => Effect.provideService(readBlock(height), ChainStore, store),
      blocks: store.blocks,
      offer: (offered) => Effect.sync(() => Queue.offerUnsafe(inbox, offered)),
      connect,
      branches: () => branches.all(),
      refusal: (hash) => invalid.get(hash)?.rejected,
      reorganise,
      changes: events.changes
    })
  })
)

// --- internal ---

/** Height and time of a block of the best chain: all of them keep the schedule, genesis included. */
const headerOf = (network: Network, height: Height) => ({ height, timestamp: dueTime(network, height) })
