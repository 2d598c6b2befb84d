/**
 * `Mempool` in memory: for tests, simulations and nodes without a data directory. Transactions and votes are lost with it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StoreError } from "../services/ChainStore.ts"
import { Mempool } from "../services/Mempool.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import type { UtxoStore } from "../services/UtxoStore.ts"
import * as LocalMempool from "./LocalMempool.ts"
import { memoryJournal } from "./PoolJournal.ts"

/** An empty pool over the coins that are provided. Only spends that the coins' owners signed enter it. */
export const layer: Layer.Layer<Mempool, StoreError, UtxoStore | NodeConfig> = Layer.effect(
  Mempool,
  Effect.suspend(() => LocalMempool.make(memoryJournal()))
)
