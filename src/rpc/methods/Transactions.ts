/**
 * Methods about one transaction: of the pool, or of the best chain, where its index finds it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { scriptText } from "../../protocol/Address.ts"
import { blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { type Hash256, hashFromHex, toHex } from "../../protocol/Hash.ts"
import { type Transaction, transactionBytes, txid } from "../../protocol/Transaction.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import { ChainStore } from "../../services/ChainStore.ts"
import { Mempool } from "../../services/Mempool.ts"
import { Count, HashResult, SecondsResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { rpcError } from "../RpcError.ts"
import { TimeAmount, timeAmount } from "../RpcJson.ts"

const TxidParam = Schema.String.annotate({ description: "the 64 hex digits of a txid" })

const TransactionResult = Schema.Struct({
  blockhash: Schema.NullOr(HashResult).annotate({ description: "of its block; null while it is in none" }),
  blocktime: Schema.NullOr(SecondsResult),
  confirmations: Schema.BigInt,
  locktime: Schema.Int,
  size: Count.annotate({ description: "bytes of the transaction as it is hashed" }),
  time: SecondsResult,
  txid: HashResult,
  version: Schema.Int,
  vin: Schema.Array(Schema.Struct({ sequence: Schema.Int, txid: HashResult, vout: Schema.Int })),
  vout: Schema.Array(
    Schema.Struct({
      n: Schema.Int,
      scriptPubKey: Schema.Struct({ address: Schema.String, hex: Schema.String }),
      value: TimeAmount
    })
  )
})

export const gettransaction = defineMethod({
  name: "gettransaction",
  summary: "A transaction of the pool or the best chain.",
  params: { txid: TxidParam },
  result: TransactionResult,
  errors: ["InvalidValue", "NotFound"],
  run: (params) => Effect.map(find(params.txid), describe)
})

export const getrawtransaction = defineMethod({
  name: "getrawtransaction",
  summary: "The bytes of a transaction as hex, as it is hashed; or, if asked for, what gettransaction says of it.",
  params: {
    txid: TxidParam,
    verbose: Schema.optionalKey(Schema.Boolean.annotate({ description: "true or false" }))
  },
  result: Schema.Union([Schema.String, TransactionResult]),
  errors: ["InvalidValue", "NotFound"],
  run: (params) =>
    Effect.map(find(params.txid), (found) =>
      params.verbose === true ? describe(found) : toHex(transactionBytes(found.transaction))
    )
})

// --- internal ---

interface Found {
  readonly txid: Hash256
  readonly transaction: Transaction
  /** Absent of one that is in no block. */
  readonly block?: { readonly hash: Hash256; readonly time: bigint; readonly confirmations: bigint }
}

const find = Effect.fnUntraced(function* (text: string) {
  const wanted = hashFromHex(text)
  if (wanted === undefined) return yield* rpcError("InvalidValue", "Invalid txid: 64 hex digits are expected")
  return (yield* findPooled(wanted)) ?? (yield* findConfirmed(wanted)) ?? (yield* unknown)
})

const unknown = Effect.suspend(() => Effect.fail(rpcError("NotFound", "No information available about transaction")))

const findPooled = Effect.fnUntraced(function* (wanted: Hash256) {
  const pooled = yield* (yield* Mempool).get(wanted)
  return pooled && ({ txid: wanted, transaction: pooled.transaction } satisfies Found)
})

const findConfirmed = Effect.fnUntraced(function* (wanted: Hash256) {
  const chain = yield* Blockchain
  const place = yield* (yield* ChainStore).transaction(wanted)
  const block = place && (yield* chain.block(place.height))
  const transaction = block?.transactions[place!.index]
  // A reorganisation may have put another block there in between.
  if (transaction === undefined || !bytesEqual(txid(transaction), wanted)) return undefined
  const { header } = block!
  const confirmations = chain.tip().height - header.height + 1n
  const found: Found = {
    txid: wanted,
    transaction,
    block: { hash: blockHash(header), time: header.timestamp, confirmations }
  }
  return found
})

const describe = ({ block, transaction, txid }: Found): typeof TransactionResult.Type => ({
  blockhash: block === undefined ? null : toHex(block.hash),
  blocktime: block?.time ?? null,
  confirmations: block?.confirmations ?? 0n,
  locktime: transaction.lockTime,
  size: transactionBytes(transaction).length,
  time: transaction.timestamp,
  txid: toHex(txid),
  version: transaction.version,
  vin: transaction.inputs.map(({ previousOutput, sequence }) => ({
    sequence,
    txid: toHex(previousOutput.txid),
    vout: previousOutput.vout
  })),
  vout: transaction.outputs.map(({ scriptPubkey, value }, n) => ({
    n,
    scriptPubKey: { address: scriptText(scriptPubkey), hex: toHex(scriptPubkey) },
    value: timeAmount(value)
  }))
})
