/**
 * Against the real `timed`: this node copies its chain, a fresh `timed` copies the chain from this node, and both stay.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { loopbackNet } from "../support/loopback.ts"
import { rpc, timed, timenode, until } from "./Processes.ts"
import { sharedFile } from "./Shared.ts"

const archive = sharedFile("peer/chains/testnet-2601.tar.xz")
const TIP = "eae4eb1d4b732f62028a5cd7e5ad0287692770338298a82789d3d54feb6d6fa0"
const UTXO_HASH = "055de8a8f873d51520d0943a42586e3c9416bc047c776628793ec88b42358104"

describe.skipIf(archive === null)("chain testnet-2601 with timed", () => {
  it.live(
    "is copied from a timed and to a timed, and both connections hold",
    () =>
      Effect.gen(function* () {
        const net = yield* loopbackNet
        const clock = { epoch: 1_766_108_000, anchor: Math.floor(Date.now() / 1000), speed: 20 }
        const source = yield* timed({ ip: net.ip(2), clock, chain: archive! })
        assert.strictEqual(yield* rpc(source.rpc, "getblockcount"), 2601)

        const node = yield* timenode({ ip: net.ip(9), clock, peers: [net.ip(2)] })
        yield* until(
          "the node has copied 2,601 blocks",
          Effect.map(rpc(node.rpc, "getblockcount"), (height) => height === 2601),
          40
        )
        assert.strictEqual(yield* rpc(node.rpc, "getbestblockhash"), TIP)
        assert.strictEqual((yield* rpc(node.rpc, "gettxoutsetinfo")).utxo_hash, UTXO_HASH)

        const fresh = yield* timed({ ip: net.ip(3), clock, peers: [net.ip(9)] })
        yield* until(
          "a fresh timed has copied them from the node",
          Effect.map(rpc(fresh.rpc, "getblockcount"), (height) => height === 2601),
          40
        )
        assert.strictEqual((yield* rpc(fresh.rpc, "getblockchaininfo")).bestblockhash, TIP)

        const connections = Effect.map(rpc(node.rpc, "getpeerinfo"), (peers: ReadonlyArray<any>) =>
          peers
            .map(({ addr, conntime, inbound }) => ({ addr, conntime, inbound }))
            .sort((a, b) => (a.addr < b.addr ? -1 : 1))
        )
        const before = yield* connections
        assert.deepStrictEqual(
          before.map(({ inbound }) => inbound),
          [false, true]
        )
        // Nine real seconds are three minutes of the nodes' time: six pings, three polls each way.
        yield* Effect.sleep("9500 millis")
        assert.deepStrictEqual(yield* connections, before)
        assert.match(node.log(), new RegExp(`Registered ${net.ip(2)} in PeerRegistry`))
        assert.match(node.log(), new RegExp(`Registered ${net.ip(3)} in PeerRegistry`))
      }).pipe(Effect.scoped),
    120_000
  )
})
