/**
 * What every MasternodeRegistry must do, whatever it keeps its records in.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { addressOf } from "../../src/protocol/Address.ts"
import { type Seed, type Signature, SigningKey } from "../../src/protocol/Ed25519.ts"
import {
  heartbeatId,
  signAttestation,
  type SignedHeartbeat,
  signHeartbeat,
  type WitnessAttestation
} from "../../src/protocol/Heartbeat.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type { MasternodeRecord } from "../../src/protocol/Masternode.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { peerId, type PeerId } from "../../src/protocol/PeerId.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { NodeIdentity, type NodeIdentityValues } from "../../src/services/NodeIdentity.ts"

const key = (byte: number) => new SigningKey(new Uint8Array(32).fill(byte) as Seed)
const ip = (text: string): PeerId => peerId(text)!
const numbered = (number: number): PeerId => ip(`5.0.${number >> 8}.${number & 255}`)
const record = (overrides: Partial<MasternodeRecord> = {}): MasternodeRecord => ({
  address: "9.9.9.9:24100",
  rewardAddress: "TIME0reward",
  tier: "Bronze",
  publicKey: key(1).publicKey,
  ...overrides
})

/** Now, in seconds, when a test begins. */
const NOW = 1_765_000_000n

export const suite = (layer: Layer.Layer<MasternodeRegistry, never, NodeConfig | NodeIdentity>): void => {
  const withRegistry = <A, E>(
    run: (registry: MasternodeRegistry["Service"]) => Effect.Effect<A, E>,
    config: Partial<NodeConfigValues> = {},
    identity: Partial<NodeIdentityValues> = {}
  ) =>
    Effect.flatMap(MasternodeRegistry, run).pipe(
      Effect.provide(layer.pipe(Layer.provide([NodeConfig.layerTest(config), NodeIdentity.layerTest(identity)])), {
        local: true
      }),
      (effect) => Effect.andThen(TestClock.setTime(Number(NOW) * 1_000), effect)
    )
  const known = (registry: MasternodeRegistry["Service"]) =>
    Effect.map(registry.list, (list) => list.map(({ peer, source, tier }) => [peer, source, tier]))

  it.effect("knows an announced masternode by the IP it spoke from, whatever address it claims", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), record()), "new")
        assert.deepStrictEqual(yield* registry.list, [
          {
            ...record(),
            address: "1.1.1.1",
            peer: ip("1.1.1.1"),
            source: "announced",
            firstSeen: Number(NOW) * 1_000,
            lastSeen: Number(NOW) * 1_000
          }
        ])
        assert.isNull(yield* registry.own)
      })
    )
  )

  it.effect("keeps what was announced first, and when it was seen last", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* registry.announce(ip("1.1.1.1"), record())
        yield* TestClock.adjust("1 minute")
        const other = record({ tier: "Gold", rewardAddress: "TIME0other", publicKey: key(2).publicKey })
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), other), "refreshed")
        const [entry] = yield* registry.list
        assert.deepStrictEqual(entry, {
          ...record(),
          address: "1.1.1.1",
          peer: ip("1.1.1.1"),
          source: "announced",
          firstSeen: Number(NOW) * 1_000,
          lastSeen: Number(NOW) * 1_000 + 60_000
        })
      })
    )
  )

  it.effect("takes hints without port, but only where nothing better is known, and no text that is no address", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* registry.announce(ip("1.1.1.1"), record())
        const hints = ["1.1.1.1", "1.1.1.2:24100", "1.1.1.2", "[2a00::1]:5", "", "example.com", "1.1.1"]
        assert.strictEqual(yield* registry.hint(hints.map((address) => record({ address, tier: "Gold" }))), 2)
        assert.deepStrictEqual(yield* known(registry), [
          [ip("1.1.1.1"), "announced", "Bronze"],
          [ip("1.1.1.2"), "hinted", "Gold"],
          [ip("2a00::1"), "hinted", "Gold"]
        ])
      })
    )
  )

  it.effect("believes a masternode more than what others said of it", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* registry.hint([record({ address: "1.1.1.1", tier: "Gold" })])
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), record({ tier: "Free" })), "new")
        assert.deepStrictEqual(yield* known(registry), [[ip("1.1.1.1"), "announced", "Free"]])
      })
    )
  )

  it.effect("keeps no reward address longer than any is", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const bloated = record({ address: "1.1.1.1", rewardAddress: "x".repeat(Limits.PEER_TEXT + 1) })
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), bloated), "refused")
        assert.strictEqual(yield* registry.hint([bloated]), 0)
        assert.deepStrictEqual(yield* registry.list, [])
      })
    )
  )

  it.effect("is bounded: a masternode that speaks for itself displaces hearsay, hearsay nobody", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        for (let number = 0; number < Limits.KNOWN_MASTERNODES - 1; number++) {
          yield* registry.announce(numbered(number), record())
        }
        assert.strictEqual(yield* registry.hint([record({ address: "1.1.1.1" }), record({ address: "1.1.1.2" })]), 1)
        assert.strictEqual(yield* registry.announce(ip("1.1.1.3"), record()), "new")
        assert.strictEqual(yield* registry.announce(ip("1.1.1.4"), record()), "full")
        assert.strictEqual(yield* registry.announce(ip("1.1.1.3"), record()), "refreshed")
        const peers = (yield* registry.list).map(({ peer }) => peer)
        assert.strictEqual(peers.length, Limits.KNOWN_MASTERNODES)
        assert.isTrue(peers.includes(ip("1.1.1.3")) && !peers.includes(ip("1.1.1.1")))
      })
    )
  )

  const Step = Schema.Struct({
    announces: Schema.Boolean,
    number: Schema.Literals([1, 2, 3, 4]),
    byte: Schema.Literals([1, 2])
  })
  it.effect.prop(
    "after any sequence, each peer is there once, as the first announcement or else the first hint",
    [Schema.Array(Step)],
    ([steps]) =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          for (const { announces, byte, number } of steps) {
            const said = record({ address: numbered(number), publicKey: key(byte).publicKey })
            yield* announces ? registry.announce(numbered(number), said) : registry.hint([said])
          }
          const list = yield* registry.list
          assert.strictEqual(list.length, new Set(steps.map(({ number }) => number)).size)
          for (const { peer, publicKey, source } of list) {
            const about = steps.filter(({ number }) => numbered(number) === peer)
            const decisive = about.find(({ announces }) => announces) ?? about[0]!
            assert.strictEqual(source, decisive.announces ? "announced" : "hinted")
            assert.deepStrictEqual(publicKey, key(decisive.byte).publicKey)
          }
        })
      )
  )

  const masternode: Partial<NodeConfigValues> = {
    masternode: { enabled: true, tier: "Silver", rewardAddress: "" },
    externalAddress: ip("4.4.4.4")
  }
  const identity = { externalAddress: ip("4.4.4.4"), key: key(9) }

  it.effect("of a masternode knows itself first; nobody else can say what it is", () =>
    withRegistry(
      (registry) =>
        Effect.gen(function* () {
          const own = {
            address: "4.4.4.4",
            rewardAddress: addressOf(key(9).publicKey, testnet),
            tier: "Silver" as const,
            publicKey: key(9).publicKey
          }
          assert.deepStrictEqual(yield* registry.own, own)
          assert.strictEqual(yield* registry.announce(ip("4.4.4.4"), record({ tier: "Gold" })), "refreshed")
          assert.strictEqual(yield* registry.hint([record({ address: "4.4.4.4", tier: "Gold" })]), 0)
          assert.deepStrictEqual(yield* known(registry), [[ip("4.4.4.4"), "own", "Silver"]])
        }),
      masternode,
      identity
    )
  )

  it.effect("pays itself where the operator says", () =>
    withRegistry(
      (registry) => Effect.map(registry.own, (own) => assert.strictEqual(own?.rewardAddress, "TIME0mine")),
      { masternode: { enabled: true, tier: "Free", rewardAddress: "TIME0mine" } },
      identity
    )
  )

  for (const [what, config, who] of [
    ["that is none", { masternode: { enabled: false, tier: "Gold", rewardAddress: "" } }, identity],
    ["without an address", masternode, { ...identity, externalAddress: null }],
    ["without a key", masternode, { ...identity, key: null }]
  ] as const) {
    it.effect(`of a node ${what} announces nothing`, () =>
      withRegistry(
        (registry) =>
          Effect.gen(function* () {
            assert.deepStrictEqual([yield* registry.own, yield* registry.list], [null, []])
          }),
        config,
        who
      )
    )
  }

  const heartbeat = (overrides: Partial<SignedHeartbeat> = {}, signer = key(1)) =>
    signHeartbeat({ masternodeAddress: "1.1.1.1", sequenceNumber: 1n, timestamp: NOW, ...overrides }, signer)
  const damaged = (signature: Uint8Array) => {
    const copy = new Uint8Array(signature)
    copy[5]! ^= 1
    return copy as Signature
  }

  it.effect("takes a heartbeat once, and then only newer ones of the same address and key", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* registry.heartbeat(heartbeat()), "new")
        assert.strictEqual(yield* registry.heartbeat(heartbeat()), "known")
        assert.strictEqual(yield* registry.heartbeat(heartbeat({ timestamp: NOW - 1n, sequenceNumber: 2n })), "known")
        assert.strictEqual(yield* registry.heartbeat(heartbeat({ timestamp: NOW + 60n })), "new")
        assert.strictEqual(yield* registry.heartbeat(heartbeat({ masternodeAddress: "1.1.1.2" })), "new")
      })
    )
  )

  it.effect("takes the real heartbeat although another key has made up a later one of the same address", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const forged = heartbeat({ timestamp: NOW + 170n, sequenceNumber: 2n ** 64n - 1n }, key(66))
        assert.strictEqual(yield* registry.heartbeat(forged), "new")
        assert.strictEqual(yield* registry.heartbeat(heartbeat()), "new")
      })
    )
  )

  it.effect("finds invalid what its key did not sign", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const good = heartbeat()
        for (const bad of [
          { ...good, signature: damaged(good.signature) },
          { ...good, masternodeAddress: "1.1.1.2" },
          { ...good, sequenceNumber: 2n },
          { ...good, timestamp: NOW + 1n },
          { ...good, masternodePubkey: key(2).publicKey }
        ]) {
          assert.strictEqual(yield* registry.heartbeat(bad), "invalid")
        }
        assert.strictEqual(yield* registry.heartbeat(good), "new")
      })
    )
  )

  it.effect("ignores a heartbeat more than three minutes from now, in both directions, and blames nobody", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const verdicts: Array<string> = []
        for (const offset of [-181n, 181n, -(2n ** 62n), 2n ** 62n, -180n, 180n]) {
          verdicts.push(yield* registry.heartbeat(heartbeat({ timestamp: NOW + offset })))
        }
        assert.deepStrictEqual(verdicts, ["known", "known", "known", "known", "new", "new"])
      })
    )
  )

  it.effect("finds a name that is far too long invalid, though its key signed it", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const name = "1".repeat(Limits.PEER_TEXT + 1)
        assert.strictEqual(yield* registry.heartbeat(heartbeat({ masternodeAddress: name })), "invalid")
        assert.strictEqual(yield* registry.attestation(attestation({ witnessAddress: name })), "invalid")
      })
    )
  )

  const attestation = (overrides: Partial<WitnessAttestation> = {}, signer = key(3)) =>
    signAttestation(
      { heartbeatHash: heartbeatId(heartbeat()), witnessAddress: "1.1.1.9", witnessTimestamp: NOW, ...overrides },
      signer
    )

  it.effect("judges attestations by signature and time", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const good = attestation()
        const verdicts: Array<string> = []
        for (const given of [
          good,
          { ...good, signature: damaged(good.signature) },
          { ...good, witnessAddress: "1.1.1.8" },
          { ...good, witnessPubkey: key(4).publicKey },
          attestation({ witnessTimestamp: NOW - 181n }),
          attestation({ witnessTimestamp: NOW + 181n })
        ]) {
          verdicts.push(yield* registry.attestation(given))
        }
        assert.deepStrictEqual(verdicts, ["new", "invalid", "invalid", "invalid", "known", "known"])
      })
    )
  )
}
