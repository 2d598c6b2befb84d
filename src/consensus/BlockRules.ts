/**
 * The rules for a block on top of its parent, as one pure function.
 *
 * All rules that `timed` enforces come first, in its order, so that a block that breaks both kinds counts as breaking
 * those (see {@link severity} in `BlockRejection.ts`). After them come the rules that no block of an honest `timed`
 * breaks. Genesis is not validated here: it is compared with {@link genesis} by hash.
 *
 * Two strict rules need no code. On the grid, a timestamp at most 600 s ahead is at most one block ahead of schedule;
 * and coinbase outputs that repeat the rewards cannot exceed what the rewards may be. No output can appear twice
 * either: a coinbase names its height by its timestamp, and any other transaction consumed its inputs the first time.
 */
import * as Result from "effect/Result"
import { addressScript, scriptText } from "../protocol/Address.ts"
import { type Block, blockHash, type BlockHeader, type MasternodeReward } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { MAX_U64 } from "../protocol/Integer.ts"
import { merkleRoot } from "../protocol/Merkle.ts"
import { dueTime, type Network } from "../protocol/Network.ts"
import { isCoinbase, type OutPoint, txid } from "../protocol/Transaction.ts"
import { outPointKey, type Utxo } from "../protocol/Utxo.ts"
import type { BlockDelta } from "./BlockDelta.ts"
import type { BlockRejection } from "./BlockRejection.ts"
import type { CoinView } from "./CoinView.ts"
import { BLOCK_REWARD, payableReward, REWARD_TOLERANCE } from "./Rewards.ts"
import { coinSum, outputCeiling, outputSum, unsignedInput } from "./TransactionRules.ts"

export interface BlockContext {
  readonly network: Network
  readonly parent: { readonly header: Pick<BlockHeader, "height" | "timestamp">; readonly hash: Hash256 }
  /** Unix time in seconds. */
  readonly now: bigint
  /** The outputs that are unspent after the parent. */
  readonly coins: CoinView
  /**
   * True on networks that `timed` nodes share. Their blocks contain unsigned spends, may cover only the coinbase by the
   * merkle root, and never create more than 1 TIME for each input.
   */
  readonly legacy: boolean
}

/** How far ahead of our clock a block may be, in seconds. */
export const MAX_TIME_AHEAD = 600n

/** The outputs that a block spends, to be looked up before it is validated. */
export const spentOutPoints = (block: Block): ReadonlyArray<OutPoint> =>
  block.transactions.flatMap(({ inputs }) => inputs.map(({ previousOutput }) => previousOutput))

/** What the block does to the UTXO set, or the first rule it breaks. */
export const validateBlock = (block: Block, context: BlockContext): Result.Result<BlockDelta, BlockRejection> => {
  const { header, masternodeRewards, transactions } = block
  const misplaced = headerRejection(header, context)
  if (misplaced !== undefined) return Result.fail(misplaced)

  const coins = lookUpInputs(block, context)
  if (Result.isFailure(coins)) return Result.fail(coins.failure)
  const spent = coins.success
  const invalid =
    rewardRejection(masternodeRewards) ??
    strictHeaderRejection(header, context.network) ??
    coinbaseRejection(block) ??
    spendRejection(block, context, spent)
  if (invalid !== undefined) return Result.fail(invalid)

  // Hashing comes last: it is most of the work, and bodies that break a rule need none of it.
  const txids = transactions.map(txid)
  const mismatched = merkleRejection(header, txids, context.legacy)
  if (mismatched !== undefined) return Result.fail(mismatched)

  return Result.succeed({
    height: header.height,
    hash: blockHash(header),
    previousHash: header.previousHash,
    timestamp: header.timestamp,
    txids,
    spent,
    spenders: transactions.flatMap(({ inputs }, index) => inputs.map(() => index)),
    created: createdOutputs(block, txids)
  })
}

/**
 * The first rule that the block breaks among those that need no coins: whether its body is that of its header, and its
 * header one that can follow its parent's. A block that passes may still break another rule.
 */
export const rejectionWithoutCoins = (block: Block, context: Omit<BlockContext, "coins">): BlockRejection | undefined =>
  headerRejection(block.header, context) ??
  rewardRejection(block.masternodeRewards) ??
  strictHeaderRejection(block.header, context.network) ??
  coinbaseRejection(block) ??
  merkleRejection(block.header, block.transactions.map(txid), context.legacy)

