import { Layer } from "effect"
import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { mempoolSuite } from "../services/MempoolSuite.ts"

mempoolSuite(
  "MemoryMempool",
  MemoryMempool.layer.pipe(
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(MemoryChainStore.layer),
    Layer.provide(NodeConfig.layerTest())
  )
)
