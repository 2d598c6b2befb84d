/**
 * What a chain store is given to do while it is killed or damaged: the same steps for the same seed.
 */
import { Effect, Layer } from "effect"
import * as LocalBlockchain from "../../../src/layers/LocalBlockchain.ts"
import * as MemoryMempool from "../../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../../src/layers/ViewUtxoStore.ts"
import { Blockchain } from "../../../src/services/Blockchain.ts"
import { type ChainBatch, ChainStore, type ConnectedBlock } from "../../../src/services/ChainStore.ts"
import { NodeConfig } from "../../../src/services/NodeConfig.ts"
import { ChainModel, hashOf, link, utxo } from "../../fixtures/Deltas.ts"
import { makeRandom } from "../../fixtures/Random.ts"
import { spendingBlocks } from "../../fixtures/SpendingChain.ts"

/** `batches` takes blocks off and puts others on; `import` puts valid blocks on by the rules. */
export type WorkKind = "batches" | "import"

/** One step on the store that is provided. It may be several commits. */
export type Step = Effect.Effect<void, unknown, ChainStore | Blockchain>

export const work = (kind: WorkKind, seed: number): Iterable<Step> =>
  kind === "batches" ? batches(seed) : importing(seed)

/** The services that steps of a kind use, over a store. */
export const workLayer = <E, R>(kind: WorkKind, store: Layer.Layer<ChainStore, E, R>) =>
  kind === "batches"
    ? Layer.provideMerge(Blockchain.layerTest(), store)
    : LocalBlockchain.layer.pipe(
        Layer.provide(MemoryMempool.layer),
        Layer.provide(ViewUtxoStore.layer),
        Layer.provideMerge(store),
        Layer.provide(NodeConfig.layerTest())
      )

// --- internal ---

function* importing(seed: number): Iterable<Step> {
  const random = makeRandom(seed)
  const blocks = spendingBlocks(seed)
  for (;;) {
    const next = Array.from({ length: 1 + random(8) }, () => blocks.next().value)
    yield Effect.flatMap(Blockchain, (chain) => chain.connect(next))
  }
}

const MOST_COINS = 150
const SCRIPTS = 12

function* batches(seed: number): Iterable<Step> {
  const random = makeRandom(seed)
  const model = new ChainModel()
  for (let number = 0; ; number++) {
    const disconnect = random(3) === 0 ? random(Math.min(8, model.blocks.length + 1)) : 0
    for (let left = disconnect; left > 0; left--) model.disconnect()
    const connect: Array<ConnectedBlock> = []
    for (let left = random(5) + (disconnect === 0 ? 1 : 0); left > 0; left--) {
      const block = randomBlock(model, `${seed}.${number}.${left}`, random)
      model.connect(block)
      connect.push(block)
    }
    const durability = random(4) === 0 ? "durable" : "batched"
    const batch: ChainBatch = { disconnect, connect, durability }
    yield Effect.flatMap(ChainStore, (store) => store.commit(batch))
  }
}

const randomBlock = (model: ChainModel, name: string, random: (below: number) => number): ConnectedBlock => {
  const txids = Array.from({ length: 1 + random(4) }, (_, index) => hashOf(`${name} ${index}`))
  const coins = [...model.utxos.values()]
  const first = random(coins.length + 1)
  const spent = coins.slice(first, first + (coins.length > MOST_COINS ? 12 : random(6)))
  const created = Array.from({ length: random(9) }, (_, vout) =>
    utxo({ txid: txids[random(txids.length)]!, vout }, BigInt(random(2 ** 30)), `script ${random(SCRIPTS)}`)
  )
  const spenders = spent.map(() => random(txids.length))
  const block = link(model.tip, name, { txids, spent, spenders, created })
  return { ...block, bytes: new TextEncoder().encode(JSON.stringify({ name, filler: "x".repeat(random(3_000)) })) }
}
