/**
 * A node with a UTXO store of its own: the usual view of the coins, and beside it the sum each address holds.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import * as TimeNode from "../src/layers/TimeNode.ts"
import * as ViewUtxoStore from "../src/layers/ViewUtxoStore.ts"
import { formatTime } from "../src/protocol/Satoshi.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"
import { UtxoStore } from "../src/services/UtxoStore.ts"

const balances = new Map<string, bigint>()
const add = (address: string, amount: bigint) => balances.set(address, (balances.get(address) ?? 0n) + amount)

const utxoStore = Layer.effect(
  UtxoStore,
  Effect.map(UtxoStore, (view) => ({
    ...view,
    applied: (delta) =>
      Effect.andThen(
        view.applied(delta),
        Effect.sync(() => {
          for (const block of delta.connected) {
            for (const { address, value } of block.created) add(address, value)
            for (const { address, value } of block.spent) add(address, -value)
          }
        })
      )
  }))
).pipe(Layer.provide(ViewUtxoStore.layer))

Effect.sleep("1 second").pipe(
  Effect.andThen(() => Console.log([...balances].map(([address, sum]) => `${address} ${formatTime(sum)}`).join("\n"))),
  Effect.provide(TimeNode.layerWith({ utxoStore }).pipe(Layer.provide(NodeConfig.layerTest()))),
  NodeRuntime.runMain
)
