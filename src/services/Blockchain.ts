/**
 * The best chain: its single writer and its readers.
 *
 * Every change goes through one queue, is checked whole before anything is stored, and is then stored whole. A verdict
 * says what became of a block; a block that was not put on the best chain is never reported as if it were.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlockRejection, describe } from "../consensus/BlockRejection.ts"
import type { Block } from "../protocol/Block.ts"
import { genesis } from "../protocol/Genesis.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import type { Network } from "../protocol/Network.ts"
import { testnet } from "../protocol/Network.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { StoreError, type ChainTip } from "./ChainStore.ts"

/** What became of a block that breaks no rule. */
export type BlockVerdict =
  /** It is the new tip, or was put on below it in the same batch. */
  | { readonly _tag: "Connected"; readonly tip: ChainTip }
  | { readonly _tag: "AlreadyKnown" }
  /** It continues another block than the tip. It was not put on, but is kept as far as there is room. */
  | {
      readonly _tag: "SideBranch"
      /** Of the block before it. */
      readonly parent: Height
      /** The last block that its branch and the best chain share. */
      readonly fork: Height
      /** Blocks of its branch after the fork, up to this one. */
      readonly length: number
    }
  /** Its parent is unknown here. It was neither put on nor kept. */
  | { readonly _tag: "Orphan" }

/** The block breaks a rule, or follows one that does. It will tomorrow too, unless the reason is about time. */
export class BlockRejected extends Schema.TaggedError<BlockRejected>()("BlockRejected", {
  height: Schema.BigInt,
  hash: Schema.String,
  rejection: BlockRejection
}) {
  override get message(): string {
    return `block ${this.height} (${this.hash}) breaks a rule: ${describe(this.rejection)}`
  }
}

/** Another branch is the best chain now. */
export interface Reorganised {
  readonly tip: ChainTip
  /** The last block that the old and the new chain share. */
  readonly fork: Height
  /** How many blocks came off. */
  readonly disconnected: number
}

/**
 * Nothing was changed: the branch is not kept here, takes off more blocks than is ever done, or is not better than what
 * we have. It can be tried again when the branch has been fetched, or has grown.
 */
export class ReorganisationRefused extends Schema.TaggedError<ReorganisationRefused>()("ReorganisationRefused", {
  /** The last block of the branch. */
  hash: Schema.String,
  reason: Schema.Literals(["UnknownBranch", "TooDeep", "NotBetter"]),
  /** How many blocks would come off; 0 where that is unknown. */
  depth: Schema.Int
}) {}

/** A branch beside the best chain: one that is kept, or one that is remembered because it is invalid. */
export interface Branch {
  readonly tip: ChainTip
  readonly fork: Height
  /** Blocks after the fork. */
  readonly length: number
  /** Why it can never be the best chain: its first bad block. Null where none is known, which does not make it valid. */
  readonly rejected: BlockRejected | null
}

export type ChainEvent =
  | { readonly _tag: "Connected"; readonly tip: ChainTip; readonly block: Block }
  | { readonly _tag: "Disconnected"; readonly height: Height; readonly hash: Hash256 }
  | { readonly _tag: "Lagged"; readonly missed: number }

/** A block somebody sent us without being asked. */
export interface OfferedBlock {
  readonly block: Block
  readonly from: PeerId
  /** Called once with what became of it, from the chain's own fiber; must not wait. */
  readonly decided: (outcome: BlockVerdict | BlockRejected | StoreError) => void
}

export class Blockchain extends Context.Service<
  Blockchain,
  {
    readonly network: Network
    readonly genesisHash: Hash256
    /** The current tip; a plain read, for callbacks too. */
    readonly tip: () => ChainTip
    /** The hash at a height of the best chain; a plain read. */
    readonly hashAt: (height: Height) => Hash256 | undefined
    /** The height of a block of the best chain; a plain read. */
    readonly heightOf: (hash: Hash256) => Height | undefined
    readonly block: (height: Height) => Effect.Effect<Block | undefined, StoreError>
    /** Stored wire bytes of blocks of the best chain, as `ChainStore.blocks` gives them. */
    readonly blocks: (
      from: Height,
      to: Height,
      limits: { readonly count: number; readonly bytes: number }
    ) => Effect.Effect<ReadonlyArray<Uint8Array>, StoreError>
    /** Hands over a block without waiting; false when the queue is full, which loses nothing that cannot be fetched. */
    readonly offer: (offered: OfferedBlock) => Effect.Effect<boolean>
    /**
     * Puts blocks on the chain in order and waits. Blocks that are on it are passed over; it stops at the first that
     * does not connect, whose verdict is the last. Blocks before a rejected one, or before a failure, stay connected.
     */
    readonly connect: (
      blocks: ReadonlyArray<Block>
    ) => Effect.Effect<ReadonlyArray<BlockVerdict>, BlockRejected | StoreError>
    /** The branches beside the best chain that are known, each by its last block; a plain read. */
    readonly branches: () => ReadonlyArray<Branch>
    /** Why no block with this hash can be accepted, where that is remembered; a plain read. */
    readonly refusal: (hash: Hash256) => BlockRejected | undefined
    /**
     * Makes the kept branch that ends with this block the best chain, if it is better. It is checked whole against the
     * coins at the fork before anything changes; then one batch takes the old blocks off and puts the new ones on. If
     * one of its blocks breaks a rule, that one and those after it are no longer kept.
     *
     * A header need not bind its body, and anybody can send another body meanwhile. `bodies` are blocks of the branch as
     * one peer sent them: what is checked and put on is these, whatever was kept under the same hashes.
     */
    readonly reorganise: (
      tip: Hash256,
      bodies?: ReadonlyArray<Block>
    ) => Effect.Effect<Reorganised, ReorganisationRefused | BlockRejected | StoreError>
    /** Changes as they happen; those of a reorganisation are `Disconnected`, newest first, and then `Connected`. A slow subscriber loses the oldest and is told so. */
    readonly changes: Stream.Stream<ChainEvent>
  }
>()("timenode/services/Blockchain") {
  /** A testnet chain of its genesis block alone that connects nothing, except as overridden. */
  static readonly layerTest = (overrides: Partial<Blockchain["Service"]> = {}): Layer.Layer<Blockchain> => {
    const first = genesis(testnet)
    const tip: ChainTip = { height: height(0), hash: first.hash, timestamp: first.block.header.timestamp }
    return Layer.succeed(
      Blockchain,
      Blockchain.of({
        network: testnet,
        genesisHash: first.hash,
        tip: () => tip,
        hashAt: (at) => (at === 0n ? first.hash : undefined),
        heightOf: () => undefined,
        block: (at) => Effect.succeed(at === 0n ? first.block : undefined),
        blocks: () => Effect.succeed([]),
        offer: () => Effect.succeed(true),
        connect: (blocks) => Effect.succeed(blocks.slice(0, 1).map(() => ({ _tag: "Orphan" as const }))),
        branches: () => [],
        refusal: () => undefined,
        reorganise: (tip) =>
          Effect.fail(new ReorganisationRefused({ hash: toHex(tip), reason: "UnknownBranch", depth: 0 })),
        changes: Stream.empty,
        ...overrides
      })
    )
  }
}
