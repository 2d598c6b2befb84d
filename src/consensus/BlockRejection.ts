/**
 * Why a block is refused: one case a rule, each with the values that show it.
 *
 * A rejection also says how bad it is. Rules that `timed` itself enforces are `consensus`: no honest peer passes on a
 * block that breaks one. Rules that every block of an honest `timed` keeps, but that it does not check, are `strict`:
 * a peer may hand on such a block in good faith, so that the branch is given up and the peer is not blamed.
 */
import * as Schema from "effect/Schema"
import { Hash256, toHex } from "../protocol/Hash.ts"
import { OutPoint } from "../protocol/Transaction.ts"
import { outPointKey } from "../protocol/Utxo.ts"

const Integer = Schema.BigInt
const evidence = <const Tag extends string, const Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
  Schema.TaggedStruct(tag, fields)

export const BlockRejection = Schema.Union([
  evidence("HeightMismatch", { expected: Integer, actual: Integer }),
  evidence("PreviousHashMismatch", { expected: Hash256, actual: Hash256 }),
  evidence("TimestampNotAfterParent", { parent: Integer, actual: Integer }),
  /** The one rejection that passes with time. */
  evidence("TimestampTooFarAhead", { latest: Integer, actual: Integer }),
  evidence("UnknownInput", { txid: Hash256, outpoint: OutPoint }),
  evidence("InputFromSameBlock", { txid: Hash256, outpoint: OutPoint }),
  /** More than `timed` lets a transaction create, whatever its inputs are worth. */
  evidence("OutputsExceedCeiling", { txid: Hash256, outputs: Integer, ceiling: Integer }),
  evidence("RewardOutOfRange", { expected: Integer, tolerance: Integer, actual: Integer }),
  evidence("TimestampNotOnGrid", { expected: Integer, actual: Integer }),
  evidence("BadVersion", { expected: Integer, actual: Integer }),
  evidence("CoinbaseMissing", {}),
  evidence("ExtraCoinbase", { index: Integer }),
  evidence("CoinbaseMalformed", {
    field: Schema.Literals(["version", "lockTime", "timestamp"]),
    expected: Integer,
    actual: Integer
  }),
  /** The first place at which the outputs of the coinbase and `masternodeRewards` differ. */
  evidence("CoinbaseMismatch", { index: Integer, outputs: Integer, rewards: Integer }),
  evidence("BlockRewardMismatch", { blockReward: Integer, paid: Integer, payees: Integer }),
  evidence("DuplicateInput", { txid: Hash256, outpoint: OutPoint }),
  evidence("ValueOverflow", { what: Schema.Literals(["inputs", "outputs", "rewards"]), sum: Integer }),
  evidence("OutputsExceedInputs", { txid: Hash256, outputs: Integer, inputs: Integer }),
  evidence("UnsignedSpend", { txid: Hash256, outpoint: OutPoint }),
  evidence("RewardExceedsFees", { paid: Integer, payable: Integer }),
  evidence("MerkleMismatch", { expected: Hash256, actual: Hash256 })
])
export type BlockRejection = typeof BlockRejection.Type

export type Severity = "consensus" | "strict"

/** Which kind of rule is broken. */
export const severity = (rejection: BlockRejection): Severity => rules[rejection._tag].severity

/** True if the same block may be accepted later: our clock may be slow. */
export const mayPass = (rejection: BlockRejection): boolean => rejection._tag === "TimestampTooFarAhead"

/**
 * True if no block with this hash can ever be accepted, so that the hash may be remembered as invalid. A rule about
 * the header says so by itself. Any other speaks of the body, and counts only if the header binds that one
 * (`bindsBody`); and an input may be unknown because of another block's body, unless headers bind all of them.
 */
export const isFinal = (rejection: BlockRejection, { bound, legacy }: { bound: boolean; legacy: boolean }): boolean => {
  if (mayPass(rejection)) return false
  if (ofHeader.has(rejection._tag)) return true
  return bound && (rejection._tag !== "UnknownInput" || !legacy)
}

/**
 * True if only a misbehaving peer sends such a block. A `timed` whose clock is ahead of ours, or that had finalised the
 * parent of a transaction before it made the block, breaks a rule of consensus in good faith. Under `legacy` so does who
 * spends a coin that we lack, because headers need not bind bodies: ours of an earlier block may have been cut short.
 */
