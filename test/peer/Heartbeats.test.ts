/**
 * Masternodes on one network in memory, on a virtual clock: real sessions, gossip, dialler, registry and heartbeats.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { MemoryHub } from "../../src/layers/registry/MemoryHub.ts"
import * as MemoryMasternodeRegistry from "../../src/layers/MemoryMasternodeRegistry.ts"
import * as MemoryPeerRegistry from "../../src/layers/MemoryPeerRegistry.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import * as Heartbeats from "../../src/peer/Heartbeats.ts"
import * as Listener from "../../src/peer/Listener.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { type SignedHeartbeat, verifyHeartbeat } from "../../src/protocol/Heartbeat.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { testnet } from "../../src/protocol/Network.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { MasternodeRegistry } from "../../src/services/MasternodeRegistry.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { keyOf } from "../fixtures/Masternodes.ts"
import { peer } from "./Fixture.ts"
import { settle, wait } from "./Session.ts"

const NOW = 1_765_000_000

interface Options {
  readonly dials?: ReadonlyArray<number>
  readonly isMasternode?: boolean
  readonly offences?: Array<Offence>
}

/** A node at that address of the network that `hub` is, which goes with the scope. */
const startNode = Effect.fnUntraced(function* (number: number, options: Options = {}) {
  const { dials = [], isMasternode = true } = options
  const hub = yield* MemoryHub
  const about = Layer.mergeAll(
    NodeConfig.layerTest({
      externalAddress: peer(number),
      peers: dials.map((to) => ({ peer: peer(to), port: testnet.p2pPort })),
      masternode: { enabled: isMasternode, tier: "Free", rewardAddress: `TIME0reward${number}` }
    }),
    NodeIdentity.layerTest({
      nodeId: String(number).padStart(32, "0"),
      externalAddress: peer(number),
      key: isMasternode ? keyOf(number) : null
    })
  )
  const services = Layer.mergeAll(
    MockNode.layer,
    about,
    PeerGuard.layerTest({
      report: (_peer, offence) =>
        Effect.sync(() => {
          options.offences?.push(offence)
          return "tolerated"
        })
    }),
    MemoryMasternodeRegistry.layer.pipe(Layer.provide(about)),
    Blockchain.layerTest({
      genesisHash: genesis(testnet).hash,
      hashAt: (at) => (at === 0n ? genesis(testnet).hash : undefined)
    }),
    Layer.succeed(MemoryHub, hub)
  )
  const layer = Layer.mergeAll(Listener.layer, Dialer.layer, Heartbeats.layer).pipe(
    Layer.provide(PeerHandler.layer),
    Layer.provideMerge(GossipRelay.layer),
    Layer.provideMerge(MemoryPeerRegistry.layerOnHub.pipe(Layer.provide(services))),
    Layer.provideMerge(services)
  )
  const memo = yield* Layer.makeMemoMap
  return Context.get(yield* Layer.buildWithMemoMap(layer, memo, yield* Effect.scope), MasternodeRegistry)
})

const onOneNetwork = <A, E>(program: Effect.Effect<A, E, MemoryHub | Scope.Scope>) =>
  Effect.andThen(TestClock.setTime(NOW * 1_000), program).pipe(Effect.provide(MemoryHub.layer, { local: true }))

const activeIn = (registry: MasternodeRegistry["Service"], at: number): ReadonlyArray<PeerId> =>
  registry.activeAt(BigInt(at)).map(({ peer }) => peer)

