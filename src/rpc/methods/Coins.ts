/**
 * Methods about the unspent outputs.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { toHex } from "../../protocol/Hash.ts"
import type { Utxo } from "../../protocol/Utxo.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import { Count, HashResult, HeightResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { TimeAmount, timeAmount } from "../RpcJson.ts"
import { steadyRead } from "../SteadyRead.ts"

export const gettxoutsetinfo = defineMethod({
  name: "gettxoutsetinfo",
  summary: "Size, worth and hash of the set of unspent outputs.",
  params: {},
  result: Schema.Struct({
    bestblock: HashResult,
    disk_size: Count.annotate({ description: "bytes that the outputs take, without what storing them adds" }),
    height: HeightResult,
    total_amount: TimeAmount,
    transactions: Count.annotate({ description: "transactions with an unspent output" }),
    txouts: Schema.BigInt,
    utxo_hash: HashResult
  }),
  errors: ["TimedOut"],
  run: Effect.fnUntraced(function* () {
    const coins = yield* UtxoStore
    return yield* steadyRead(
      Effect.fnUntraced(function* (tip) {
        const { height, hash, count } = yield* coins.summary
        if (height !== tip.height) return undefined
        const totals = yield* Stream.runFold(coins.stream, emptyTotals, addToTotals)
        return {
          bestblock: toHex(tip.hash),
          disk_size: totals.bytes,
          height,
          total_amount: timeAmount(totals.amount),
          transactions: totals.transactions,
          txouts: count,
          utxo_hash: toHex(hash)
        }
      })
    )
  })
})

// --- internal ---

interface Totals {
  amount: bigint
  bytes: number
  transactions: number
  lastTxid: Uint8Array
}

const emptyTotals = (): Totals => ({ amount: 0n, bytes: 0, transactions: 0, lastTxid: new Uint8Array(0) })

/** Outputs come in the order of their transactions. Changed in place: the set can be large. */
const addToTotals = (totals: Totals, { address, outpoint, scriptPubkey, value }: Utxo): Totals => {
  totals.amount += value
  totals.bytes += FIXED_SIZE + scriptPubkey.length + address.length
  if (!bytesEqual(totals.lastTxid, outpoint.txid)) totals.transactions += 1
  totals.lastTxid = outpoint.txid
  return totals
}

/** Txid, output number and value. */
const FIXED_SIZE = 32 + 4 + 8
