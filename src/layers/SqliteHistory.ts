/**
 * `History` in a file beside the chain's, which is an ordinary chain from genesis on.
 *
 * The file alone says how far the replay is: it ends below the base while blocks are missing, at the base until its
 * outputs were compared with the snapshot's, and beyond it only after they were found equal. So a process may end at any
 * time. Nothing of it is trusted that cannot be replayed: a file that is damaged or of another chain is begun anew.
 *
 * Under `legacy` other bodies may fit the same hashes, and one peer may have sent such a one. Then outputs that are not
 * the snapshot's refute it only when a second replay, of other peers' answers, leaves the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { isFinal } from "../consensus/BlockRejection.ts"
import { bindsBody } from "../consensus/BlockRules.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../protocol/Utxo.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { ChainStore, type SnapshotBase, StoreError } from "../services/ChainStore.ts"
import { History, type HistoryState, type Replayed } from "../services/History.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { chainFile, historyFile, removeHistory } from "./DataDirectory.ts"
import { readBlocks, replayChain } from "./ReplayChain.ts"
import { CoinSums } from "./SnapshotFormat.ts"

/** The history of the chain that is provided; nothing to do where that is whole. */
export const layer: Layer.Layer<History, StoreError, ChainStore | Blockchain | NodeConfig> = Layer.effect(
  History,
  Effect.gen(function* () {
    const config = yield* NodeConfig
    const base = yield* (yield* ChainStore).base
    const { dataDir } = config
    if (dataDir === null) return settled({ _tag: "Whole" })
    if (base === null) {
      // What a snapshot has left whose chain is gone.
      removeHistory(dataDir)
      return settled({ _tag: "Whole" })
    }
    if (base.refuted !== null) {
      yield* logRefuted(dataDir, base.refuted)
      return settled({ _tag: "Refuted", base, why: base.refuted })
    }
    return yield* replaying(base, { ...config, dataDir })
  })
)

// --- internal ---

type Config = NodeConfig["Service"] & { readonly dataDir: string }

/** A state that does not change any more. */
const settled = (state: HistoryState) =>
  History.of({
    state: () => state,
    replay: () => Effect.succeed("Connected"),
    restart: Effect.void,
    extend: Effect.void
  })

const replaying = Effect.fnUntraced(function* (base: SnapshotBase, config: Config) {
  const store = yield* ChainStore
  const chain = yield* Blockchain
  const turn = yield* Semaphore.make(1)
  const replica = yield* openReplica(config)
  let state: HistoryState
  /** What an earlier replay has left that was no proof. */
  let left: Hash256 | undefined

  const begin = () => {
    const tip = replica.chain().tip()
    state = tip.height > base.height ? { _tag: "Verified", base } : { _tag: "Replaying", base, height: tip.height }
  }
  const restart = Effect.andThen(replica.clear, Effect.sync(begin))

  const refute = Effect.fnUntraced(function* (why: string) {
    yield* store.refute(why)
    state = { _tag: "Refuted", base, why }
    yield* logRefuted(config.dataDir, why)
  })

  /** Compares the outputs that the blocks leave at the base. */
  const compare = Effect.gen(function* (): Effect.fn.Return<Replayed, StoreError> {
    const { coinsHash, utxoCount, utxoHash } = yield* sumsOf(replica.store())
    if (bytesEqual(coinsHash, base.coinsHash)) {
      state = { _tag: "Verified", base }
      yield* Effect.logInfo(
        `The snapshot at height ${base.height} is verified: its blocks leave its ${utxoCount} unspent outputs. ` +
          "They become part of the chain at the next start"
      )
      return "Connected"
    }
    const why =
      `it has ${base.utxoCount} unspent outputs of hash ${toHex(base.utxoHash)}, ` +
      `but blocks 1 to ${base.height} leave ${utxoCount} of hash ${toHex(utxoHash)}`
    const isRepeated = left !== undefined && bytesEqual(left, coinsHash)
    if (isRepeated || (yield* isBound(replica.store(), base.height, config.legacy))) {
      yield* refute(why)
      return "Connected"
    }
    left = coinsHash
    yield* Effect.logError(
      `The snapshot at height ${base.height} may be false: ${why}. ` +
        "Some of these blocks have a hash that other bodies have too, so that they are fetched once more"
    )
    yield* restart
    return "Restarted"
  })

  const replay = Effect.fnUntraced(function* (blocks: ReadonlyArray<Block>): Effect.fn.Return<Replayed, StoreError> {
    const replayed = replica.chain().tip().height
    if (state._tag !== "Replaying" || replayed >= base.height) return "Connected"
    const next = blocks.slice(0, Number(base.height - replayed))
    const isListed = ({ header }: Block, index: number) => {
      const hash = chain.hashAt(height(replayed + 1n + BigInt(index)))
      return hash !== undefined && bytesEqual(hash, blockHash(header))
    }
    if (next.length === 0 || !next.every(isListed)) return "Unlisted"
    const result = yield* Effect.result(replica.chain().connect(next))
    const tip = replica.chain().tip()
    state = { ...state, height: tip.height }
    if (Result.isFailure(result)) {
      if (result.failure._tag === "StoreError") return yield* result.failure
      const { message, rejection } = result.failure
      const bad = next[Number(tip.height - replayed)]!
      if (!isFinal(rejection, { bound: bindsBody(bad, config.legacy), legacy: config.legacy })) return "Doubtful"
      yield* refute(message)
      return "Connected"
    }
    return tip.height === base.height ? yield* compare : "Connected"
  })

  const extend = Effect.gen(function* () {
    for (;;) {
      const from = replica.chain().tip().height + 1n
      const last = chain.tip().height - BigInt(Limits.REORG_DEPTH)
      if (state._tag !== "Verified" || from > last) return
      const count = Limits.BLOCKS_PER_COMMIT
      const pages = yield* store.blocks(height(from), height(last), { count, bytes: Limits.COMMIT_BYTES })
      yield* replica.chain().connect(readBlocks(pages))
      if (replica.chain().tip().height < from) {
        return yield* storeError(`the chain's own block ${from} does not follow those that were replayed`)
      }
    }
  }).pipe(Effect.catchTag("BlockRejected", ({ message }) => storeError(message)))

  begin()
  const known = chain.hashAt(replica.chain().tip().height)
  // What another snapshot has left.
  if (known === undefined || !bytesEqual(known, replica.chain().tip().hash)) yield* restart
  if (replica.chain().tip().height === base.height) {
    yield* turn.withPermit(compare).pipe(
      Effect.catch((error) => Effect.logError("The snapshot cannot be verified", error)),
      Effect.forkScoped
    )
  }
  return History.of({
    state: () => state,
    replay: (blocks) => turn.withPermit(replay(blocks)),
    restart: turn.withPermit(restart),
    extend: turn.withPermit(extend)
  })
})

