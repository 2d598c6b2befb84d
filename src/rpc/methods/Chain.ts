/**
 * Methods about the best chain.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { blockHash } from "../../protocol/Block.ts"
import { toHex } from "../../protocol/Hash.ts"
import { height, type Height } from "../../protocol/Height.ts"
import { expectedHeight } from "../../protocol/Network.ts"
import { txid } from "../../protocol/Transaction.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import { History, type HistoryState } from "../../services/History.ts"
import {
  BlockParam,
  Count,
  HashResult,
  HeightParam,
  HeightResult,
  namedBlock,
  SatoshiResult,
  SecondsResult
} from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { rpcError } from "../RpcError.ts"

export const getblockcount = defineMethod({
  name: "getblockcount",
  summary: "The height of the best chain's last block.",
  params: {},
  result: HeightResult,
  errors: [],
  run: () => Effect.map(Blockchain, (chain) => chain.tip().height)
})

export const getbestblockhash = defineMethod({
  name: "getbestblockhash",
  summary: "The hash of the best chain's last block.",
  params: {},
  result: HashResult,
  errors: [],
  run: () => Effect.map(Blockchain, (chain) => toHex(chain.tip().hash))
})

export const getblockhash = defineMethod({
  name: "getblockhash",
  summary: "The hash of the best chain's block at a height.",
  params: { height: HeightParam },
  result: HashResult,
  errors: ["NotFound"],
  run: Effect.fnUntraced(function* (params) {
    const chain = yield* Blockchain
    const hash = chain.hashAt(height(params.height))
    if (hash === undefined) return yield* blockNotFound(params.height)
    return toHex(hash)
  })
})

export const getblock = defineMethod({
  name: "getblock",
  summary: "A block of the best chain, with the ids of its transactions.",
  params: { block: BlockParam },
  result: Schema.Struct({
    block_reward: SatoshiResult,
    confirmations: Schema.BigInt,
    hash: HashResult,
    height: HeightResult,
    masternode_rewards: Count,
    merkleroot: HashResult,
    nTx: Count,
    previousblockhash: HashResult,
    time: SecondsResult,
    tx: Schema.Array(HashResult),
    version: Schema.Int
  }),
  errors: ["NotFound"],
  run: Effect.fnUntraced(function* (params) {
    const chain = yield* Blockchain
    const named = namedBlock(params.block)
    const at = typeof named === "bigint" ? named : chain.heightOf(named)
    const block = at === undefined ? undefined : yield* chain.block(at)
    if (block === undefined) return yield* blockNotFound(params.block)
    const { header, masternodeRewards, transactions } = block
    return {
      block_reward: header.blockReward,
      confirmations: max(0n, chain.tip().height - header.height + 1n),
      hash: toHex(blockHash(header)),
      height: header.height,
      masternode_rewards: masternodeRewards.length,
      merkleroot: toHex(header.merkleRoot),
      nTx: transactions.length,
      previousblockhash: toHex(header.previousHash),
      time: header.timestamp,
      tx: transactions.map((transaction) => toHex(txid(transaction))),
      version: header.version
    }
  })
})

export const getblockchaininfo = defineMethod({
  name: "getblockchaininfo",
  summary: "The state of the best chain.",
  params: {},
  result: Schema.Struct({
    bestblockhash: HashResult,
    blocks: HeightResult,
    chain: Schema.Literals(["main", "test"]),
    chainwork: Schema.String,
    consensus: Schema.Literal("BFT"),
    difficulty: Schema.Number,
    finality_time: Schema.String,
    headers: HeightResult,
    instant_finality: Schema.Boolean,
    mediantime: SecondsResult,
    pruned: Schema.Boolean.annotate({ description: "true while blocks are missing below a snapshot" }),
    snapshot: Schema.optionalKey(
      Schema.Struct({
        hash: HashResult,
        height: HeightResult,
        replayed: Schema.optionalKey(HeightResult).annotate({
          description: "up to this height its blocks were checked"
        }),
        status: Schema.Literals(["verifying", "verified", "false"]),
        why: Schema.optionalKey(Schema.String)
      })
    ),
    verificationprogress: Schema.Number.annotate({ description: "from 0 to 1: the share of due blocks that are here" })
  }),
  errors: [],
  run: Effect.fnUntraced(function* () {
    const chain = yield* Blockchain
    const tip = chain.tip()
    const middle = yield* chain.block(medianHeight(tip.height))
    const now = BigInt(yield* Clock.currentTimeMillis) / 1000n
    const due = max(tip.height, expectedHeight(chain.network, now))
    return {
      bestblockhash: toHex(tip.hash),
      blocks: tip.height,
      chain: chain.network.name === "mainnet" ? ("main" as const) : ("test" as const),
      chainwork: tip.height.toString(16).padStart(64, "0"),
      consensus: "BFT" as const,
      difficulty: 1,
      finality_time: "<3 seconds",
      headers: tip.height,
      instant_finality: true,
      mediantime: middle?.header.timestamp ?? tip.timestamp,
      ...snapshotInfo((yield* History).state()),
      verificationprogress: Number(tip.height + 1n) / Number(due + 1n)
    }
  })
})

export const getchaintips = defineMethod({
  name: "getchaintips",
  summary: "The ends of the best chain and of the branches that are kept beside it, the highest first.",
  params: {},
  result: Schema.Array(
    Schema.Struct({
      branchlen: Schema.Int.annotate({ description: "blocks after the last one shared with the best chain" }),
      hash: HashResult,
      height: HeightResult,
      status: Schema.Literals(["active", "invalid", "valid-headers"]).annotate({
        description:
          "active is the best chain; of valid-headers all blocks are here, but their spending was not checked; invalid breaks a rule"
      })
    })
  ),
  errors: [],
  run: () =>
    Effect.map(Blockchain, (chain) => {
      const active = { tip: chain.tip(), length: 0, status: "active" as const }
      const beside = chain.branches().map(({ length, rejected, tip }) => ({
        length,
        status: rejected === null ? ("valid-headers" as const) : ("invalid" as const),
        tip
      }))
      return [active, ...beside]
        .sort((a, b) => Number(b.tip.height - a.tip.height))
        .map(({ length, status, tip }) => ({ branchlen: length, hash: toHex(tip.hash), height: tip.height, status }))
    })
})

// --- internal ---

const blockNotFound = (named: bigint | number | string) =>
  rpcError("NotFound", `Block not found: Block ${named} not found`)

/** What is known of the blocks below a snapshot. */
const snapshotInfo = (state: HistoryState) => {
  if (state._tag === "Whole") return { pruned: false }
  const base = { hash: toHex(state.base.hash), height: state.base.height }
  switch (state._tag) {
    case "Replaying":
      return { pruned: true, snapshot: { ...base, replayed: state.height, status: "verifying" as const } }
    case "Verified":
      return { pruned: true, snapshot: { ...base, replayed: base.height, status: "verified" as const } }
    case "Refuted":
      return { pruned: true, snapshot: { ...base, status: "false" as const, why: state.why } }
  }
}

const max = <A extends bigint>(a: A, b: A): A => (a > b ? a : b)

/** Times rise with heights, so that the median of the last eleven blocks is the time of the middle one. */
const medianHeight = (tip: Height): Height => height(tip >= 10n ? tip - 5n : (tip + 1n) / 2n)