/**
 * True if no other body fits the header. The merkle root must cover all transactions, which under `legacy` cannot be
 * said of one over the coinbase alone; no transaction may stand there twice, because a list with its end repeated has
 * the same root; and the rewards must be those of the coinbase.
 */
export const bindsBody = (block: Block, legacy: boolean): boolean => {
  const { header, transactions } = block
  const txids = transactions.map(txid)
  const distinct = new Set(txids.map(toHex)).size === txids.length
  return (
    distinct &&
    txids.length > (legacy ? 1 : 0) &&
    bytesEqual(header.merkleRoot, merkleRoot(txids)) &&
    coinbaseMismatch(block) === undefined
  )
}

/** The outputs of a block, as they enter the UTXO set. */
export const createdOutputs = (block: Block, txids: ReadonlyArray<Hash256>): ReadonlyArray<Utxo> =>
  block.transactions.flatMap(({ outputs }, index) =>
    outputs.map(({ value, scriptPubkey }, vout) => ({
      outpoint: { txid: txids[index]!, vout },
      value,
      scriptPubkey,
      address: scriptText(scriptPubkey)
    }))
  )

// --- internal ---

type Rejection = BlockRejection | undefined

const headerRejection = (header: BlockHeader, { now, parent }: Pick<BlockContext, "now" | "parent">): Rejection => {
  const expected = parent.header.height + 1n
  if (header.height !== expected) return { _tag: "HeightMismatch", expected, actual: header.height }
  if (!bytesEqual(header.previousHash, parent.hash)) {
    return { _tag: "PreviousHashMismatch", expected: parent.hash, actual: header.previousHash }
  }
  if (header.timestamp <= parent.header.timestamp) {
    return { _tag: "TimestampNotAfterParent", parent: parent.header.timestamp, actual: header.timestamp }
  }
  const latest = now + MAX_TIME_AHEAD
  return header.timestamp > latest ? { _tag: "TimestampTooFarAhead", latest, actual: header.timestamp } : undefined
}

/**
 * The coins of all inputs, in block order.
 *
 * A spend of an output made in the same block is refused even when the order is right: `timed` refuses it unless that
 * very node had finalised the parent, so that a chain with such a block is one that its nodes disagree about.
 */
const lookUpInputs = (
  { transactions }: Block,
  { coins, legacy }: BlockContext
): Result.Result<ReadonlyArray<Utxo>, BlockRejection> => {
  const found: Array<Utxo> = []
  for (const transaction of transactions) {
    if (isCoinbase(transaction)) continue
    for (const { previousOutput: outpoint } of transaction.inputs) {
      const coin = coins.get(outpoint)
      if (coin !== undefined) {
        found.push(coin)
        continue
      }
      const sameBlock = transactions.some((other) => bytesEqual(txid(other), outpoint.txid))
      return Result.fail({ _tag: sameBlock ? "InputFromSameBlock" : "UnknownInput", txid: txid(transaction), outpoint })
    }
    if (!legacy) continue
    // `timed` adds in 64 bits; a sum that wraps below the ceiling passes there and is a ValueOverflow further down.
    const outputs = BigInt.asUintN(64, outputSum(transaction))
    const ceiling = outputCeiling(transaction)
    if (outputs > ceiling) {
      return Result.fail({ _tag: "OutputsExceedCeiling", txid: txid(transaction), outputs, ceiling })
    }
  }
  return Result.succeed(found)
}

const rewardRejection = (rewards: ReadonlyArray<MasternodeReward>): Rejection => {
  const sum = rewardSum(rewards)
  // Added in 64 bits, as above.
  const actual = BigInt.asUintN(64, sum)
  if (actual < BLOCK_REWARD - REWARD_TOLERANCE || actual > BLOCK_REWARD + REWARD_TOLERANCE) {
    return { _tag: "RewardOutOfRange", expected: BLOCK_REWARD, tolerance: REWARD_TOLERANCE, actual }
  }
  return sum > MAX_U64 ? { _tag: "ValueOverflow", what: "rewards", sum } : undefined
}

const strictHeaderRejection = (header: BlockHeader, network: Network): Rejection => {
  const expected = dueTime(network, header.height)
  if (header.timestamp !== expected) return { _tag: "TimestampNotOnGrid", expected, actual: header.timestamp }
  return header.version === 1 ? undefined : { _tag: "BadVersion", expected: 1n, actual: BigInt(header.version) }
}