describe("heartbeats", () => {
  it.effect("four masternodes that are linked see the same ones active within two minutes, and go on to", () =>
    onOneNetwork(
      Effect.gen(function* () {
        const offences: Array<Offence> = []
        const registries = [
          yield* startNode(1, { offences }),
          yield* startNode(2, { dials: [1], offences }),
          yield* startNode(3, { dials: [1, 2], offences }),
          yield* startNode(4, { dials: [1, 2, 3], offences })
        ]
        const all = [1, 2, 3, 4].map(peer)
        for (let second = 0; second < 120; second += 10) yield* wait("10 seconds")
        for (const registry of registries) assert.deepStrictEqual(activeIn(registry, NOW + 120), all)
        for (let second = 0; second < 240; second += 30) yield* wait("30 seconds")
        for (let at = NOW + 120; at <= NOW + 360; at += 10) {
          for (const registry of registries) assert.deepStrictEqual(activeIn(registry, at), all)
        }
        for (const registry of registries) {
          const rewards = registry.activeAt(BigInt(NOW + 350)).map(({ rewardAddress }) => rewardAddress)
          assert.deepStrictEqual(rewards, ["TIME0reward1", "TIME0reward2", "TIME0reward3", "TIME0reward4"])
          // All others have attested, and one's own word counts as theirs does.
          const settled = (yield* registry.heartbeats).filter(({ timestamp }) => timestamp >= NOW + 120)
          assert.isAtLeast(settled.length, 16)
          for (const { witnesses } of settled) assert.strictEqual(witnesses.length, 3)
        }
        assert.deepStrictEqual(offences, [])
      })
    )
  )

  it.effect("reach a masternode that has no link to their sender, if it has met it before", () =>
    onOneNetwork(
      Effect.gen(function* () {
        const one = yield* startNode(1)
        yield* startNode(2, { dials: [1], isMasternode: false })
        const three = yield* startNode(3, { dials: [2] })
        const record = { address: "", rewardAddress: "", tier: "Free" as const, publicKey: keyOf(3).publicKey }
        yield* one.announce(peer(3), record)
        for (let second = 0; second < 120; second += 10) yield* wait("10 seconds")
        assert.deepStrictEqual(activeIn(one, NOW + 120), [peer(1), peer(3)])
        assert.deepStrictEqual(activeIn(three, NOW + 120), [peer(3)])
      })
    )
  )

  it.effect("cease to hold active, three minutes after the last, a masternode that has died", () =>
    onOneNetwork(
      Effect.gen(function* () {
        const one = yield* startNode(1)
        const life = yield* Scope.make()
        yield* Scope.provide(startNode(2, { dials: [1] }), life)
        for (let second = 0; second < 120; second += 10) yield* wait("10 seconds")
        assert.deepStrictEqual(activeIn(one, NOW + 120), [peer(1), peer(2)])
        yield* Scope.close(life, Exit.void)
        for (let second = 0; second < 240; second += 10) yield* wait("10 seconds")
        assert.deepStrictEqual(activeIn(one, NOW + 299), [peer(1), peer(2)])
        assert.deepStrictEqual(activeIn(one, NOW + 300), [peer(1)])
      })
    )
  )

  const beats = Effect.fnUntraced(function* (minutes: number, own: boolean) {
    const said: Array<SignedHeartbeat> = []
    const beating = Heartbeats.layer.pipe(
      Layer.provide([
        MemoryMasternodeRegistry.layer.pipe(
          Layer.provide([
            NodeConfig.layerTest({ masternode: { enabled: own, tier: "Free", rewardAddress: "" } }),
            NodeIdentity.layerTest({ externalAddress: peer(1), key: keyOf(1) })
          ])
        ),
        Gossip.layerTest({
          relay: (_content, message: Message, from) =>
            Effect.sync(() => {
              assert.isNull(from)
              if (message._tag === "HeartbeatBroadcast") said.push(message.heartbeat)
              return "relayed"
            })
        })
      ])
    )
    yield* Layer.build(beating)
    yield* settle
    for (let minute = 0; minute < minutes; minute++) yield* wait("60 seconds")
    return said
  })

  it.effect("are one at once and one a minute, each signed and numbered anew", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW * 1_000)
      const said = yield* beats(5, true)
      assert.deepStrictEqual(
        said.map(({ timestamp }) => Number(timestamp) - NOW),
        [0, 60, 120, 180, 240, 300]
      )
      for (const [index, heartbeat] of said.entries()) {
        assert.isTrue(verifyHeartbeat(heartbeat))
        if (index > 0) assert.isTrue(heartbeat.sequenceNumber > said[index - 1]!.sequenceNumber)
      }
    })
  )

  it.effect("are none of a node that is no masternode", () =>
    Effect.map(beats(2, false), (said) => assert.deepStrictEqual(said, []))
  )
})
