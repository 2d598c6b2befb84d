/**
 * What every MasternodeRegistry must do, whatever it keeps its records in: whom it knows, and what this node is.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { addressOf } from "../../src/protocol/Address.ts"
import { heartbeatId, verifyAttestation, verifyHeartbeat } from "../../src/protocol/Heartbeat.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { keyOf as key, knownMasternode } from "../fixtures/Masternodes.ts"
import {
  NOW,
  active,
  announceAll,
  gossiper,
  heartbeat,
  identity,
  ip,
  known,
  masternode,
  nth,
  proveAll,
  record,
  registryOf,
  type RegistryLayer
} from "./MasternodeWorld.ts"

const numbered = (number: number): PeerId => ip(`5.0.${number >> 8}.${number & 255}`)

export const suite = (layer: RegistryLayer): void => {
  const withRegistry = registryOf(layer)

  // --- who is known ---

  it.effect("knows an announced masternode by the IP it spoke from, whatever address it claims", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), record()), "new")
        const seen = { firstSeen: Number(NOW) * 1_000, lastSeen: Number(NOW) * 1_000 }
        assert.deepStrictEqual(yield* registry.list, [
          knownMasternode(ip("1.1.1.1"), { ...record(), address: "1.1.1.1", ...seen })
        ])
        assert.isNull(yield* registry.own)
        assert.isNull(yield* registry.beat)
      })
    )
  )

  it.effect("takes hints without port, but only where nothing better is known, and no text that is no address", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* registry.announce(ip("1.1.1.1"), record())
        const hints = ["1.1.1.1", "1.1.1.2:24100", "1.1.1.2", "[2a00::1]:5", "", "example.com", "1.1.1"]
        const named = hints.map((address) => record({ address, tier: "Gold" }))
        assert.strictEqual(yield* registry.hint(named, gossiper), 2)
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
        yield* registry.hint([record({ address: "1.1.1.1", tier: "Gold" })], gossiper)
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
        assert.strictEqual(yield* registry.hint([bloated], gossiper), 0)
        yield* registry.announce(ip("1.1.1.1"), record())
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), bloated), "refused")
        assert.strictEqual((yield* registry.list)[0]?.rewardAddress, record().rewardAddress)
      })
    )
  )

  it.effect(
    "lets the peers of one network group name a sixteenth of all, and forgets after an hour what they named",
    () =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          const hints = Array.from({ length: 200 }, (_, n) => record({ address: numbered(n) }))
          assert.strictEqual(yield* registry.hint(hints, ip("81.0.0.1")), Limits.HINTS_PER_GROUP)
          assert.strictEqual(yield* registry.hint(hints, ip("81.0.9.9")), 0)
          assert.strictEqual(yield* registry.hint(hints, ip("82.0.0.1")), 75)
          yield* TestClock.adjust("61 minutes")
          assert.deepStrictEqual(yield* registry.list, [])
          assert.strictEqual(yield* registry.hint(hints, ip("81.0.0.1")), Limits.HINTS_PER_GROUP)
        })
      )
  )

  it.effect(
    "is full for the second of a group that has most, and makes room for others: hearsay, then that group",
    () =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          // One group takes all the room but two places.
          for (let number = 0; number < Limits.KNOWN_MASTERNODES - 2; number++) {
            yield* registry.announce(numbered(number), record())
            if (number < 3) yield* TestClock.adjust("1 millis")
          }
          yield* registry.announce(ip("7.7.0.1"), record())
          assert.strictEqual(yield* registry.hint([record({ address: "1.1.1.1" })], gossiper), 1)
          yield* registry.heartbeat(heartbeat({ masternodeAddress: numbered(0) }), gossiper)
          assert.strictEqual(yield* registry.announce(ip("8.8.0.1"), record()), "new")
          assert.strictEqual(yield* registry.hint([record({ address: "1.1.1.2" })], gossiper), 0)
          assert.strictEqual(yield* registry.announce(ip("9.9.0.1"), record()), "new")
          // Its own silent ones it may replace, and nobody else.
          assert.strictEqual(yield* registry.announce(ip("5.0.255.1"), record()), "new")
          const peers = (yield* registry.list).map(({ peer }) => peer)
          assert.strictEqual(peers.length, Limits.KNOWN_MASTERNODES)
          for (const there of ["7.7.0.1", "8.8.0.1", "9.9.0.1", "5.0.0.0"])
            assert.isTrue(peers.includes(ip(there)), there)
          for (const gone of ["1.1.1.1", "5.0.0.1", "5.0.0.2"]) assert.isFalse(peers.includes(ip(gone)), gone)
        })
      )
  )

  it.effect("lets nobody with one group displace active masternodes of others", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const honest = Array.from({ length: 20 }, (_, n) => ip(`${100 + n}.1.0.1`))
        for (const peer of honest) {
          yield* registry.announce(peer, record())
          yield* registry.heartbeat(heartbeat({ masternodeAddress: peer }), peer)
        }
        for (let number = 0; number < Limits.KNOWN_MASTERNODES + 300; number++) {
          yield* registry.announce(numbered(number), record())
        }
        assert.deepStrictEqual(active(registry), honest.toSorted())
      })
    )
  )

  it.effect("forgets a masternode an hour after it was seen last", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1, 2)
        yield* TestClock.adjust("59 minutes")
        yield* announceAll(registry, 2)
        assert.strictEqual((yield* registry.list).length, 2)
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(
          (yield* registry.list).map(({ peer }) => peer),
          [ip("1.1.1.2")]
        )
      })
    )
  )

  // --- what changes it ---

  it.effect("takes another reward address when the proven key speaks on its own connection, and not before", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const reward = Effect.map(registry.list, ([entry]) => entry?.rewardAddress)
        const changed = record({ rewardAddress: "TIME0other" })
        yield* announceAll(registry, 1)
        yield* registry.heartbeat(nth(1), gossiper)
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), changed), "pending")
        yield* TestClock.adjust("1 minute")
        yield* registry.heartbeat(nth(2), gossiper)
        assert.strictEqual(yield* reward, "TIME0reward")
        // It was faster through another peer; what counts is that it says so itself.
        assert.strictEqual(yield* registry.heartbeat(nth(2), ip("1.1.1.1")), "known")
        assert.strictEqual(yield* reward, "TIME0other")
        yield* registry.announce(ip("1.1.1.1"), record())
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* registry.heartbeat(nth(3), ip("1.1.1.1")), "new")
        assert.strictEqual(yield* reward, "TIME0reward")
        assert.deepStrictEqual(active(registry, NOW + 120n), [ip("1.1.1.1")])
      })
    )
  )

  it.effect(
    "takes another key then, too, or when the old one has been silent for an hour; it has to prove itself",
    () =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          const other = record({ publicKey: key(2).publicKey })
          yield* announceAll(registry, 1)
          yield* registry.heartbeat(nth(1), gossiper)
          assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), other), "pending")
          assert.strictEqual(yield* registry.heartbeat(nth(1, {}, key(2)), ip("1.1.1.1")), "foreign")
          assert.deepStrictEqual(active(registry), [ip("1.1.1.1")])
          yield* TestClock.adjust("1 minute")
          yield* registry.heartbeat(nth(2), ip("1.1.1.1"))
          assert.deepStrictEqual(active(registry, NOW + 60n), [])
          // A number is compared with those of the same key.
          assert.strictEqual(yield* registry.heartbeat(nth(1, { timestamp: NOW + 60n }, key(2)), gossiper), "new")
          assert.deepStrictEqual(active(registry, NOW + 60n), [ip("1.1.1.1")])

          // Announcing all the while is no sign of life of the key.
          for (let minute = 0; minute < 60; minute++) {
            yield* TestClock.adjust("1 minute")
            assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), record()), "pending")
          }
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), record()), "refreshed")
          assert.deepStrictEqual((yield* registry.list)[0]?.publicKey, key(1).publicKey)
        })
      )
  )

  it.effect("takes the newest word of one that has proven no key", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        const other = record({ publicKey: key(2).publicKey, rewardAddress: "TIME0other" })
        assert.strictEqual(yield* registry.announce(ip("1.1.1.1"), other), "refreshed")
        assert.strictEqual((yield* registry.list)[0]?.rewardAddress, "TIME0other")
      })
    )
  )

  // --- this node ---

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
          assert.strictEqual(yield* registry.hint([record({ address: "4.4.4.4", tier: "Gold" })], gossiper), 0)
          assert.deepStrictEqual(yield* known(registry), [[ip("4.4.4.4"), "own", "Silver"]])
          yield* TestClock.adjust("1 day")
          assert.deepStrictEqual(yield* known(registry), [[ip("4.4.4.4"), "own", "Silver"]])
        }),
      masternode,
      identity
    )
  )

  it.effect("of a masternode is active by its own heartbeats, which others take and nobody else can make", () =>
    withRegistry(
      (registry) =>
        Effect.gen(function* () {
          const claimed = heartbeat({ masternodeAddress: "4.4.4.4", sequenceNumber: 2n ** 60n }, key(9))
          assert.strictEqual(yield* registry.heartbeat(claimed, gossiper), "known")
          assert.deepStrictEqual(active(registry), [])
          const first = (yield* registry.beat)!
          assert.deepStrictEqual([first.sequenceNumber, first.timestamp], [NOW, NOW])
          assert.isTrue(verifyHeartbeat(first))
          assert.deepStrictEqual(active(registry), [ip("4.4.4.4")])
          yield* TestClock.adjust("1 minute")
          const second = (yield* registry.beat)!
          // The clock goes back.
          yield* TestClock.setTime(Number(NOW) * 1_000)
          const third = (yield* registry.beat)!
          const all = [first, second, third]
          assert.deepStrictEqual(
            all.map(({ sequenceNumber }) => sequenceNumber - NOW),
            [0n, 60n, 61n]
          )
          assert.deepStrictEqual(
            all.map(({ timestamp }) => timestamp - NOW),
            [0n, 60n, 80n]
          )
          assert.strictEqual(yield* registry.heartbeat(first, gossiper), "known")
        }),
      masternode,
      identity
    )
  )

  it.effect("of a masternode attests what counted, when it is active itself and more witnesses are wanted", () =>
    withRegistry(
      (registry) =>
        Effect.gen(function* () {
          yield* proveAll(registry, [1, 3])
          assert.isNull(yield* registry.witness(heartbeat()))
          const own = (yield* registry.beat)!
          assert.isNull(yield* registry.witness(own))
          assert.isNull(yield* registry.witness(heartbeat({ sequenceNumber: 7n })))
          const given = (yield* registry.witness(heartbeat()))!
          assert.isTrue(verifyAttestation(given))
          assert.deepStrictEqual(
            [given.witnessAddress, given.heartbeatHash, given.witnessTimestamp],
            ["4.4.4.4", heartbeatId(heartbeat()), NOW]
          )
          assert.isNull(yield* registry.witness(heartbeat()))
          assert.strictEqual(yield* registry.attestation(given), "known")
          assert.deepStrictEqual((yield* registry.heartbeats).find(({ peer }) => peer === ip("1.1.1.1"))?.witnesses, [
            ip("4.4.4.4")
          ])
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
            assert.deepStrictEqual([yield* registry.own, yield* registry.beat, yield* registry.list], [null, null, []])
          }),
        config,
        who
      )
    )
  }
}
