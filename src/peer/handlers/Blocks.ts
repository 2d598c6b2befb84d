/**
 * Blocks: serving ranges, heights and hashes of the best chain, and taking blocks that peers announce.
 *
 * Ranges are stored wire bytes, concatenated. A request may name any heights up to 2^64 − 1; what is read is what
 * exists, up to the limits of one answer.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { provesMisbehaviour } from "../../consensus/BlockRejection.ts"
import { isBetter } from "../../consensus/ForkChoice.ts"
import { type Block, blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { toHex, ZERO_HASH } from "../../protocol/Hash.ts"
import type { Height } from "../../protocol/Height.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Wire from "../../protocol/wire/Wire.ts"
import { Blockchain, type BlockRejected, type BlockVerdict } from "../../services/Blockchain.ts"
import type { StoreError } from "../../services/ChainStore.ts"
import { Forks } from "../../services/Forks.ts"
import { Gossip } from "../../services/Gossip.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import { PeerGuard } from "../../services/PeerGuard.ts"
import { type Agent, PeerRegistry } from "../../services/PeerRegistry.ts"
import { Sync } from "../../services/Sync.ts"
import type { AnswersTo, ReactionsTo } from "../Handlers.ts"

/** Answers about the best chain. */
export const answers = Effect.gen(function* () {
  const chain = yield* Blockchain

  const range = (from: Height, to: Height, agent: Agent) =>
    from > to
      ? Effect.succeed([])
      : chain.blocks(from, to, {
          count: Limits.BLOCKS_PER_ANSWER,
          bytes: agent === "timed" ? Limits.BLOCKS_ANSWER_TIMED : Limits.BLOCKS_ANSWER
        })

  const table: AnswersTo<
    | "GetBlockHeight"
    | "GetBlockHash"
    | "GetGenesisHash"
    | "ConsensusQuery"
    | "GetBlocks"
    | "GetBlockRange"
    | "BlockRequest"
  > = {
    GetBlockHeight: () => Effect.sync(() => ({ _tag: "BlockHeightResponse", height: chain.tip().height })),
    GetBlockHash: ({ height }) =>
      Effect.sync(() => ({ _tag: "BlockHashResponse", height, hash: chain.hashAt(height) ?? null })),
    GetGenesisHash: () => Effect.succeed({ _tag: "GenesisHashResponse", hash: chain.genesisHash }),
    ConsensusQuery: ({ blockHash, height }) =>
      Effect.sync(() => {
        const ours = chain.hashAt(height)
        return {
          _tag: "ConsensusQueryResponse",
          agrees: ours !== undefined && bytesEqual(ours, blockHash),
          height,
          theirHash: ours ?? ZERO_HASH
        }
      }),
    GetBlocks: ({ end, start }, from) =>
      Effect.map(range(start, end, from.agent), (blocks) => Wire.encodedBlocks("BlocksResponse", blocks)),
    GetBlockRange: ({ endHeight, startHeight }, from) =>
      Effect.map(range(startHeight, endHeight, from.agent), (blocks) =>
        Wire.encodedBlocks("BlockRangeResponse", blocks)
      ),
    // The wire has no word for "no such block": like `timed`, we say nothing then.
    BlockRequest: ({ height: at }) =>
      Effect.map(chain.blocks(at, at, { count: 1, bytes: Limits.BLOCKS_ANSWER }), ([bytes]) =>
        bytes === undefined ? null : Wire.encodedBlock(bytes)
      )
  }
  return table
})

/**
 * Takes announced blocks. The chain decides later, in its own time; what follows from its decision (passing the block
 * on, catching up, blaming the sender) is done by one fiber for all peers.
 */
export const reactions = Effect.gen(function* () {
  const chain = yield* Blockchain
  const decided = yield* Queue.sliding<Decision>(Limits.BLOCK_QUEUE)
  const consequence = yield* consequences
  yield* Queue.take(decided).pipe(Effect.flatMap(consequence), Effect.forever, Effect.forkScoped)

  const table: ReactionsTo<"BlockAnnouncement"> = {
    BlockAnnouncement: ({ block }, from) =>
      chain.heightOf(blockHash(block.header)) !== undefined
        ? Effect.void
        : Effect.asVoid(
            chain.offer({
              block,
              from: from.peer,
              decided: (outcome) => void Queue.offerUnsafe(decided, { block, from: from.peer, outcome })
            })
          )
  }
  return table
})

// --- internal ---

interface Decision {
  readonly block: Block
  readonly from: PeerId
  readonly outcome: BlockVerdict | BlockRejected | StoreError
}

const consequences = Effect.gen(function* () {
  const chain = yield* Blockchain
  const config = yield* NodeConfig
  const forks = yield* Forks
  const gossip = yield* Gossip
  const guard = yield* PeerGuard
  const registry = yield* PeerRegistry
  const sync = yield* Sync
  return ({ block, from, outcome }: Decision): Effect.Effect<unknown> => {
    switch (outcome._tag) {
      case "Connected":
        // Not by the verdict's tip, which several blocks of one batch share.
        return Effect.andThen(
          registry.recordUseful(from, "block"),
          gossip.relay(toHex(blockHash(block.header)), { _tag: "BlockAnnouncement", block }, from)
        )
      case "Orphan":
        // The sender claims a chain that goes on beyond ours, as far as this block at least.
        return sync.report(from, block.header.height)
      case "BlockRejected":
        if (!provesMisbehaviour(outcome.rejection, config)) return Effect.void
        return Effect.flatMap(guard.report(from, "invalidBlock"), (verdict) =>
          verdict === "banned" ? registry.disconnect(from, "banned") : Effect.void
        )
      case "SideBranch":
        return isBetter({ height: block.header.height, hash: blockHash(block.header) }, chain.tip())
          ? forks.consider(from)
          : Effect.void
      case "AlreadyKnown":
        return Effect.void
      case "StoreError":
        return Effect.logError("A block could not be stored", outcome)
    }
  }
})