const coinbaseRejection = ({ header, masternodeRewards: rewards, transactions }: Block): Rejection => {
  const coinbase = transactions[0]
  if (coinbase === undefined || !isCoinbase(coinbase)) return { _tag: "CoinbaseMissing" }
  const extra = transactions.findIndex((transaction, index) => index > 0 && isCoinbase(transaction))
  if (extra > 0) return { _tag: "ExtraCoinbase", index: BigInt(extra) }

  const malformed = (field: "version" | "lockTime" | "timestamp", expected: bigint, actual: bigint): Rejection =>
    expected === actual ? undefined : { _tag: "CoinbaseMalformed", field, expected, actual }
  const bad =
    malformed("version", 1n, BigInt(coinbase.version)) ??
    malformed("lockTime", 0n, BigInt(coinbase.lockTime)) ??
    malformed("timestamp", header.timestamp, coinbase.timestamp)
  if (bad !== undefined) return bad

  const mismatched = coinbaseMismatch({ masternodeRewards: rewards, transactions })
  if (mismatched !== undefined) return mismatched

  // What rounding down the shares leaves is less than one satoshi a payee.
  const paid = rewardSum(rewards)
  const remainder = header.blockReward - paid
  const payees = BigInt(rewards.length)
  return remainder < 0n || remainder >= payees
    ? { _tag: "BlockRewardMismatch", blockReward: header.blockReward, paid, payees }
    : undefined
}

/** The coinbase pays the masternode rewards, one after the other. */
const coinbaseMismatch = ({
  masternodeRewards: rewards,
  transactions
}: Pick<Block, "masternodeRewards" | "transactions">): Rejection => {
  const outputs = transactions[0]?.outputs ?? []
  for (let index = 0; index < Math.max(outputs.length, rewards.length); index++) {
    const output = outputs[index]
    const reward = rewards[index]
    const same =
      output !== undefined &&
      reward !== undefined &&
      output.value === reward.amount &&
      bytesEqual(output.scriptPubkey, addressScript(reward.address))
    if (same) continue
    return {
      _tag: "CoinbaseMismatch",
      index: BigInt(index),
      outputs: BigInt(outputs.length),
      rewards: BigInt(rewards.length)
    }
  }
  return undefined
}

/** Nothing is spent twice or created out of nothing. `spent` holds the coins of all inputs, in block order. */
const spendRejection = (
  { masternodeRewards, transactions }: Block,
  { legacy, network }: BlockContext,
  spent: ReadonlyArray<Utxo>
): Rejection => {
  const seen = new Set<string>()
  let fees = 0n
  let next = 0
  for (const transaction of transactions) {
    if (isCoinbase(transaction)) continue
    const coins = spent.slice(next, (next += transaction.inputs.length))
    for (const { outpoint } of coins) {
      const key = outPointKey(outpoint)
      if (seen.has(key)) return { _tag: "DuplicateInput", txid: txid(transaction), outpoint }
      seen.add(key)
    }
    const inputs = coinSum(coins)
    if (inputs > MAX_U64) return { _tag: "ValueOverflow", what: "inputs", sum: inputs }
    const outputs = outputSum(transaction)
    if (outputs > MAX_U64) return { _tag: "ValueOverflow", what: "outputs", sum: outputs }
    if (outputs > inputs) return { _tag: "OutputsExceedInputs", txid: txid(transaction), outputs, inputs }
    fees += inputs - outputs
    if (legacy) continue
    const unsigned = unsignedInput(transaction, coins, network)
    if (unsigned !== undefined) return { _tag: "UnsignedSpend", txid: txid(transaction), outpoint: unsigned }
  }
  // `timed` pays fees of transactions that are not in the block, so that this holds only where it has no part.
  const paid = rewardSum(masternodeRewards)
  const payable = payableReward(fees)
  return !legacy && paid > payable ? { _tag: "RewardExceedsFees", paid, payable } : undefined
}

/** The root covers all transactions; a `timed` that catches up covers only the coinbase, which is then taken as well. */
const merkleRejection = (header: BlockHeader, txids: ReadonlyArray<Hash256>, legacy: boolean): Rejection => {
  const expected = merkleRoot(txids)
  const covers = (root: Hash256) => bytesEqual(header.merkleRoot, root)
  return covers(expected) || (legacy && covers(txids[0]!))
    ? undefined
    : { _tag: "MerkleMismatch", expected, actual: header.merkleRoot }
}

const rewardSum = (rewards: ReadonlyArray<MasternodeReward>): bigint =>
  rewards.reduce((sum, { amount }) => sum + amount, 0n)
