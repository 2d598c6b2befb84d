/**
 * Methods about what an address has and had, from the indexes of the chain: none of them scans.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { addressScript } from "../../protocol/Address.ts"
import { hashFromHex, toHex } from "../../protocol/Hash.ts"
import { COINS_PER_READ, RPC_ADDRESSES, RPC_HISTORY, RPC_UNSPENT } from "../../protocol/Limits.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../../protocol/Utxo.ts"
import { ChainStore } from "../../services/ChainStore.ts"
import { Mempool } from "../../services/Mempool.ts"
import { HashResult, HeightResult } from "../Fields.ts"
import { defineMethod } from "../Method.ts"
import { withWallet } from "../OwnWallet.ts"
import { rpcError } from "../RpcError.ts"
import { TimeAmount, timeAmount } from "../RpcJson.ts"
import { steadyRead } from "../SteadyRead.ts"

/** Nodes do not check what text an output is paid to, so that any may be asked for. */
const AddressParam = Schema.String.check(Schema.isNonEmpty()).annotate({
  description: "an address, or whatever text outputs are paid to"
})

const Confirmations = Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))

export const listunspent = defineMethod({
  name: "listunspent",
  summary: "The unspent outputs of addresses, in the order of their transactions' ids.",
  params: {
    minconf: Schema.optionalKey(
      Confirmations.annotate({ description: "the least number of confirmations, 1 when null" })
    ),
    maxconf: Schema.optionalKey(Confirmations.annotate({ description: "the greatest, none when null" })),
    addresses: Schema.optionalKey(
      Schema.Array(AddressParam)
        .check(Schema.isMinLength(1), Schema.isMaxLength(RPC_ADDRESSES))
        .annotate({ description: `1 to ${RPC_ADDRESSES} addresses, the wallet's when left out` })
    )
  },
  result: Schema.Array(
    Schema.Struct({
      address: Schema.String,
      amount: TimeAmount,
      confirmations: Schema.BigInt,
      safe: Schema.Boolean,
      solvable: Schema.Boolean,
      spendable: Schema.Boolean.annotate({ description: "false while a transaction that spends it is on its way" }),
      txid: HashResult,
      vout: Schema.Int
    })
  ),
  errors: ["InvalidValue", "NoWallet", "TimedOut"],
  run: Effect.fnUntraced(function* ({ maxconf = null, minconf, ...params }) {
    const addresses = params.addresses ?? [yield* ownAddress]
    const store = yield* ChainStore
    const pool = yield* Mempool
    return yield* steadyRead(
      Effect.fnUntraced(function* (tip) {
        const found = yield* Stream.fromIterable(new Set(addresses)).pipe(
          Stream.flatMap(unspentOf),
          Stream.take(RPC_UNSPENT + 1),
          Stream.runCollect
        )
        if (found.length > RPC_UNSPENT) {
          return yield* rpcError("InvalidValue", `More than ${RPC_UNSPENT} unspent outputs; ask for fewer addresses`)
        }
        const promised = yield* pool.states(found.map(({ outpoint }) => outpoint))
        const listed = yield* Effect.forEach(found, ({ address, outpoint, value }) =>
          Effect.map(store.transaction(outpoint.txid), (place) => ({
            address,
            amount: timeAmount(value),
            confirmations: place === undefined ? 0n : tip.height - place.height + 1n,
            safe: true,
            solvable: true,
            spendable: (promised.get(outPointKey(outpoint))?._tag ?? "Unspent") === "Unspent",
            txid: toHex(outpoint.txid),
            vout: outpoint.vout
          }))
        )
        return listed.filter(
          ({ confirmations }) => confirmations >= (minconf ?? 1) && (maxconf === null || confirmations <= maxconf)
        )
      })
    )
  })
})

export const getbalance = defineMethod({
  name: "getbalance",
  summary: "What the unspent outputs of an address are worth; without one, what the wallet can spend.",
  params: { address: Schema.optionalKey(AddressParam) },
  result: TimeAmount,
  errors: ["NoWallet", "TimedOut"],
  run: Effect.fnUntraced(function* ({ address }) {
    if (address === undefined) return yield* spendableBalance
    const balance = steadyRead(() =>
      Stream.runFold(
        unspentOf(address),
        () => 0n,
        (sum, { value }) => sum + value
      )
    )
    return timeAmount(yield* balance)
  })
})

export const getaddresshistory = defineMethod({
  name: "getaddresshistory",
  summary: "The transactions of the best chain that paid to an address or spent from it, newest first.",
  params: {
    address: AddressParam,
    count: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: RPC_HISTORY })).annotate({
        description: `how many at most, ${RPC_HISTORY} when left out`
      })
    ),
    before: Schema.optionalKey(
      Schema.String.check(Schema.makeFilter((text) => hashFromHex(text) !== undefined)).annotate({
        description: "the txid of the last one of an earlier answer, to go on from there"
      })
    )
  },
  result: Schema.Array(
    Schema.Struct({
      height: HeightResult,
      index: Schema.Int.annotate({ description: "its place in the block" }),
      txid: HashResult
    })
  ),
  errors: ["NotFound"],
  run: Effect.fnUntraced(function* (params) {
    const store = yield* ChainStore
    const before = params.before === undefined ? null : yield* store.transaction(hashFromHex(params.before)!)
    if (before === undefined) return yield* rpcError("NotFound", `Not on the best chain: ${params.before!}`)
    const page = { before, limit: params.count ?? RPC_HISTORY }
    const entries = yield* store.history(addressScript(params.address), page)
    return entries.map(({ height, index, txid }) => ({ height, index, txid: toHex(txid) }))
  })
})

// --- internal ---

const ownAddress = withWallet((wallet) => Effect.map(wallet.status, ({ address }) => address))

const spendableBalance = withWallet((wallet) =>
  Effect.map(wallet.balance, ({ confirmed, promised }) => timeAmount(confirmed - promised))
)

/** The unspent outputs of an address, page by page, so that others run in between. */
const unspentOf = (address: string) =>
  Stream.paginate(
    null as OutPointKey | null,
    Effect.fnUntraced(function* (after) {
      yield* Effect.yieldNow
      const utxos: ReadonlyArray<Utxo> = yield* (yield* ChainStore).unspentOf(addressScript(address), {
        after,
        limit: COINS_PER_READ
      })
      const more = utxos.length === COINS_PER_READ
      return [utxos, more ? Option.some(outPointKey(utxos.at(-1)!.outpoint)) : Option.none<OutPointKey>()] as const
    })
  )
