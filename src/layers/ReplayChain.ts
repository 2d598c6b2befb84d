/**
 * A chain in a file of its own, with every rule, beside that of the node.
 */
import * as Layer from "effect/Layer"
import type { Block } from "../protocol/Block.ts"
import { decodeBlock } from "../protocol/wire/Wire.ts"
import { NodeConfig, type NodeConfigValues } from "../services/NodeConfig.ts"
import * as LocalBlockchain from "./LocalBlockchain.ts"
import * as MemoryMempool from "./MemoryMempool.ts"
import * as SqliteChainStore from "./SqliteChainStore.ts"
import * as ViewUtxoStore from "./ViewUtxoStore.ts"

/** To be built apart from the node's own layers (`local`, or a memo map of its own): it is made of the same ones. */
export const replayChain = (file: string, config: NodeConfigValues) =>
  LocalBlockchain.layer.pipe(
    Layer.provide(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(SqliteChainStore.layer({ file, network: config.network })),
    Layer.provide(NodeConfig.layer(config))
  )

/** Stored blocks, up to the first that cannot be read. */
export const readBlocks = (stored: ReadonlyArray<Uint8Array>): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (const bytes of stored) {
    const block = decodeBlock(bytes)
    if ("_tag" in block) break
    blocks.push(block)
  }
  return blocks
}
