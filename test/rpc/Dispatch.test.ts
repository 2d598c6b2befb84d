import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { RPC_TIMEOUT } from "../../src/protocol/Limits.ts"
import { dispatch, methods } from "../../src/rpc/Dispatch.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { History } from "../../src/services/History.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import { PeerGuard } from "../../src/services/PeerGuard.ts"
import { PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { UtxoStore } from "../../src/services/UtxoStore.ts"
import { Wallet } from "../../src/services/Wallet.ts"

/** A node whose store never answers. */
const stuck = Layer.mergeAll(
  Blockchain.layerTest({ block: () => Effect.never }),
  ChainStore.layerTest(),
  UtxoStore.layerTest(),
  Wallet.layerTest(),
  Mempool.layerTest(),
  MasternodeRegistry.layerTest(),
  PeerRegistry.layerTest(),
  PeerGuard.layerTest(),
  History.layerTest(),
  NodeLifecycle.layer
)

const call = (method: string, id: number) => `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":[0]}`

describe("dispatch", () => {
  it.effect("answers a whole batch within the deadline of one request", () =>
    Effect.gen(function* () {
      const batch = `[${call("getblock", 1)},${call("getblock", 2)},${call("getblockhash", 3)}]`
      const answer = yield* Effect.forkChild(dispatch(batch), { startImmediately: true })
      yield* TestClock.adjust(RPC_TIMEOUT - 1)
      assert.isUndefined(answer.pollUnsafe())
      yield* TestClock.adjust(1)
      const answers = JSON.parse((yield* Fiber.join(answer)) ?? "") as ReadonlyArray<{
        readonly error?: { code: number }
      }>
      assert.strictEqual(answers.length, 3)
      assert.strictEqual(answers[0]!.error?.code, -32000)
      assert.strictEqual(answers[1]!.error?.code, -32000)
    }).pipe(Effect.provide(stuck))
  )

  it.effect("counts uptime from the start of the node", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(
        yield* dispatch('{"jsonrpc":"2.0","id":1,"method":"uptime"}'),
        '{"jsonrpc":"2.0","id":1,"result":90}'
      )
    }).pipe(Effect.provide(stuck))
  )

  it("describes every method once", () => {
    assert.strictEqual(new Set(methods.map(({ name }) => name)).size, methods.length)
    for (const { summary } of methods) assert.match(summary, /^[A-Z].*\.$/)
  })
})
