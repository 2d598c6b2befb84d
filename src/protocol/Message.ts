/**
 * Every message of peer protocol version 1: one union, the only definition of its 47 variants.
 *
 * The order is the network's variant order. Which variants are requests, and what answers them, is {@link ./Exchange.ts};
 * how they become bytes is {@link ./wire/Wire.ts}. A variant that is not here must never be sent: a `timed` bans its
 * sender after three.
 */
import * as Schema from "effect/Schema"
import { CommitSignature } from "./Bft.ts"
import { Block } from "./Block.ts"
import { ByteVector, fixedBytes } from "./ByteArray.ts"
import { Hash256 } from "./Hash.ts"
import { SignedHeartbeat, WitnessAttestation } from "./Heartbeat.ts"
import { Height } from "./Height.ts"
import { U32, U64, UnixSeconds } from "./Integer.ts"
import { MASTERNODES_PER_ANSWER } from "./Limits.ts"
import { MasternodeRecord } from "./Masternode.ts"
import { OutPoint, Transaction } from "./Transaction.ts"
import { Utxo, UtxoState, UtxoStateChange } from "./Utxo.ts"
import { Vote } from "./Vote.ts"
import { newtypeCase, structCase, tupleCase, tupleStruct, unitCase } from "./WireType.ts"

/** What somebody wants to be told about. */
export const Subscription = Schema.Struct({
  id: Schema.String,
  addresses: Schema.Array(Schema.String),
  outpoints: Schema.Array(OutPoint)
})
export type Subscription = typeof Subscription.Type

/** An output and the state it is in. */
export const OutPointState = tupleStruct({ outpoint: OutPoint, state: UtxoState })
export type OutPointState = typeof OutPointState.Type

export const Message = Schema.Union([
  unitCase("GetGenesisHash"),
  newtypeCase("GenesisHashResponse", { hash: Hash256 }),
  unitCase("GetBlockHeight"),
  newtypeCase("BlockHeightResponse", { height: Height }),
  tupleCase("GetBlocks", { start: Height, end: Height }),
  newtypeCase("BlocksResponse", { blocks: Schema.Array(Block) }),
  structCase("Handshake", { magic: fixedBytes(4), protocolVersion: U32, network: Schema.String }),
  structCase("Ack", { messageType: Schema.String }),
  newtypeCase("TransactionBroadcast", { transaction: Transaction }),
  newtypeCase("TransactionVoteRequest", { txid: Hash256 }),
  newtypeCase("TransactionVote", { vote: Vote }),
  structCase("TransactionFinalized", { txid: Hash256, votes: U32 }),
  structCase("TransactionRejected", { txid: Hash256, reason: Schema.String }),
  newtypeCase("UTXOStateQuery", { outpoints: Schema.Array(OutPoint) }),
  newtypeCase("UTXOStateResponse", { states: Schema.Array(OutPointState) }),
  newtypeCase("UTXOStateNotification", { change: UtxoStateChange }),
  structCase("UTXOStateUpdate", { outpoint: OutPoint, state: UtxoState }),
  newtypeCase("Subscribe", { subscription: Subscription }),
  newtypeCase("Unsubscribe", { id: Schema.String }),
  newtypeCase("BlockAnnouncement", { block: Block }),
  newtypeCase("BlockRequest", { height: Height }),
  newtypeCase("BlockResponse", { block: Block }),
  unitCase("GetUTXOSet"),
  newtypeCase("UTXOSetResponse", { utxos: Schema.Array(Utxo) }),
  unitCase("GetUTXOStateHash"),
  structCase("UTXOStateHashResponse", { hash: Hash256, height: Height, utxoCount: U64 }),
  structCase("MasternodeAnnouncement", MasternodeRecord.fields),
  unitCase("GetMasternodes"),
  newtypeCase("MasternodesResponse", {
    masternodes: Schema.Array(MasternodeRecord).annotate({ wire: { kind: "list", maxItems: MASTERNODES_PER_ANSWER } })
  }),
  structCase("Version", {
    version: Schema.String,
    commitDate: Schema.String,
    commitCount: Schema.String,
    protocolVersion: U32,
    network: Schema.String,
    listenAddr: Schema.String,
    timestamp: UnixSeconds,
    capabilities: Schema.Array(Schema.String),
    walletAddress: Schema.NullOr(Schema.String),
    genesisHash: Schema.NullOr(Schema.String)
  }),
  structCase("Ping", { nonce: U64, timestamp: UnixSeconds }),
  structCase("Pong", { nonce: U64, timestamp: UnixSeconds }),
  unitCase("GetPendingTransactions"),
  newtypeCase("PendingTransactionsResponse", { transactions: Schema.Array(Transaction) }),
  unitCase("GetPeers"),
  newtypeCase("PeersResponse", { addresses: Schema.Array(Schema.String) }),
  newtypeCase("HeartbeatBroadcast", { heartbeat: SignedHeartbeat }),
  newtypeCase("HeartbeatAttestation", { attestation: WitnessAttestation }),
  newtypeCase("GetBlockHash", { height: Height }),
  structCase("BlockHashResponse", { height: Height, hash: Schema.NullOr(Hash256) }),
  structCase("ConsensusQuery", { height: Height, blockHash: Hash256 }),
  structCase("ConsensusQueryResponse", { agrees: Schema.Boolean, height: Height, theirHash: Hash256 }),
  structCase("GetBlockRange", { startHeight: Height, endHeight: Height }),
  newtypeCase("BlockRangeResponse", { blocks: Schema.Array(Block) }),
  structCase("BlockProposal", { block: Block, proposer: Schema.String, signature: ByteVector, round: U64 }),
  structCase("BlockVote", {
    blockHash: Hash256,
    height: Height,
    voter: Schema.String,
    signature: ByteVector,
    approve: Schema.Boolean
  }),
  structCase("BlockCommit", { blockHash: Hash256, height: Height, signatures: Schema.Array(CommitSignature) })
])
export type Message = typeof Message.Type

/** The name of a variant. */
export type MessageTag = Message["_tag"]

/** The variant of that name. */
export type MessageOf<Tag extends MessageTag> = Extract<Message, { readonly _tag: Tag }>

/** All variant names in the network's order. */
export const messageTags: ReadonlyArray<MessageTag> = Message.members.map((member) => member.fields._tag.schema.literal)
