/**
 * A node with a UTXO store of its own: the usual view of the coins, and beside it the sum each address holds.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import * as TimeNode from "../src/layers/TimeNode.ts"
import * as ViewUtxoStore from "../src/layers/ViewUtxoStore.ts"
import { formatTime } from "../src/protocol/Satoshi.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"
import { UtxoStore } from "../src/services/UtxoStore.ts"

const balances = new Map<string, bigint>()
const add = (address: string, amount: bigint) => balances.set(address, (balances.get(address) ?? 0n) + amount)

const utxoStore = Layer.effect(
  UtxoStore,
  Effect.gen(function* () {
    const view = yield* UtxoStore
    // What is stored already is read once; every change after that is told.
    yield* Stream.runForEach(view.stream, ({ address, value }) => Effect.sync(() => add(address, value)))
    return UtxoStore.of({
      ...view,
      applied: (delta) => {
        const created = delta.connected.flatMap((block) => block.created)
        const spent = delta.connected.flatMap((block) => block.spent)
        for (const { address, value } of created) add(address, value)
        for (const { address, value } of spent) add(address, -value)
        return view.applied(delta)
      }
    })
  })
).pipe(Layer.provide(ViewUtxoStore.layer))

Effect.suspend(() => Console.log([...balances].map(([owner, sum]) => `${owner} ${formatTime(sum)}`).join("\n"))).pipe(
  Effect.provide(TimeNode.layerWith({ utxoStore }).pipe(Layer.provide(NodeConfig.layerTest()))),
  NodeRuntime.runMain
)