const logRefuted = (dataDir: string, why: string) =>
  Effect.logError(
    `The snapshot that this chain began with is false: ${why}. No more blocks are put on it. ` +
      `Stop the node, remove ${chainFile(dataDir)}, and start without a snapshot or load another`
  )

const storeError = (detail: string) => new StoreError({ operation: "replay", reason: "Failed", detail })

/** The second chain, which can be begun anew. */
const openReplica = Effect.fnUntraced(function* (config: Config) {
  const outer = yield* Effect.scope
  const file = historyFile(config.dataDir)
  const remove = Effect.sync(() => removeHistory(config.dataDir))
  let scope: Scope.Closeable
  let services: Context.Context<Blockchain | ChainStore>
  const open = Effect.gen(function* () {
    scope = yield* Scope.fork(outer)
    services = yield* Layer.buildWithMemoMap(replayChain(file, config), yield* Layer.makeMemoMap, scope)
  })
  yield* open.pipe(
    Effect.catchIf(
      ({ reason }) => reason !== "InUse" && reason !== "Failed",
      () => Effect.andThen(remove, open)
    )
  )
  return {
    chain: () => Context.get(services, Blockchain),
    store: () => Context.get(services, ChainStore),
    clear: Effect.suspend(() => Scope.close(scope, Exit.void)).pipe(Effect.andThen(remove), Effect.andThen(open))
  }
})

const sumsOf = Effect.fnUntraced(function* (store: ChainStore["Service"]) {
  const sums = new CoinSums()
  let after: OutPointKey | null = null
  for (;;) {
    const page: ReadonlyArray<Utxo> = yield* store.utxoPage(after, Limits.COINS_PER_READ)
    for (const utxo of page) sums.add(utxo)
    const last = page.at(-1)
    if (last === undefined || page.length < Limits.COINS_PER_READ) return sums.digest()
    after = outPointKey(last.outpoint)
    yield* Effect.yieldNow
  }
})

/** True if nobody could have sent other bodies than these for the hashes of the chain. */
const isBound = Effect.fnUntraced(function* (store: ChainStore["Service"], last: Height, legacy: boolean) {
  for (let at = 1n; at <= last; at++) {
    const [bytes] = yield* store.blocks(height(at), height(at), { count: 1, bytes: 0 })
    const [block] = bytes === undefined ? [] : readBlocks([bytes])
    if (block === undefined || !bindsBody(block, legacy)) return false
    if (at % TURN === 0n) yield* Effect.yieldNow
  }
  return true
})

/** Blocks that are read before others may run: a millisecond or two. */
const TURN = 20n
