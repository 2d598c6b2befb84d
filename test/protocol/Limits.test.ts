/**
 * The bounds hang together: what one side may send, the other must accept.
 */
import { assert, describe, it } from "@effect/vitest"
import { Exchange } from "../../src/protocol/Exchange.ts"
import * as Limits from "../../src/protocol/Limits.ts"

describe("Limits", () => {
  it("are all positive whole numbers", () => {
    for (const [name, value] of Object.entries(Limits)) assert.isTrue(Number.isSafeInteger(value) && value > 0, name)
  })

  it("let a timenode accept every answer that a timenode sends", () => {
    assert.isAtMost(Limits.BLOCKS_ANSWER, Exchange.GetBlocks.answerLimit)
    assert.isAtMost(Limits.BLOCKS_ANSWER, Exchange.GetBlockRange.answerLimit)
    assert.isAtMost(Limits.UTXO_SET_ANSWER, Exchange.GetUTXOSet.answerLimit)
    assert.isAtMost(Limits.MASTERNODES_ANSWER, Exchange.GetMasternodes.answerLimit)
    assert.isAtMost(Limits.PENDING_TRANSACTIONS_ANSWER, Exchange.GetPendingTransactions.answerLimit)
    // An IPv6 address in brackets with a port, quoted, with a comma.
    assert.isAtMost(Limits.PEERS_PER_ANSWER * 52, Exchange.GetPeers.answerLimit)
    // The longest state: two hashes of numbers with three digits, and three times of 20.
    assert.isAtMost(Limits.OUTPOINTS_PER_QUERY * 400, Exchange.UTXOStateQuery.answerLimit)
  })

  it("let every transaction that may be passed on pass", () => {
    // A byte is at most three digits and a comma on the wire.
    assert.isAtMost(Limits.TRANSACTION_BYTES * 4, Limits.LINE_UNASKED_TRANSACTION)
    assert.isAtMost(Limits.TRANSACTION_BYTES * 4, Limits.MEMPOOL_BYTES)
  })

  it("leave room for at least one of everything", () => {
    assert.isBelow(Limits.LINE_BEFORE_HANDSHAKE, Limits.LINE_UNASKED)
    assert.isAtMost(Limits.LINE_UNASKED, Limits.LINE_UNASKED_TRANSACTION)
    assert.isAtMost(Limits.LINE_UNASKED_TRANSACTION, Limits.LINE_UNASKED_BLOCK)
    assert.isAtMost(Limits.LINE_UNASKED_BLOCK, Limits.INBOUND_QUEUE_BYTES)
    assert.isAtMost(Limits.LINE_UTXO_SET, Limits.UNFINISHED_LINES_TOTAL)
    assert.isAtMost(Limits.OUTBOUND_PER_PEER + Limits.UTXO_SET_ANSWER, Limits.OUTBOUND_TOTAL)
    assert.isAtMost(Limits.BLOCKS_PER_COMMIT, Limits.BLOCK_QUEUE)
    assert.isAtMost(Limits.WRITE_WINDOW, Limits.OUTBOUND_PER_PEER)
  })

  it("find the dead before the slow, and the slow before the silent", () => {
    assert.isBelow(Limits.SWEEP_INTERVAL, Limits.PROBE_TIMEOUT)
    assert.isBelow(Limits.PROBE_TIMEOUT, Limits.HANDSHAKE_TIMEOUT)
    assert.isBelow(Limits.HANDSHAKE_TIMEOUT, Limits.COEXISTENCE_WINDOW)
    assert.isAtMost(Limits.COEXISTENCE_WINDOW, Limits.LIVENESS_WINDOW)
    assert.isBelow(Limits.LIVENESS_WINDOW, Limits.IDLE_TIMEOUT)
    assert.isBelow(Limits.DRAIN_TIMEOUT, Limits.IDLE_TIMEOUT)
  })
})
