/**
 * What the operator is told of masternodes, over a real registry.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryMasternodeRegistry from "../../src/layers/MemoryMasternodeRegistry.ts"
import { addressOf } from "../../src/protocol/Address.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { heartbeatId, signAttestation, signHeartbeat } from "../../src/protocol/Heartbeat.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { dispatch } from "../../src/rpc/Dispatch.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { NodeLifecycle } from "../../src/services/NodeLifecycle.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { keyOf } from "../fixtures/Masternodes.ts"

const NOW = 1_765_000_000n
const ip = (n: number): PeerId => peerId(`1.1.1.${n}`)!
const OWN = peerId("4.4.4.4")!

const services = (enabled: boolean) => {
  const about = Layer.mergeAll(
    NodeConfig.layerTest({ masternode: { enabled, tier: "Silver", rewardAddress: "" } }),
    NodeIdentity.layerTest({ externalAddress: OWN, key: keyOf(9) })
  )
  return Layer.mergeAll(MockNode.layer, NodeLifecycle.layer, MemoryMasternodeRegistry.layer.pipe(Layer.provide(about)))
}

const test = <A, E>(
  text: string,
  program: Effect.Effect<A, E, Layer.Success<ReturnType<typeof services>>>,
  enabled = true
) =>
  it.effect(text, () =>
    Effect.andThen(
      TestClock.setTime(Number(NOW) * 1_000),
      program.pipe(Effect.provide(services(enabled), { local: true }))
    )
  )

const result = Effect.fnUntraced(function* (name: string, ...params: ReadonlyArray<unknown>) {
  const answer = JSON.parse((yield* dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method: name, params })))!)
  assert.isUndefined(answer.error, JSON.stringify(answer))
  return answer.result
})

const heartbeat = (n: number, sequence = 7n, timestamp = NOW) =>
  signHeartbeat({ masternodeAddress: ip(n), sequenceNumber: sequence, timestamp }, keyOf(n))

/** 1 to 4 are active, 5 announced and unproven, 6 silent, 7 hearsay. */
const populated = Effect.gen(function* () {
  const registry = yield* MasternodeRegistry
  const record = (n: number) => ({
    address: ip(n),
    rewardAddress: `TIME0reward${n}`,
    tier: "Gold" as const,
    publicKey: keyOf(n).publicKey
  })
  for (let n = 1; n <= 6; n++) yield* registry.announce(ip(n), record(n))
  for (let n = 1; n <= 4; n++) yield* registry.heartbeat(heartbeat(n), ip(n))
  yield* registry.heartbeat(signHeartbeat({ ...heartbeat(5) }, keyOf(66)), ip(5))
  yield* registry.hint([record(7)], ip(1))
  for (let n = 2; n <= 4; n++) {
    yield* registry.attestation(
      signAttestation(
        { heartbeatHash: heartbeatId(heartbeat(1)), witnessAddress: ip(n), witnessTimestamp: NOW },
        keyOf(n)
      )
    )
  }
  return registry
})

describe("masternodelist", () => {
  test(
    "says of each why it is active or not",
    Effect.gen(function* () {
      yield* populated
      const { masternodes, total } = yield* result("masternodelist")
      assert.strictEqual(total, 8)
      assert.deepStrictEqual(
        masternodes.map(({ address, is_active, status }: Record<string, unknown>) => [address, is_active, status]),
        [
          [OWN, false, "silent"],
          ...[1, 2, 3, 4].map((n) => [ip(n), true, "active"]),
          [ip(5), false, "unproven: heartbeat key differs from the announced one"],
          [ip(6), false, "silent"],
          [ip(7), false, "hinted"]
        ]
      )
      assert.deepStrictEqual(masternodes[1], {
        address: ip(1),
        collateral: 0,
        is_active: true,
        last_heartbeat: Number(NOW),
        public_key: toHex(keyOf(1).publicKey),
        registered_at: Number(NOW),
        status: "active",
        tier: "Gold",
        total_uptime: 0,
        uptime_start: Number(NOW),
        wallet_address: "TIME0reward1"
      })
      assert.deepStrictEqual([masternodes[6].last_heartbeat, masternodes[6].uptime_start], [null, null])
    })
  )
})

describe("masternodestatus", () => {
  test(
    "follows the node's own heartbeats",
    Effect.gen(function* () {
      const { beat } = yield* MasternodeRegistry
      const own = {
        address: OWN,
        public_key: toHex(keyOf(9).publicKey),
        reward_address: addressOf(keyOf(9).publicKey, testnet),
        tier: "Silver"
      }
      const silent = { ...own, is_active: false, status: "silent", total_uptime: 0 }
      assert.deepStrictEqual(yield* result("masternodestatus"), silent)
      yield* beat
      yield* TestClock.adjust("1 minute")
      yield* beat
      const active = { ...own, is_active: true, status: "active", total_uptime: 60 }
      assert.deepStrictEqual(yield* result("masternodestatus"), active)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual((yield* result("masternodestatus")).is_active, false)
    })
  )

  test(
    "of a node that is none says so",
    Effect.map(result("masternodestatus"), (status) =>
      assert.deepStrictEqual(status, {
        message: "This node is not configured as a masternode",
        status: "Not a masternode"
      })
    ),
    false
  )
})

describe("getconsensusinfo", () => {
  test(
    "counts who is active now, this node included",
    Effect.gen(function* () {
      const { beat } = yield* populated
      assert.deepStrictEqual(yield* result("getconsensusinfo"), { masternodes: 4, quorum: 3, type: "BFT" })
      yield* beat
      assert.deepStrictEqual(yield* result("getconsensusinfo"), { masternodes: 5, quorum: 4, type: "BFT" })
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual((yield* result("getconsensusinfo")).masternodes, 0)
    })
  )
})

describe("heartbeats", () => {
  test(
    "are counted, verified ones by three witnesses",
    Effect.gen(function* () {
      const empty = yield* result("getattestationstats")
      assert.deepStrictEqual([empty.total_heartbeats, empty.verification_rate], [0, 0])
      yield* populated
      assert.deepStrictEqual(yield* result("getattestationstats"), {
        pending_heartbeats: 3,
        total_heartbeats: 4,
        total_verified_count: 1,
        unique_masternodes: 4,
        verification_rate: 25,
        verified_heartbeats: 1
      })
    })
  )

  test(
    "are listed newest first, at most as many as asked for",
    Effect.gen(function* () {
      const registry = yield* populated
      yield* TestClock.adjust("1 minute")
      yield* registry.heartbeat(heartbeat(1, 8n, NOW + 60n), ip(1))
      const first = {
        sequence: 7,
        timestamp: Number(NOW),
        unique_witnesses: 3,
        verified: true,
        witness_count: 3,
        witnesses: [ip(2), ip(3), ip(4)]
      }
      const second = {
        sequence: 8,
        timestamp: Number(NOW) + 60,
        unique_witnesses: 0,
        verified: false,
        witness_count: 0,
        witnesses: []
      }
      const about = { address: ip(1), latest_sequence: 8, total_verified_heartbeats: 1 }
      assert.deepStrictEqual(yield* result("getheartbeathistory", ip(1)), {
        ...about,
        recent_heartbeats: [second, first]
      })
      assert.deepStrictEqual((yield* result("getheartbeathistory", ip(1), 1)).recent_heartbeats, [second])
      assert.deepStrictEqual(yield* result("getheartbeathistory", ip(77)), {
        address: ip(77),
        latest_sequence: null,
        recent_heartbeats: [],
        total_verified_heartbeats: 0
      })
    })
  )
})
