/**
 * What a peer may do to this node: every limit that it can meet, with its value, its unit and what it bounds.
 *
 * The values are those of {@link ./Limits.ts}. `getlimits` shows this table, docs/protocol.md prints it, and a test shows
 * for each row what is allowed and what happens beyond.
 */
import * as Limits from "./Limits.ts"

export type Unit = "bytes" | "milliseconds" | "microseconds" | "count"

export interface PeerLimit {
  readonly value: number
  readonly unit: Unit
  /** What it bounds, and what happens beyond it. */
  readonly of: string
}

export const PeerBudget = {
  LINE_BEFORE_HANDSHAKE: bytes(Limits.LINE_BEFORE_HANDSHAKE, "a line of a stranger; a Handshake takes 80 bytes"),
  LINE_UNASKED_BLOCK: bytes(Limits.LINE_UNASKED_BLOCK, "a line that answers nothing and carries a block"),
  LINE_UNASKED_TRANSACTION: bytes(
    Limits.LINE_UNASKED_TRANSACTION,
    "a line that answers nothing and carries a transaction"
  ),
  LINE_UNASKED: bytes(Limits.LINE_UNASKED, "any other line that answers nothing"),
  LINE_BLOCKS: bytes(Limits.LINE_BLOCKS, "an answer with blocks or pending transactions"),
  LINE_UTXO_SET: bytes(Limits.LINE_UTXO_SET, "a UTXO set"),
  LINE_ANSWER: bytes(Limits.LINE_ANSWER, "any other answer"),
  UNFINISHED_LINES_TOTAL: bytes(
    Limits.UNFINISHED_LINES_TOTAL,
    "unfinished lines and unhandled messages of all peers; above it the largest holder is closed"
  ),
  MASTERNODES_PER_ANSWER: count(Limits.MASTERNODES_PER_ANSWER, "masternodes in one answer read; more are a bad line"),
  ADDRESSES_PER_INTAKE: count(
    Limits.ADDRESSES_PER_INTAKE,
    "addresses taken from one PeersResponse; the rest is ignored"
  ),
  ADDRESS_BURST: count(Limits.ADDRESS_BURST, "new addresses taken from one peer at once; M-6"),
  ADDRESS_INTERVAL: milliseconds(Limits.ADDRESS_INTERVAL, "after which it may name one more; M-6"),
  TRANSACTION_BYTES: bytes(
    Limits.TRANSACTION_BYTES,
    "a transaction in the pool, as it is hashed; a larger one is not taken"
  ),
  TRANSACTION_INPUTS: count(
    Limits.TRANSACTION_INPUTS,
    "inputs of a transaction in the pool; one with more is not taken"
  ),
  BLOCKS_PER_ANSWER: count(Limits.BLOCKS_PER_ANSWER, "blocks in one answer sent"),
  BLOCKS_ANSWER: bytes(Limits.BLOCKS_ANSWER, "the same in bytes, to a timenode; one block is always sent"),
  BLOCKS_ANSWER_TIMED: bytes(
    Limits.BLOCKS_ANSWER_TIMED,
    "the same to a `timed`, which waits a minute before it asks for the rest"
  ),
  UTXO_SET_ANSWER: bytes(Limits.UTXO_SET_ANSWER, "a UTXOSetResponse sent; what does not fit is left out, and logged"),
  PENDING_TRANSACTIONS_ANSWER: bytes(
    Limits.PENDING_TRANSACTIONS_ANSWER,
    "a PendingTransactionsResponse sent; likewise"
  ),
  MASTERNODES_ANSWER: bytes(Limits.MASTERNODES_ANSWER, "a MasternodesResponse sent; likewise"),
  PEERS_PER_ANSWER: count(Limits.PEERS_PER_ANSWER, "addresses in one answer sent"),
  OUTPOINTS_PER_QUERY: count(
    Limits.OUTPOINTS_PER_QUERY,
    "outpoints of a query that are looked up; the rest is left out of the answer"
  ),
  OUTBOUND_PER_PEER: bytes(
    Limits.OUTBOUND_PER_PEER,
    "waiting for one peer, beyond the answer being written; above it gossip skips the peer"
  ),
  OUTBOUND_TOTAL: bytes(Limits.OUTBOUND_TOTAL, "the same of all peers; above it the largest holder is closed"),
  INBOUND_QUEUE: count(
    Limits.INBOUND_QUEUE,
    "messages of one peer that wait to be handled; above it the socket is paused"
  ),
  INBOUND_QUEUE_BYTES: bytes(Limits.INBOUND_QUEUE_BYTES, "the same in bytes of their lines"),
  LINES_AT_ONCE: count(Limits.LINES_AT_ONCE, "lines of one chunk that are handled at once; C-37"),
  LINES_PER_TURN: count(Limits.LINES_PER_TURN, "lines of all who say more, handled in a turn of the loop; C-37"),
  PENDING_REQUESTS_PER_PEER: count(Limits.PENDING_REQUESTS_PER_PEER, "requests of ours that wait for one peer"),
  HANDSHAKE_TIMEOUT: milliseconds(Limits.HANDSHAKE_TIMEOUT, "until the Handshake, or its Ack; C-5"),
  IDLE_TIMEOUT: milliseconds(Limits.IDLE_TIMEOUT, "without a byte; C-32"),
  DRAIN_TIMEOUT: milliseconds(Limits.DRAIN_TIMEOUT, "without taking anything of what waits; C-33"),
  INBOUND_SLOTS: count(Limits.INBOUND_SLOTS, "inbound connections; C-25"),
  OUTBOUND_SLOTS: count(Limits.OUTBOUND_SLOTS, "outbound connections, the default; C-25"),
  PENDING_HANDSHAKES: count(Limits.PENDING_HANDSHAKES, "inbound connections before their handshake is done; C-25"),
  PENDING_HANDSHAKES_PER_PEER: count(Limits.PENDING_HANDSHAKES_PER_PEER, "the same of one peer; C-25"),
  CONNECTIONS_PER_IP: count(Limits.CONNECTIONS_PER_IP, "established connections of one peer; C-21"),
  INBOUND_PER_IPV4_GROUP: count(Limits.INBOUND_PER_IPV4_GROUP, "inbound connections of one IPv4 /24; C-25"),
  INBOUND_PER_IPV6_GROUP: count(Limits.INBOUND_PER_IPV6_GROUP, "inbound connections of one IPv6 /64; C-25"),
  PEER_COST_RATE: microseconds(Limits.PEER_COST_RATE, "of this node's time that a peer may cost in a second; S-13"),
  PEER_COST_BURST: microseconds(Limits.PEER_COST_BURST, "the same at once; S-13"),
  TURN_COST: microseconds(Limits.TURN_COST, "of this node's time, after which other sessions have their turn; S-14"),
  BAN_SCORE: count(Limits.BAN_SCORE, "points that ban a peer; S-1"),
  BAN_SCORE_HALF_LIFE: milliseconds(Limits.BAN_SCORE_HALF_LIFE, "in which a score halves; S-1"),
  BAN_DURATION: milliseconds(Limits.BAN_DURATION, "of a ban for misbehaving; S-1"),
  MANUAL_BAN_DURATION: milliseconds(
    Limits.MANUAL_BAN_DURATION,
    "of a ban by the operator, unless it says otherwise; S-16"
  )
} as const satisfies { readonly [Name in keyof typeof Limits]?: PeerLimit }

export type LimitName = keyof typeof PeerBudget

export const limitNames = Object.keys(PeerBudget) as ReadonlyArray<LimitName>

// --- internal ---

function bytes(value: number, of: string): PeerLimit {
  return { value, unit: "bytes", of }
}

function milliseconds(value: number, of: string): PeerLimit {
  return { value, unit: "milliseconds", of }
}

function microseconds(value: number, of: string): PeerLimit {
  return { value, unit: "microseconds", of }
}

function count(value: number, of: string): PeerLimit {
  return { value, unit: "count", of }
}
