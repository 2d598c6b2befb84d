/**
 * `Blockchain` over a chain store in this process: the single writer of the best chain.
 *
 * Blocks are checked against the coins of the view with the effects of the blocks before them laid over it, and are
 * committed many at a time. Index, tip, view, pool and events change after the store, and never without it: a commit and
 * what follows it cannot be interrupted, and all that comes before changes nothing.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { spentOutPoints, validateBlock } from "../consensus/BlockRules.ts"
import { coinView } from "../consensus/CoinView.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { toHex } from "../protocol/Hash.ts"
import { height as toHeight } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import { outPointKey } from "../protocol/Utxo.ts"
import * as Wire from "../protocol/wire/Wire.ts"
import {
  Blockchain,
  BlockRejected,
  type BlockVerdict,
  type ChainEvent,
  type OfferedBlock
} from "../services/Blockchain.ts"
import { type ChainBatch, ChainStore, type ChainTip, type ConnectedBlock, StoreError } from "../services/ChainStore.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
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

    const writer = yield* Semaphore.make(1)
    const inbox = yield* Queue.bounded<OfferedBlock>(Limits.BLOCK_QUEUE)
    const hub = yield* Effect.acquireRelease(PubSub.sliding<Published>(Limits.CHAIN_EVENTS), PubSub.shutdown)
    let published = 0

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

    /** Checks blocks one after the other, up to the first that breaks a rule or to what one commit takes. */
    const check = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>): Effect.fn.Return<Checked, StoreError> {
      const coins = new Map(yield* utxos.getMany(blocks.flatMap(spentOutPoints)))
      const now = BigInt(Math.floor(clock.currentTimeMillisUnsafe() / 1_000))
      const checked: Array<CheckedBlock> = []
      let bytesTaken = 0
      let coinsTaken = 0
      let parent = tip
      let resumed = clock.monotonicTimeNanosUnsafe()
      for (const block of blocks) {
        const context = { network, parent: { header: parent, hash: parent.hash }, now, coins: coinView(coins), legacy }
        const result = validateBlock(block, context)
        if (Result.isFailure(result)) {
          const hash = toHex(blockHash(block.header))
          const rejected = new BlockRejected({ height: block.header.height, hash, rejection: result.failure })
          return { checked, rejected }
        }
        const delta = result.success
        for (const { outpoint } of delta.spent) coins.delete(outPointKey(outpoint))
        for (const utxo of delta.created) coins.set(outPointKey(utxo.outpoint), utxo)
        const bytes = Wire.encodeBlock(block)
        parent = { height: delta.height, hash: delta.hash, timestamp: delta.timestamp }
        checked.push({ block, delta, bytes, tip: parent })
        bytesTaken += bytes.length
        coinsTaken += delta.spent.length + delta.created.length
        if (bytesTaken >= Limits.COMMIT_BYTES || coinsTaken >= Limits.COINS_PER_COMMIT) break
        if (clock.monotonicTimeNanosUnsafe() - resumed > TURN) {
          yield* Effect.yieldNow
          resumed = clock.monotonicTimeNanosUnsafe()
        }
      }
      return { checked, rejected: undefined }
    })

    /** Stores blocks and makes them the end of the chain. */
    const commit = Effect.fnUntraced(function* (
      blocks: ReadonlyArray<CheckedBlock>,
      durability: ChainBatch["durability"]
    ) {
      yield* store.commit({ disconnect: 0, connect: blocks, durability })
      for (const { delta } of blocks) index.push(delta.hash)
      tip = blocks.at(-1)!.tip
      const delta = { disconnected: [], connected: blocks.map((block) => block.delta) }
      yield* utxos.applied(delta)
      yield* mempool.applied(delta)
      const events = blocks.map(({ block, tip }): Published => {
        return { sequence: published++, event: { _tag: "Connected", tip, block } }
      })
      yield* PubSub.publishAll(hub, events)
    }, Effect.uninterruptible)

    const connectAll = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>) {
      const verdicts: Array<BlockVerdict> = []
      while (verdicts.length < blocks.length) {
        const { header } = blocks[verdicts.length]!
        if (index.heightOf(blockHash(header)) !== undefined) {
          verdicts.push({ _tag: "AlreadyKnown" })
          continue
        }
        const next = continuation(blocks, verdicts.length)
        if (next.length === 0) {
          const parent = index.heightOf(header.previousHash)
          verdicts.push(parent === undefined ? { _tag: "Orphan" } : { _tag: "SideBranch", parent: toHeight(parent) })
          return verdicts
        }
        const { checked, rejected } = yield* check(next)
        yield* Effect.yieldNow
        // What a power cut takes while more blocks wait can be fetched again; the commit of the last makes all durable.
        const last = rejected !== undefined || verdicts.length + checked.length === blocks.length
        if (checked.length > 0) yield* commit(checked, last ? "durable" : "batched")
        if (rejected !== undefined) return yield* rejected
        for (const { tip } of checked) verdicts.push({ _tag: "Connected", tip })
      }
      return verdicts
    })

    const connect = Effect.fn("Blockchain.connect")(function* (blocks: ReadonlyArray<Block>) {
      return yield* writer.withPermit(connectAll(blocks))
    })

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

    const changes = Stream.unwrap(
      Effect.gen(function* () {
        const subscription = yield* PubSub.subscribe(hub)
        const first = published
        return Stream.fromSubscription(subscription).pipe(Stream.mapAccum(() => first, withLag))
      })
    )

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
      changes
    })
  })
)

// --- internal ---

/** How long validation goes on before others get their turn, in nanoseconds. */
const TURN = 4_000_000n

interface CheckedBlock extends ConnectedBlock {
  readonly block: Block
  readonly tip: ChainTip
}

interface Checked {
  readonly checked: ReadonlyArray<CheckedBlock>
  /** Why the block after the last of `checked` cannot follow it. */
  readonly rejected: BlockRejected | undefined
}

interface Published {
  readonly sequence: number
  readonly event: ChainEvent
}

/** Says how many events are missing before the one that has come, if any are. */
const withLag = (expected: number, { event, sequence }: Published): readonly [number, ReadonlyArray<ChainEvent>] => [
  sequence + 1,
  sequence > expected ? [{ _tag: "Lagged", missed: sequence - expected }, event] : [event]
]
