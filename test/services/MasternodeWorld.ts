/**
 * A masternode registry under test: the time it is, and what is announced, signed and attested there.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import type { Signature } from "../../src/protocol/Ed25519.ts"
import {
  heartbeatId,
  signAttestation,
  type SignedHeartbeat,
  signHeartbeat,
  type WitnessAttestation
} from "../../src/protocol/Heartbeat.ts"
import type { MasternodeRecord } from "../../src/protocol/Masternode.ts"
import { peerId, type PeerId } from "../../src/protocol/PeerId.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { NodeIdentity, type NodeIdentityValues } from "../../src/services/NodeIdentity.ts"
import { keyOf as key } from "../fixtures/Masternodes.ts"

export type RegistryLayer = Layer.Layer<MasternodeRegistry, never, NodeConfig | NodeIdentity>
type Registry = MasternodeRegistry["Service"]

/** Now, in seconds, when a test begins. */
export const NOW = 1_765_000_000n

/** Runs with a registry of its own. */
export const registryOf =
  (layer: RegistryLayer) =>
  <A, E>(
    run: (registry: Registry) => Effect.Effect<A, E>,
    config: Partial<NodeConfigValues> = {},
    identity: Partial<NodeIdentityValues> = {}
  ) =>
    Effect.flatMap(MasternodeRegistry, run).pipe(
      Effect.provide(layer.pipe(Layer.provide([NodeConfig.layerTest(config), NodeIdentity.layerTest(identity)])), {
        local: true
      }),
      (effect) => Effect.andThen(TestClock.setTime(Number(NOW) * 1_000), effect)
    )

export const ip = (text: string): PeerId => peerId(text)!
/** Whose connection brings what is told of others. */
export const gossiper = ip("81.0.0.1")

/** What a masternode at 4.4.4.4 is configured with. */
export const masternode: Partial<NodeConfigValues> = {
  masternode: { enabled: true, tier: "Silver", rewardAddress: "" },
  externalAddress: ip("4.4.4.4")
}
export const identity = { externalAddress: ip("4.4.4.4"), key: key(9) }

export const record = (overrides: Partial<MasternodeRecord> = {}): MasternodeRecord => ({
  address: "9.9.9.9:24100",
  rewardAddress: "TIME0reward",
  tier: "Bronze",
  publicKey: key(1).publicKey,
  ...overrides
})

export const known = (registry: Registry) =>
  Effect.map(registry.list, (list) => list.map(({ peer, source, tier }) => [peer, source, tier]))
export const active = (registry: Registry, at = NOW) => registry.activeAt(at).map(({ peer }) => peer)
export const status = (registry: Registry) => Effect.map(registry.list, (list) => list.map(({ status }) => status))

export const heartbeat = (overrides: Partial<SignedHeartbeat> = {}, signer = key(1)) =>
  signHeartbeat({ masternodeAddress: "1.1.1.1", sequenceNumber: 1n, timestamp: NOW, ...overrides }, signer)
/** The nth heartbeat of a masternode that says one a minute. */
export const nth = (count: number, overrides: Partial<SignedHeartbeat> = {}, signer = key(1)) =>
  heartbeat({ sequenceNumber: BigInt(count), timestamp: NOW + 60n * BigInt(count - 1), ...overrides }, signer)
export const attestation = (overrides: Partial<WitnessAttestation> = {}, signer = key(3)) =>
  signAttestation(
    { heartbeatHash: heartbeatId(heartbeat()), witnessAddress: "1.1.1.3", witnessTimestamp: NOW, ...overrides },
    signer
  )
export const damaged = (signature: Uint8Array) => {
  const copy = new Uint8Array(signature)
  copy[5]! ^= 1
  return copy as Signature
}
/** Announces 1.1.1.n under its own key. */
export const announceAll = (registry: Registry, ...numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => registry.announce(ip(`1.1.1.${n}`), record({ publicKey: key(n).publicKey })))

/** Announces and proves 1.1.1.n for every number. */
export const proveAll = Effect.fnUntraced(function* (registry: Registry, numbers: ReadonlyArray<number>) {
  yield* announceAll(registry, ...numbers)
  for (const n of numbers) {
    yield* registry.heartbeat(heartbeat({ masternodeAddress: `1.1.1.${n}` }, key(n)), gossiper)
  }
})
export const byWitness = (n: number, overrides: Partial<WitnessAttestation> = {}) =>
  attestation({ witnessAddress: `1.1.1.${n}`, ...overrides }, key(n))
