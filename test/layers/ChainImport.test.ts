/**
 * The chain that the network's own node made goes through the whole of the chain layers.
 */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as LocalBlockchain from "../../src/layers/LocalBlockchain.ts"
import * as MemoryMempool from "../../src/layers/MemoryMempool.ts"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { readChain } from "../fixtures/Vectors.ts"

const TIP_HASH = "eae4eb1d4b732f62028a5cd7e5ad0287692770338298a82789d3d54feb6d6fa0"
const UTXO_SET_HASH = "055de8a8f873d51520d0943a42586e3c9416bc047c776628793ec88b42358104"

const node = (file: string) =>
  LocalBlockchain.layer.pipe(
    Layer.provideMerge(MemoryMempool.layer),
    Layer.provideMerge(ViewUtxoStore.layer),
    Layer.provideMerge(SqliteChainStore.layer({ file, network: testnet })),
    Layer.provide(NodeConfig.layerTest())
  )

/** All of the chain is there, and its UTXO set is that of the network. */
const isComplete = Effect.gen(function* () {
  const chain = yield* Blockchain
  const utxos = yield* UtxoStore
  assert.strictEqual(chain.tip().height, 2601n)
  assert.strictEqual(toHex(chain.tip().hash), TIP_HASH)
  const summary = yield* utxos.summary
  assert.strictEqual(toHex(summary.hash), UTXO_SET_HASH)
  assert.strictEqual(summary.count, 10_405n)
})

describe("the chain of the network", () => {
  it.effect(
    "is imported into a file, found there again, and undone and redone at its end",
    () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "chain.db")
        const blocks = readChain()
        yield* TestClock.setTime(Number(dueTime(testnet, blocks.at(-1)!.header.height)) * 1_000)
        yield* Effect.gen(function* () {
          const chain = yield* Blockchain
          for (let at = 0; at < blocks.length; at += 101) yield* chain.connect(blocks.slice(at, at + 101))
          yield* isComplete
        }).pipe(Effect.provide(node(file), { local: true }))
        yield* Effect.provide(isComplete, node(file), { local: true })

        yield* Effect.flatMap(ChainStore, (store) =>
          store.commit({ disconnect: 500, connect: [], durability: "durable" })
        ).pipe(Effect.provide(SqliteChainStore.layer({ file, network: testnet }), { local: true }))
        yield* Effect.gen(function* () {
          const chain = yield* Blockchain
          assert.strictEqual(chain.tip().height, 2101n)
          yield* chain.connect(blocks.slice(2102))
          yield* isComplete
        }).pipe(Effect.provide(node(file), { local: true }))
      }),
    60_000
  )
})
