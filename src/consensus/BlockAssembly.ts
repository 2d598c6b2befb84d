/**
 * The block that a leader proposes, and what the others demand of it.
 *
 * The same parent, masternodes and transactions make the same block, byte by byte. That is also how a proposal is
 * checked: the block that its own payees and transactions make has to be the one proposed.
 */
import * as Result from "effect/Result"
import { addressScript, belongsTo, parseAddress } from "../protocol/Address.ts"
import { type Block, blockHash, type MasternodeReward } from "../protocol/Block.ts"
import { bytesEqual, compareBytes } from "../protocol/ByteArray.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import { BLOCK_BYTES } from "../protocol/Limits.ts"
import { merkleRoot } from "../protocol/Merkle.ts"
import { dueTime, type Network } from "../protocol/Network.ts"
import { type Transaction, transactionBytes, txid } from "../protocol/Transaction.ts"
import { outPointKey } from "../protocol/Utxo.ts"
import type { BlockRejection } from "./BlockRejection.ts"
import { type BlockContext, validateBlock } from "./BlockRules.ts"
import type { CoinView } from "./CoinView.ts"
import { inOrder } from "./LeaderSchedule.ts"
import { payableReward, splitReward } from "./Rewards.ts"
import { outputCeiling, outputSum, validateTransaction } from "./TransactionRules.ts"

export interface Ingredients {
  readonly network: Network
  readonly parent: { readonly height: Height; readonly hash: Hash256 }
  /** The reward address of each masternode that is paid. */
  readonly payees: ReadonlyArray<string>
  /** Those that may be in the block; which of them are is found out here. */
  readonly transactions: ReadonlyArray<Transaction>
  /** The outputs that are unspent after the parent. */
  readonly coins: CoinView
  /** True where `timed` nodes must take the block, too. */
  readonly legacy: boolean
}

/** The block after the parent. There must be a payee. */
export const assembleBlock = (ingredients: Ingredients): Block => {
  const { network, parent } = ingredients
  const chosen = chooseTransactions(ingredients)
  const at = height(parent.height + 1n)
  const timestamp = dueTime(network, at)
  const blockReward = payableReward(chosen.reduce((sum, { fee }) => sum + fee, 0n))
  const masternodeRewards = rewardsFor(blockReward, ingredients.payees)
  const coinbase: Transaction = {
    version: 1,
    inputs: [],
    outputs: masternodeRewards.map(({ address, amount }) => ({ value: amount, scriptPubkey: addressScript(address) })),
    lockTime: 0,
    timestamp
  }
  const root = merkleRoot([txid(coinbase), ...chosen.map(({ id }) => id)])
  return {
    header: { version: 1, height: at, previousHash: parent.hash, merkleRoot: root, timestamp, blockReward },
    transactions: [coinbase, ...chosen.map(({ transaction }) => transaction)],
    masternodeRewards
  }
}

/** The reward addresses that can be paid: nothing is sent to what is no address of the network. */
export const payableAddresses = (network: Network, rewardAddresses: ReadonlyArray<string>): ReadonlyArray<string> =>
  rewardAddresses.filter((text) => {
    const parsed = parseAddress(text)
    return Result.isSuccess(parsed) && belongsTo(parsed.success, network)
  })

/**
 * True if the header's hash stands for all of the block: its root covers every transaction, and the coinbase repeats the
 * rewards. Whoever signs the hash has signed nothing else, so that another body under it is not the signer's.
 */
export const isWhole = ({ header, masternodeRewards, transactions }: Block): boolean =>
  bytesEqual(header.merkleRoot, merkleRoot(transactions.map(txid))) &&
  transactions[0]?.outputs.length === masternodeRewards.length &&
  transactions[0].outputs.every(({ scriptPubkey, value }, index) => {
    const { address, amount } = masternodeRewards[index]!
    return value === amount && bytesEqual(scriptPubkey, addressScript(address))
  })

/** Why a member does not vote for a proposal. None of it is proof of a fault: members see different things. */
export type ProposalRejection =
  | { readonly _tag: "Invalid"; readonly rejection: BlockRejection }
  /** It is not the block that its payees and transactions make. */
  | { readonly _tag: "NotAsAssembled" }
  /** Somebody is paid who was not active, or not paid who was all the time. */
  | { readonly _tag: "WrongPayees"; readonly address: string }
  /** It spends what a final transaction spends. */
  | { readonly _tag: "ContradictsFinal"; readonly txid: Hash256 }

