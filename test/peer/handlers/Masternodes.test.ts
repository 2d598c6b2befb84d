import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { type Seed, SigningKey } from "../../../src/protocol/Ed25519.ts"
import { heartbeatId, signAttestation, signHeartbeat } from "../../../src/protocol/Heartbeat.ts"
import type { MasternodeRecord } from "../../../src/protocol/Masternode.ts"
import type { Message } from "../../../src/protocol/Message.ts"
import { type PeerId, peerId } from "../../../src/protocol/PeerId.ts"
import { type KnownMasternode, MasternodeRegistry } from "../../../src/services/MasternodeRegistry.ts"
import { connection, onlyAnswer, peer } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const key = (byte: number) => new SigningKey(new Uint8Array(32).fill(byte) as Seed)
const record: MasternodeRecord = {
  address: "9.9.9.9:1",
  rewardAddress: "TIME0x",
  tier: "Gold",
  publicKey: key(1).publicKey
}
const known = (at: PeerId): KnownMasternode => ({
  ...record,
  address: at,
  peer: at,
  source: "announced",
  firstSeen: 0,
  lastSeen: 0
})

describe("masternodes, told", () => {
  const list = [known(peer(3)), known(peerId("2001:db8::1")!), known(peer(2))]

  it.effect("in order of first sight; IPv6 ones only to those who understand them", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetMasternodes" }], connection({ agent: "timenode" }))
      assert.deepStrictEqual(
        onlyAnswer(seen.sent.splice(0), "MasternodesResponse").masternodes,
        list.map(({ address, publicKey, rewardAddress, tier }) => ({ address, rewardAddress, tier, publicKey }))
      )
      yield* handle([{ _tag: "GetMasternodes" }], connection({ agent: "timed" }))
      assert.deepStrictEqual(
        onlyAnswer(seen.sent, "MasternodesResponse").masternodes.map(({ address }) => address),
        [peer(3), peer(2)]
      )
    }).pipe(Effect.provide(handling(seen, MasternodeRegistry.layerTest({ list: Effect.succeed(list) }))))
  })
})

describe("announcements", () => {
  it.effect("count for the connection's IP, and only after the first five seconds of a link that the peer made", () => {
    const announced: Array<readonly [PeerId, MasternodeRecord]> = []
    const masternodes = MasternodeRegistry.layerTest({
      announce: (from, what) =>
        Effect.sync(() => {
          announced.push([from, what])
          return "new" as const
        })
    })
    const seen = deeds()
    return Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const announcement: Message = { _tag: "MasternodeAnnouncement", ...record }
      const inbound = (age: number) => connection({ connectedAt: 1_000_000 - age })
      yield* handle([announcement], inbound(0))
      yield* handle([announcement], inbound(4_999))
      assert.deepStrictEqual(announced, [])
      yield* handle([announcement], inbound(5_000))
      yield* handle([announcement], connection({ connectedAt: 1_000_000, direction: "outbound", peer: peer(2) }))
      assert.deepStrictEqual(announced, [
        [peer(1), record],
        [peer(2), record]
      ])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen, masternodes)))
  })
})

describe("heartbeats and attestations", () => {
  const subject = { masternodeAddress: "9.9.9.9", sequenceNumber: 1n, timestamp: 5n }
  const heartbeat = (byte = 1): Message => ({
    _tag: "HeartbeatBroadcast",
    heartbeat: signHeartbeat(subject, key(byte))
  })
  const attestation = (byte = 1): Message => ({
    _tag: "HeartbeatAttestation",
    attestation: signAttestation(
      { heartbeatHash: heartbeatId(subject), witnessAddress: "8.8.8.8", witnessTimestamp: 6n },
      key(byte)
    )
  })
  const judging = (verdict: "new" | "known" | "invalid") =>
    MasternodeRegistry.layerTest({
      heartbeat: () => Effect.succeed(verdict),
      attestation: () => Effect.succeed(verdict)
    })

  it.effect("new ones are passed on once, and not back", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([heartbeat(), attestation(), heartbeat(), attestation()])
      yield* handle([heartbeat(), attestation()], connection({ direction: "outbound", peer: peer(2) }))
      assert.deepStrictEqual(seen.relayed, [
        [heartbeat(), peer(1)],
        [attestation(), peer(1)]
      ])
    }).pipe(Effect.provide(handling(seen, judging("new"))))
  })

  it.effect("another key's heartbeat of the same name does not stand in the way of the real one", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([heartbeat(66)])
      yield* handle([heartbeat(1)], connection({ peer: peer(2) }))
      assert.deepStrictEqual(seen.relayed, [
        [heartbeat(66), peer(1)],
        [heartbeat(1), peer(2)]
      ])
    }).pipe(Effect.provide(handling(seen, judging("new"))))
  })

  it.effect("known ones go nowhere", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([heartbeat(), attestation()])
      assert.deepStrictEqual(seen, deeds())
    }).pipe(Effect.provide(handling(seen, judging("known"))))
  })

  it.effect("invalid ones are offences", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([heartbeat(), attestation()])
      assert.deepStrictEqual(seen.relayed, [])
      assert.deepStrictEqual(seen.offences, [
        [peer(1), "invalidHeartbeat"],
        [peer(1), "invalidHeartbeat"]
      ])
      assert.deepStrictEqual(seen.disconnects, [[peer(1), "banned"]])
    }).pipe(Effect.provide(handling(seen, judging("invalid"), { banAt: 2 })))
  })
})
