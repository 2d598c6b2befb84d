/**
 * What every MasternodeRegistry must do about heartbeats: who is active, and whose word counts.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { heartbeatId } from "../../src/protocol/Heartbeat.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { keyOf as key } from "../fixtures/Masternodes.ts"
import {
  NOW,
  active,
  announceAll,
  attestation,
  byWitness,
  damaged,
  gossiper,
  heartbeat,
  ip,
  proveAll,
  record,
  registryOf,
  status,
  type RegistryLayer
} from "./MasternodeWorld.ts"

export const activitySuite = (layer: RegistryLayer): void => {
  const withRegistry = registryOf(layer)

  // --- who is active ---

  it.effect("holds a masternode active for three minutes from the time it signed, once it announced itself", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        assert.deepStrictEqual(yield* status(registry), ["silent"])
        assert.deepStrictEqual(active(registry), [])
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* registry.heartbeat(heartbeat(), gossiper), "new")
        const at = [NOW - 1n, NOW, NOW + 179n, NOW + 180n]
        assert.deepStrictEqual(
          at.map((time) => active(registry, time).length),
          [0, 1, 1, 0]
        )
        assert.deepStrictEqual(registry.activeAt(NOW), [
          { peer: ip("1.1.1.1"), publicKey: key(1).publicKey, rewardAddress: "TIME0reward", tier: "Bronze" }
        ])
        assert.deepStrictEqual(yield* status(registry), ["active"])
        yield* TestClock.adjust("150 seconds")
        assert.deepStrictEqual(yield* status(registry), ["silent"])
        // What was, stays true.
        assert.deepStrictEqual(active(registry), [ip("1.1.1.1")])
      })
    )
  )

  it.effect("lists the active in the order of the bytes of their addresses", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const peers = ["9.1.1.1", "10.1.1.1", "2a00::1", "100.1.1.1", "1.1.1.1"]
        for (const peer of peers) {
          yield* registry.announce(ip(peer), record())
          yield* registry.heartbeat(heartbeat({ masternodeAddress: peer }), gossiper)
        }
        assert.deepStrictEqual(active(registry), ["1.1.1.1", "10.1.1.1", "100.1.1.1", "2a00::1", "9.1.1.1"].map(ip))
      })
    )
  )

  it.effect("counts a heartbeat of none but an announced masternode under the announced key", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        yield* registry.hint([record({ address: "1.1.1.2" })], gossiper)
        const verdicts = [
          yield* registry.heartbeat(heartbeat({ masternodeAddress: "1.1.1.9" }), gossiper),
          yield* registry.heartbeat(heartbeat({ masternodeAddress: "1.1.1.2" }), gossiper),
          yield* registry.heartbeat(heartbeat({ masternodeAddress: "nobody" }), gossiper),
          yield* registry.heartbeat(heartbeat({}, key(66)), gossiper)
        ]
        assert.deepStrictEqual(verdicts, ["foreign", "foreign", "foreign", "foreign"])
        assert.deepStrictEqual(active(registry), [])
        assert.deepStrictEqual(yield* status(registry), ["silent", "hinted"])
      })
    )
  )

  it.effect(
    "says of one whose own heartbeats have another key that it is unproven, and believes no other of that",
    () =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          yield* announceAll(registry, 1)
          yield* registry.heartbeat(heartbeat({}, key(66)), gossiper)
          assert.deepStrictEqual(yield* status(registry), ["silent"])
          assert.strictEqual(yield* registry.heartbeat(heartbeat({}, key(66)), ip("1.1.1.1")), "foreign")
          assert.deepStrictEqual(yield* status(registry), ["unproven"])
          yield* registry.heartbeat(heartbeat(), gossiper)
          assert.deepStrictEqual(yield* status(registry), ["active"])
          // The same of hearsay.
          yield* registry.hint([record({ address: "1.1.1.2" })], gossiper)
          yield* registry.heartbeat(heartbeat({ masternodeAddress: "1.1.1.2" }, key(66)), ip("1.1.1.2"))
          assert.deepStrictEqual(yield* status(registry), ["active", "unproven"])
        })
      )
  )

  it.effect("takes a heartbeat once, and then only later ones in number and in time, twenty seconds apart", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        const given = [
          heartbeat({ sequenceNumber: 5n }),
          heartbeat({ sequenceNumber: 5n }),
          heartbeat({ sequenceNumber: 6n, timestamp: NOW - 60n }),
          heartbeat({ sequenceNumber: 6n, timestamp: NOW + 19n }),
          heartbeat({ sequenceNumber: 5n, timestamp: NOW + 60n }),
          heartbeat({ sequenceNumber: 4n, timestamp: NOW + 60n }),
          heartbeat({ sequenceNumber: 6n, timestamp: NOW + 20n })
        ]
        assert.deepStrictEqual(yield* Effect.forEach(given, (each) => registry.heartbeat(each, gossiper)), [
          "new",
          "known",
          "known",
          "known",
          "known",
          "known",
          "new"
        ])
        assert.deepStrictEqual((yield* registry.list)[0]?.lastHeartbeat, {
          sequenceNumber: 6n,
          timestamp: NOW + 20n
        })
      })
    )
  )

  it.effect("finds invalid what the announced key did not sign", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1, 2)
        const good = heartbeat()
        for (const bad of [
          { ...good, signature: damaged(good.signature) },
          { ...good, masternodeAddress: "1.1.1.1:5" },
          { ...good, sequenceNumber: 2n },
          { ...good, timestamp: NOW + 1n },
          { ...good, masternodeAddress: "1.1.1.2", masternodePubkey: key(2).publicKey }
        ]) {
          assert.strictEqual(yield* registry.heartbeat(bad, gossiper), "invalid")
        }
        assert.strictEqual(yield* registry.heartbeat(good, gossiper), "new")
        assert.deepStrictEqual(active(registry), [ip("1.1.1.1")])
      })
    )
  )

  it.effect("ignores a heartbeat more than three minutes from now, in both directions, and blames nobody", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        const offsets = [-181n, 181n, -(2n ** 62n), 2n ** 62n, -180n, 180n]
        const verdicts = yield* Effect.forEach(offsets, (offset, n) =>
          registry.heartbeat(heartbeat({ timestamp: NOW + offset, sequenceNumber: BigInt(n) }), gossiper)
        )
        assert.deepStrictEqual(verdicts, ["known", "known", "known", "known", "new", "new"])
      })
    )
  )

  it.effect("finds a name that is far too long invalid, though its key signed it", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const name = "1".repeat(Limits.PEER_TEXT + 1)
        assert.strictEqual(yield* registry.heartbeat(heartbeat({ masternodeAddress: name }), gossiper), "invalid")
        assert.strictEqual(yield* registry.attestation(attestation({ witnessAddress: name })), "invalid")
      })
    )
  )

  it.effect("adds up the time that heartbeats cover, gaps left out, and keeps the last of them", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* announceAll(registry, 1)
        for (let count = 1; count <= 100; count++) {
          // After the 50th it is silent for ten minutes.
          const timestamp = NOW + 60n * BigInt(count - 1) + (count > 50 ? 600n : 0n)
          yield* TestClock.setTime(Number(timestamp) * 1_000)
          yield* registry.heartbeat(heartbeat({ sequenceNumber: BigInt(count), timestamp }), gossiper)
        }
        const [entry] = yield* registry.list
        assert.strictEqual(entry?.uptime, 98n * 60n)
        assert.strictEqual(entry?.activeSince, NOW + 60n * 50n + 600n)
        const kept = yield* registry.heartbeats
        assert.strictEqual(kept.length, Limits.HEARTBEATS_KEPT)
        assert.deepStrictEqual([kept[0]?.sequence, kept.at(-1)?.sequence], [100n, 37n])
      })
    )
  )

  // --- attestations ---

  it.effect("counts an attestation of a counted heartbeat by another active masternode, once", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* proveAll(registry, [1, 3, 4])
        yield* announceAll(registry, 5)
        const other = heartbeatId(heartbeat({ sequenceNumber: 9n }))
        const cases = [
          ["new", byWitness(3)],
          ["known", byWitness(3, { witnessTimestamp: NOW + 1n })],
          ["invalid", { ...byWitness(4), signature: damaged(byWitness(4).signature) }],
          ["invalid", { ...byWitness(4), witnessTimestamp: NOW + 1n }],
          // Not of that name, not active, unknown, the masternode itself.
          ["foreign", { ...byWitness(4), witnessAddress: "1.1.1.3" }],
          ["foreign", byWitness(5)],
          ["foreign", byWitness(6)],
          ["foreign", byWitness(1)],
          ["foreign", byWitness(4, { heartbeatHash: other })],
          ["known", byWitness(4, { witnessTimestamp: NOW - 181n })],
          ["known", byWitness(4, { witnessTimestamp: NOW + 181n })],
          ["new", byWitness(4)]
        ] as const
        for (const [index, [verdict, given]] of cases.entries()) {
          assert.strictEqual(yield* registry.attestation(given), verdict, `case ${index}`)
        }
        const [first] = yield* registry.heartbeats
        assert.deepStrictEqual(first?.witnesses, [ip("1.1.1.3"), ip("1.1.1.4")])
      })
    )
  )

  it.effect("finds a heartbeat verified by three, counts that once, and wants no more than eight", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: 12 }, (_, n) => n + 1)
        yield* proveAll(registry, numbers)
        const verified = Effect.map(registry.list, ([entry]) => entry?.verifiedHeartbeats)
        const verdicts: Array<string> = []
        const counts: Array<number | undefined> = []
        for (const n of numbers.slice(1)) {
          verdicts.push(yield* registry.attestation(byWitness(n)))
          counts.push(yield* verified)
        }
        assert.deepStrictEqual(counts.slice(0, 4), [0, 0, 1, 1])
        assert.strictEqual(counts.at(-1), 1)
        assert.strictEqual(verdicts.filter((verdict) => verdict === "new").length, Limits.WITNESSES_PER_HEARTBEAT)
      })
    )
  )

  it.effect("lets no forged twin stand for a heartbeat", () =>
    withRegistry((registry) =>
      Effect.gen(function* () {
        yield* proveAll(registry, [3])
        yield* announceAll(registry, 1)
        assert.strictEqual(yield* registry.heartbeat(heartbeat({}, key(66)), gossiper), "foreign")
        assert.strictEqual(yield* registry.attestation(byWitness(3)), "foreign")
        yield* registry.heartbeat(heartbeat(), gossiper)
        assert.strictEqual(yield* registry.heartbeat(heartbeat({}, key(66)), gossiper), "foreign")
        assert.strictEqual(yield* registry.attestation(byWitness(3)), "new")
      })
    )
  )

  // --- whatever comes ---

  const Step = Schema.Struct({
    what: Schema.Literals(["hint", "announce", "forge", "steal", "replay", "attest", "wait"]),
    number: Schema.Literals([1, 2, 3, 4]),
    byte: Schema.Literals([1, 2, 3, 66])
  })
  it.effect.prop(
    "no order of forged heartbeats, foreign announcements and hints makes an unproven one active or an active one inactive",
    [Schema.Array(Step)],
    ([steps]) =>
      withRegistry((registry) =>
        Effect.gen(function* () {
          // 1 and 2 are proven, 3 has announced itself alone, 4 is hearsay.
          yield* proveAll(registry, [1, 2])
          yield* announceAll(registry, 3)
          let seconds = 0
          for (const { byte, number, what } of steps) {
            const peer = ip(`1.1.1.${number}`)
            const said = { masternodeAddress: peer, sequenceNumber: 2n ** 50n, timestamp: NOW + BigInt(seconds) + 60n }
            // Whose key it is has the right to speak.
            const isOwner = byte === number
            switch (what) {
              case "hint":
                yield* registry.hint([record({ address: peer, publicKey: key(byte).publicKey })], gossiper)
                break
              case "announce":
                // 3 and 4 may announce what they like: who only announces is never active.
                yield* registry.announce(peer, record({ publicKey: key(byte).publicKey, rewardAddress: "TIME0thief" }))
                break
              case "forge":
                yield* registry.heartbeat({ ...heartbeat(said, key(77)), masternodePubkey: key(byte).publicKey }, peer)
                break
              case "steal":
                if (!isOwner && number < 3) yield* registry.heartbeat(heartbeat(said, key(byte)), gossiper)
                break
              case "replay":
                yield* registry.heartbeat(heartbeat({ masternodeAddress: peer }, key(number)), gossiper)
                break
              case "attest":
                yield* registry.attestation(byWitness(byte, { witnessAddress: peer }))
                break
              case "wait":
                if (seconds < 150) yield* TestClock.adjust("1 seconds")
                seconds = Math.min(150, seconds + 1)
                break
            }
          }
          const expected = new Set([ip("1.1.1.1"), ip("1.1.1.2")])
          // Its own heartbeat, replayed, proves 3 if it is still announced under its key.
          const activePeers = active(registry, NOW + BigInt(seconds))
          for (const peer of expected) assert.include(activePeers, peer)
          const replayed = new Set(
            steps.filter(({ what }) => what === "replay").map(({ number }) => ip(`1.1.1.${number}`))
          )
          for (const peer of activePeers) assert.isTrue(expected.has(peer) || replayed.has(peer), peer)
          for (const { peer, rewardAddress } of registry.activeAt(NOW + BigInt(seconds))) {
            if (expected.has(peer)) assert.strictEqual(rewardAddress, "TIME0reward")
          }
        })
      ),
    { arbitrary: { runs: 60, seed: 1 } }
  )

  it.effect.prop(
    "nodes that hold the same heartbeats see the same masternodes active, whatever else each has heard",
    [Schema.Array(Schema.Struct({ number: Schema.Literals([1, 2, 3]), gap: Schema.Literals([20, 60, 200]) }))],
    ([said]) => {
      const last = new Map<number, { at: bigint; count: bigint }>()
      const beats = said.map(({ gap, number }) => {
        const before = last.get(number) ?? { at: NOW - 100n, count: 0n }
        const next = { at: before.at + BigInt(gap), count: before.count + 1n }
        last.set(number, next)
        return heartbeat(
          { masternodeAddress: `1.1.1.${number}`, sequenceNumber: next.count, timestamp: next.at },
          key(number)
        )
      })
      // Each masternode's in order, those of different ones in any.
      const orders = [beats, beats.toSorted((a, b) => (a.masternodeAddress < b.masternodeAddress ? -1 : 1))]
      const times = Array.from({ length: 20 }, (_, n) => NOW + BigInt(n * 40))
      const views = Effect.forEach(orders, (order, index) =>
        withRegistry((registry) =>
          Effect.gen(function* () {
            yield* announceAll(registry, 1, 2, 3)
            for (const each of order) {
              yield* TestClock.setTime(Number(each.timestamp) * 1_000)
              if (index === 1) yield* registry.heartbeat(each, gossiper)
              yield* registry.heartbeat(each, gossiper)
            }
            return times.map((time) => active(registry, time))
          })
        )
      )
      return Effect.map(views, ([one, other]) => assert.deepStrictEqual(one, other))
    },
    { arbitrary: { runs: 30, seed: 2 } }
  )
}