export interface ProposalContext extends BlockContext {
  /** Reward addresses, one for each masternode: of those that were active all through the period, and ever in it. */
  readonly active: { readonly always: ReadonlyArray<string>; readonly ever: ReadonlyArray<string> }
  /** The transactions that are final here. */
  readonly final: ReadonlyArray<Transaction>
}

/** Why the block may not become the next one, if it may not. */
export const proposalRejection = (block: Block, context: ProposalContext): ProposalRejection | undefined => {
  // Whatever old blocks may do, no new one spends what its owner has not signed.
  const valid = validateBlock(block, { ...context, legacy: false })
  if (Result.isFailure(valid)) return { _tag: "Invalid", rejection: valid.failure }
  const payees = block.masternodeRewards.map(({ address }) => address)
  const { hash, header } = context.parent
  const transactions = block.transactions.slice(1)
  const assembled = assembleBlock({ ...context, parent: { height: header.height, hash }, payees, transactions })
  if (!bytesEqual(blockHash(assembled.header), blockHash(block.header))) return { _tag: "NotAsAssembled" }
  const wrong = wrongPayee(payees, context.active)
  if (wrong !== undefined) return { _tag: "WrongPayees", address: wrong }
  const contradicted = contradiction(transactions, context.final)
  return contradicted === undefined ? undefined : { _tag: "ContradictsFinal", txid: contradicted }
}

// --- internal ---

interface Chosen {
  readonly transaction: Transaction
  readonly id: Hash256
  readonly bytes: number
  /** Satoshi. */
  readonly fee: bigint
}

/**
 * What fits, the best paying for their size first, in the order of ids. Left for a later block is what spends an output
 * that is in no block yet, and where `timed` nodes are, what they refuse.
 */
const chooseTransactions = ({ coins, legacy, network, transactions }: Ingredients): ReadonlyArray<Chosen> => {
  const candidates: Array<Chosen> = []
  for (const transaction of transactions) {
    const effect = validateTransaction(transaction, { network, coins, signed: false })
    if (Result.isFailure(effect) || (legacy && outputSum(transaction) > outputCeiling(transaction))) continue
    const bytes = transactionBytes(transaction).length
    candidates.push({ transaction, id: txid(transaction), bytes, fee: effect.success.fee })
  }
  candidates.sort(byRate)
  const spent = new Set<string>()
  const chosen: Array<Chosen> = []
  let left = BLOCK_BYTES
  for (const candidate of candidates) {
    const keys = candidate.transaction.inputs.map(({ previousOutput }) => outPointKey(previousOutput))
    if (candidate.bytes > left || keys.some((key) => spent.has(key))) continue
    for (const key of keys) spent.add(key)
    left -= candidate.bytes
    chosen.push(candidate)
  }
  return chosen.sort(byId)
}

const byId = (one: Chosen, other: Chosen): number => compareBytes(one.id, other.id)

const byRate = (one: Chosen, other: Chosen): number => {
  const difference = other.fee * BigInt(one.bytes) - one.fee * BigInt(other.bytes)
  return difference === 0n ? byId(one, other) : difference > 0n ? 1 : -1
}

/** Nobody can check what a masternode's tier is, so that all get the same. */
const rewardsFor = (total: bigint, payees: ReadonlyArray<string>): ReadonlyArray<MasternodeReward> => {
  const shares = splitReward(
    total,
    payees.map(() => "Free")
  )
  return inOrder(payees).map((address, index) => ({ address, amount: shares[index]! }))
}

/** Masternodes may share an address, so that what counts is how often it is paid. */
const wrongPayee = (payees: ReadonlyArray<string>, { always, ever }: ProposalContext["active"]): string | undefined => {
  const paid = countOf(payees)
  const least = countOf(always)
  const most = countOf(ever)
  return [...new Set([...payees, ...always])].find((address) => {
    const times = paid.get(address) ?? 0
    return times < (least.get(address) ?? 0) || times > (most.get(address) ?? 0)
  })
}

const countOf = (texts: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}

const contradiction = (
  transactions: ReadonlyArray<Transaction>,
  final: ReadonlyArray<Transaction>
): Hash256 | undefined => {
  const ids = new Map<string, Hash256>()
  for (const transaction of final) {
    const id = txid(transaction)
    for (const { previousOutput } of transaction.inputs) ids.set(outPointKey(previousOutput), id)
  }
  for (const transaction of transactions) {
    const own = toHex(txid(transaction))
    for (const { previousOutput } of transaction.inputs) {
      const id = ids.get(outPointKey(previousOutput))
      if (id !== undefined && toHex(id) !== own) return id
    }
  }
  return undefined
}