export const provesMisbehaviour = (rejection: BlockRejection, { legacy }: { readonly legacy: boolean }): boolean => {
  if (severity(rejection) !== "consensus" || mayPass(rejection)) return false
  return rejection._tag === "UnknownInput" ? !legacy : rejection._tag !== "InputFromSameBlock"
}

/** The rejection in a sentence, for people. */
export const describe = <Tag extends BlockRejection["_tag"]>(rejection: Case<Tag>): string =>
  (rules[rejection._tag as Tag] as Rule<Tag>).describe(rejection)

// --- internal ---

/** Rules that the header alone breaks, given its parent. */
const ofHeader: ReadonlySet<BlockRejection["_tag"]> = new Set([
  "HeightMismatch",
  "TimestampNotAfterParent",
  "TimestampNotOnGrid",
  "BadVersion"
])

type Case<Tag extends BlockRejection["_tag"]> = Extract<BlockRejection, { readonly _tag: Tag }>

interface Rule<Tag extends BlockRejection["_tag"]> {
  readonly severity: Severity
  readonly describe: (rejection: Case<Tag>) => string
}

const consensus = <Tag extends BlockRejection["_tag"]>(describe: Rule<Tag>["describe"]): Rule<Tag> => ({
  severity: "consensus",
  describe
})

const strict = <Tag extends BlockRejection["_tag"]>(describe: Rule<Tag>["describe"]): Rule<Tag> => ({
  severity: "strict",
  describe
})

const rules: { readonly [Tag in BlockRejection["_tag"]]: Rule<Tag> } = {
  HeightMismatch: consensus((r) => `height ${r.actual} does not follow its parent's, expected ${r.expected}`),
  PreviousHashMismatch: consensus((r) => `parent is ${toHex(r.actual)}, expected ${toHex(r.expected)}`),
  TimestampNotAfterParent: consensus((r) => `timestamp ${r.actual} is not after the parent's ${r.parent}`),
  TimestampTooFarAhead: consensus((r) => `timestamp ${r.actual} is ahead of our clock, latest now is ${r.latest}`),
  UnknownInput: consensus((r) => `${toHex(r.txid)} spends ${outPointKey(r.outpoint)}, which is not unspent`),
  InputFromSameBlock: consensus((r) => `${toHex(r.txid)} spends ${outPointKey(r.outpoint)} of the same block`),
  OutputsExceedCeiling: consensus((r) => `${toHex(r.txid)} pays ${r.outputs}, its inputs allow ${r.ceiling}`),
  RewardOutOfRange: consensus((r) => `masternode rewards are ${r.actual}, expected ${r.expected} ± ${r.tolerance}`),
  TimestampNotOnGrid: strict((r) => `timestamp ${r.actual} is not the height's, expected ${r.expected}`),
  BadVersion: strict((r) => `header version ${r.actual}, expected ${r.expected}`),
  CoinbaseMissing: strict(() => "the first transaction is no coinbase"),
  ExtraCoinbase: strict((r) => `transaction ${r.index} is a second coinbase`),
  CoinbaseMalformed: strict((r) => `the coinbase's ${r.field} is ${r.actual}, expected ${r.expected}`),
  CoinbaseMismatch: strict(
    (r) => `coinbase output ${r.index} is not masternode reward ${r.index} (of ${r.outputs} and ${r.rewards})`
  ),
  BlockRewardMismatch: strict((r) => `block reward ${r.blockReward}, but ${r.paid} paid to ${r.payees} masternodes`),
  DuplicateInput: strict((r) => `${toHex(r.txid)} spends ${outPointKey(r.outpoint)}, which the block spent already`),
  ValueOverflow: strict((r) => `the ${r.what} add up to ${r.sum}, more than 64 bits hold`),
  OutputsExceedInputs: strict((r) => `${toHex(r.txid)} pays ${r.outputs} out of ${r.inputs}`),
  UnsignedSpend: strict((r) => `${toHex(r.txid)} spends ${outPointKey(r.outpoint)} without its owner's signature`),
  RewardExceedsFees: strict((r) => `masternode rewards are ${r.paid}, the block may pay ${r.payable}`),
  MerkleMismatch: strict((r) => `merkle root ${toHex(r.actual)}, expected ${toHex(r.expected)}`)
}
