import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { heartbeatId, signAttestation, signHeartbeat } from "../../../src/protocol/Heartbeat.ts"
import type { MasternodeRecord } from "../../../src/protocol/Masternode.ts"
import type { Message } from "../../../src/protocol/Message.ts"
import { type PeerId, peerId } from "../../../src/protocol/PeerId.ts"
import { AddressBook } from "../../../src/services/AddressBook.ts"
import { type HeartbeatVerdict, MasternodeRegistry } from "../../../src/services/MasternodeRegistry.ts"
import { keyOf as key, knownMasternode } from "../../fixtures/Masternodes.ts"
import { connection, onlyAnswer, peer } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const record: MasternodeRecord = {
  address: "9.9.9.9:1",
  rewardAddress: "TIME0x",
  tier: "Gold",
  publicKey: key(1).publicKey
}
const known = (at: PeerId) => knownMasternode(at, { ...record, address: at })

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

describe("where to dial a masternode", () => {
  it.effect("is learned when it is new: its own address, and the port only if it named that address", () => {
    const learned: Array<readonly [ReadonlyArray<string>, PeerId]> = []
    const book = AddressBook.layerTest({
      learn: (addresses, from) =>
        Effect.sync(() => {
          learned.push([addresses, from])
          return 1
        })
    })
    const said = new Set<PeerId>()
    const masternodes = MasternodeRegistry.layerTest({
      announce: (from) => Effect.sync(() => (said.size === said.add(from).size ? "refreshed" : "new"))
    })
    return Effect.gen(function* () {
      const announce = (from: number, address: string) =>
        handle(
          [{ _tag: "MasternodeAnnouncement", ...record, address }],
          connection({ direction: "outbound", peer: peer(from) })
        )
      yield* announce(1, `${peer(1)}:555`)
      yield* announce(1, `${peer(1)}:556`)
      yield* announce(2, "9.9.9.9:555")
      assert.deepStrictEqual(learned, [
        [[`${peer(1)}:555`], peer(1)],
        [[`${peer(2)}:24100`], peer(2)]
      ])
    }).pipe(Effect.provide(handling(deeds(), Layer.merge(masternodes, book))))
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
  const judging = (verdict: HeartbeatVerdict) =>
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

  for (const verdict of ["known", "foreign"] as const) {
    it.effect(`${verdict} ones go nowhere`, () => {
      const seen = deeds()
      return Effect.gen(function* () {
        yield* handle([heartbeat(), attestation()])
        assert.deepStrictEqual(seen, deeds())
      }).pipe(Effect.provide(handling(seen, judging(verdict))))
    })
  }

  it.effect("a new heartbeat is attested to all, its sender included, where that is called for", () => {
    const seen = deeds()
    const masternodes = MasternodeRegistry.layerTest({
      witness: ({ masternodeAddress }) =>
        Effect.succeed(
          masternodeAddress === "9.9.9.9"
            ? signAttestation(
                { heartbeatHash: heartbeatId(subject), witnessAddress: "8.8.8.8", witnessTimestamp: 6n },
                key(1)
              )
            : null
        )
    })
    return Effect.gen(function* () {
      const other: Message = {
        _tag: "HeartbeatBroadcast",
        heartbeat: signHeartbeat({ ...subject, masternodeAddress: "9.9.9.8" }, key(1))
      }
      yield* handle([heartbeat(), other, attestation()])
      assert.deepStrictEqual(seen.relayed, [
        [heartbeat(), peer(1)],
        [attestation(), undefined],
        [other, peer(1)]
      ])
    }).pipe(Effect.provide(handling(seen, masternodes)))
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
