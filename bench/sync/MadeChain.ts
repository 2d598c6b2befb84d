/**
 * A valid chain of any length, the same every time: each block pays six masternodes, and has nothing else.
 */
import { Effect, Layer, References } from "effect"
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { BLOCK_REWARD } from "../../src/consensus/Rewards.ts"
import * as TimeNode from "../../src/layers/TimeNode.ts"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { addressScript } from "../../src/protocol/Address.ts"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { blockAt, owner, sealed } from "../../test/fixtures/Blocks.ts"
import { clockAt } from "./SyncProcess.ts"

/** Makes the data directory of a node with so many blocks, checked like any others, unless it is there. */
export const makeChain = (dataDir: string, blocks: number): Promise<void> => {
  if (existsSync(dataDir)) return Promise.resolve()
  const unfinished = `${dataDir}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  const chain = LocalBlockchain.layer.pipe(
    Layer.provide(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provide(TimeNode.chainStore),
    Layer.provide(NodeConfig.layer({ dataDir: unfinished })),
    Layer.provideMerge(Layer.mergeAll(clockAt(blocks), Layer.succeed(References.MinimumLogLevel, "Error")))
  )
  const program = Effect.gen(function* () {
    const chain = yield* Blockchain
    while (chain.tip().height < blocks) {
      const tip = chain.tip()
      const batch: Array<Block> = []
      let previous = tip.hash
      for (let at = Number(tip.height) + 1; at <= blocks && batch.length < BATCH; at++) {
        const block = paying(blockAt(BigInt(at), previous))
        batch.push(block)
        previous = blockHash(block.header)
      }
      yield* chain.connect(batch)
    }
  })
  return Effect.runPromise(Effect.provide(program, chain)).then(() => renameSync(unfinished, dataDir))
}

// --- internal ---

const BATCH = 1_000
const OWNERS = [1, 2, 3, 4, 5, 6].map(owner)
const SHARE = satoshi(BLOCK_REWARD / BigInt(OWNERS.length))

const paying = (block: Block): Block =>
  sealed({
    ...block,
    transactions: [
      {
        ...block.transactions[0]!,
        outputs: OWNERS.map(({ address }) => ({ value: SHARE, scriptPubkey: addressScript(address) }))
      }
    ],
    masternodeRewards: OWNERS.map(({ address }) => ({ address, amount: SHARE }))
  })
