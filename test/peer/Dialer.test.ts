import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Driver } from "../../src/layers/MemoryPeerRegistry.ts"
import type { RemotePeer } from "../../src/layers/registry/RemotePeer.ts"
import * as Dialer from "../../src/peer/Dialer.ts"
import { PeerHandler } from "../../src/peer/PeerHandler.ts"
import { sha256 } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { testnet } from "../../src/protocol/Network.ts"
import type { PeerAddress, PeerId } from "../../src/protocol/PeerId.ts"
import { AddressBook, type KnownAddress } from "../../src/services/AddressBook.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"
import { AlreadyConnected, PeerConnections, RegistrationError } from "../../src/services/PeerConnections.ts"
import { type PeerInfo, PeerRegistry } from "../../src/services/PeerRegistry.ts"
import { DialError, PeerNetwork, type PeerTransport } from "../../src/services/PeerTransport.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { peerInfo } from "./Fixture.ts"
import { ack, handshake, node, settle, version, wait } from "./Session.ts"

/** A peer of its own network group for every number up to 255. */
const peer = (number: number): PeerId => `${number}.113.0.1` as PeerId
const address = (number: number): PeerAddress => ({ peer: peer(number), port: testnet.p2pPort })
/** An address that was reached before. */
const known = (number: number): KnownAddress => ({
  ...address(number),
  source: "gossip",
  lastConnected: 0,
  failures: 0
})
/** One that somebody named. */
const hearsay = (number: number): KnownAddress => ({ ...known(number), lastConnected: null })

/** Who was dialled, when, in milliseconds. */
type Dials = Array<readonly [PeerId, number]>

/** What the address book was told. */
interface Told {
  readonly connected: Array<PeerId>
  readonly failed: Array<PeerId>
  readonly forgotten: Array<PeerId>
}

const book = (
  told: Told,
  candidates: ReadonlyArray<KnownAddress> = [],
  overrides: Partial<AddressBook["Service"]> = {}
) =>
  AddressBook.layerTest({
    candidates: Effect.sync(() => candidates.filter(({ peer }) => !told.forgotten.includes(peer))),
    recordConnected: ({ peer }) => Effect.sync(() => void told.connected.push(peer)),
    recordFailure: (peer) => Effect.sync(() => void told.failed.push(peer)),
    forget: (peer) => Effect.sync(() => void told.forgotten.push(peer)),
    ...overrides
  })

const told = (): Told => ({ connected: [], failed: [], forgotten: [] })

const refused = ({ peer, port }: PeerAddress) => new DialError({ peer, port, reason: "refused", detail: "" })

const transport = (remote: PeerAddress): PeerTransport => ({
  remote,
  direction: "outbound",
  open: () => {},
  write: () => {},
  outboundBytes: () => 0,
  unfinishedBytes: () => 0,
  pause: () => {},
  resume: () => {},
  close: () => {}
})

/** Runs the dialler over a network that does what `dial` says, until `run` is done. */
const dialling = <A, E>(
  options: {
    readonly config: Partial<NodeConfigValues>
    readonly dials: Dials
    readonly dial?: (address: PeerAddress) => Effect.Effect<PeerTransport, DialError>
    readonly layers?: Layer.Layer<any>
  },
  run: Effect.Effect<A, E>
) => {
  const dial = options.dial ?? ((to: PeerAddress) => Effect.fail(refused(to)))
  const services = Layer.mergeAll(
    MockNode.layer,
    NodeConfig.layerTest(options.config),
    Layer.succeed(PeerNetwork, {
      listening: null,
      accept: Effect.never,
      dial: (to) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          options.dials.push([to.peer, now])
          return dial(to)
        })
    }),
    (options.layers ?? Layer.empty) as Layer.Layer<never>
  )
  const layer = Dialer.layer.pipe(Layer.provide(PeerHandler.layer), Layer.provide(services))
  return Effect.andThen(settle, run).pipe(Effect.provide(layer, { local: true }))
}

const isAround = (actual: number, expected: number): boolean => actual >= 0.8 * expected && actual <= 1.2 * expected

const pauses = (dials: Dials, of: PeerId): ReadonlyArray<number> => {
  const times = dials.filter(([peer]) => peer === of).map(([, time]) => time)
  return times.slice(1).map((time, index) => time - times[index]!)
}

describe("configured peers", () => {
  it.effect("are dialled for ever, ever less often", () => {
    const dials: Dials = []
    const seen = told()
    return dialling(
      { config: { peers: [address(1), address(2)] }, dials, layers: book(seen) },
      Effect.gen(function* () {
        yield* TestClock.adjust("2 hours")
        const expected = [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300]
        for (const to of [peer(1), peer(2)]) {
          const waited = pauses(dials, to).slice(0, expected.length)
          assert.isTrue(
            waited.length === expected.length && waited.every((wait, n) => isAround(wait, expected[n]! * 1_000)),
            String(waited)
          )
        }
        assert.strictEqual(seen.failed.length, dials.length)
        // Both failed at the same moment, and do not come back at the same one.
        assert.notDeepEqual(pauses(dials, peer(1)), pauses(dials, peer(2)))
      })
    )
  })

  it.effect("named twice are dialled once", () => {
    const dials: Dials = []
    return dialling(
      { config: { peers: [address(1), address(1)] }, dials, dial: () => Effect.never },
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(dials, [[peer(1), 0]])
      })
    )
  })

  it.effect("whose connection is refused because there is one are not counted as failing", () => {
    const seen = told()
    const taken = PeerConnections.layerTest({
      register: ({ remote }) =>
        Effect.fail(new RegistrationError({ reason: new AlreadyConnected({ peer: remote.peer }) }))
    })
    const dials: Dials = []
    return dialling(
      {
        config: { peers: [address(1)] },
        dials,
        dial: (to) => Effect.succeed(transport(to)),
        layers: Layer.merge(book(seen), taken)
      },
      Effect.gen(function* () {
        yield* TestClock.adjust("60 seconds")
        assert.isAbove(dials.length, 2)
        assert.deepStrictEqual(seen, told())
      })
    )
  })
})

describe("peers from the address book", () => {
  const discovering = (maxPeers: number): Partial<NodeConfigValues> => ({ discovery: true, maxPeers })

  it.effect("are dialled, the most promising first, while there are slots", () => {
    const dials: Dials = []
    return dialling(
      {
        config: discovering(3),
        dials,
        dial: () => Effect.never,
        layers: book(told(), [known(5), known(3), known(4), known(1), known(2)])
      },
      Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          [peer(5), peer(3), peer(4)]
        )
      })
    )
  })

  it.effect("leave the slots that configured peers take", () => {
    const dials: Dials = []
    return dialling(
      {
        config: { ...discovering(2), peers: [address(9)] },
        dials,
        dial: () => Effect.never,
        layers: book(told(), [known(9), known(1), known(2)])
      },
      Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          [peer(9), peer(1)]
        )
      })
    )
  })

  it.effect("that are being dialled or connected do not stand in the way of others", () => {
    const dials: Dials = []
    const connected: ReadonlyArray<PeerInfo> = [peerInfo({ peer: peer(1) }), peerInfo({ peer: peer(2) })]
    const registry = PeerRegistry.layerTest({ peers: connected })
    const free = new Set([peer(5)])
    return dialling(
      {
        config: discovering(3),
        dials,
        dial: (to) => (free.has(to.peer) ? Effect.fail(refused(to)) : Effect.never),
        layers: Layer.merge(
          book(
            told(),
            [1, 2, 3, 4, 5, 6].map((number) => known(number))
          ),
          registry
        )
      },
      Effect.gen(function* () {
        // Slots: 3 and 4 hang, 5 fails at once and makes room, which the book, for as long as it likes, gives to 5.
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          [peer(3), peer(4), peer(5)]
        )
        free.delete(peer(5))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(dials.slice(3), [[peer(5), 10_000]])
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(dials.length, 4)
      })
    )
  })

  it.effect("make room for others when they fail, every ten seconds", () => {
    const dials: Dials = []
    const seen = told()
    const layers = AddressBook.layerTest({
      candidates: Effect.sync(() => [1, 2, 3, 4, 5].map(known).filter(({ peer }) => !seen.failed.includes(peer))),
      recordFailure: (failed) => Effect.sync(() => void seen.failed.push(failed))
    })
    return dialling(
      { config: discovering(2), dials, layers },
      Effect.gen(function* () {
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(dials, [
          [peer(1), 0],
          [peer(2), 0],
          [peer(3), 10_000],
          [peer(4), 10_000],
          [peer(5), 20_000]
        ])
      })
    )
  })

  it.effect("are two of a network group, and no feeler goes to a third while there are slots", () => {
    const dials: Dials = []
    const neighbours = [1, 2, 3].map((host) => ({ ...hearsay(1), peer: `1.113.0.${host}` as PeerId }))
    return dialling(
      { config: discovering(5), dials, dial: () => Effect.never, layers: book(told(), neighbours) },
      Effect.gen(function* () {
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          neighbours.slice(0, 2).map(({ peer }) => peer)
        )
      })
    )
  })

  it.effect("are dialled first when the previous run was connected with them", () => {
    const dials: Dials = []
    return dialling(
      {
        config: { ...discovering(3), peers: [address(9)] },
        dials,
        dial: () => Effect.never,
        layers: book(told(), [known(1), known(2)], { anchors: Effect.succeed([address(7), address(9)]) })
      },
      Effect.sync(() =>
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          [peer(9), peer(7), peer(1)]
        )
      )
    )
  })

  it.effect("become the anchors of the next run, those first that have been connected for longest", () => {
    const recorded: Array<ReadonlyArray<PeerAddress>> = []
    const connected = [
      ...[5, 3, 1, 2, 4, 6].map((number) =>
        peerInfo({ peer: peer(number), direction: "outbound", connectedAt: number, port: 7 })
      ),
      peerInfo({ peer: peer(9), direction: "inbound", connectedAt: 0 })
    ]
    const layers = book(told(), [], { recordAnchors: (addresses) => Effect.sync(() => void recorded.push(addresses)) })
    return dialling(
      {
        config: discovering(9),
        dials: [],
        layers: Layer.merge(layers, PeerRegistry.layerTest({ peers: connected }))
      },
      Effect.sync(() =>
        assert.deepStrictEqual(recorded, [[1, 2, 3, 4].map((number) => ({ peer: peer(number), port: 7 }))])
      )
    )
  })

  it.effect("are not even looked up when discovery is off", () => {
    let asked = 0
    const dials: Dials = []
    const looked = Effect.sync(() => {
      asked++
      return [known(1)]
    })
    return dialling(
      {
        config: { discovery: false },
        dials,
        layers: book(told(), [], { candidates: looked, anchors: looked })
      },
      Effect.gen(function* () {
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual([dials, asked], [[], 0])
      })
    )
  })
})

describe("sessions", () => {
  /** A node with a dialler, and the peers that listen for it. */
  const calling = (config: Partial<NodeConfigValues>, dials: Dials, layers: Layer.Layer<any>) => {
    const services = node(
      Layer.mergeAll(NodeConfig.layerTest({ externalAddress: peer(200), ...config }), layers as Layer.Layer<never>)
    )
    return Layer.effect(
      PeerNetwork,
      Effect.map(PeerNetwork, (network) => ({
        ...network,
        dial: (to) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            dials.push([to.peer, now])
            return network.dial(to)
          })
      }))
    ).pipe(Layer.provideMerge(services))
  }

  /** Listens as a peer that does as `behave` says with every connection. */
  const listen = Effect.fnUntraced(function* (
    number: number,
    behave: (remote: RemotePeer, time: number) => Effect.Effect<void>
  ) {
    const listener = yield* Effect.flatMap(Driver, (driver) => driver.listen(address(number)))
    let times = 0
    yield* listener.accept.pipe(
      Effect.flatMap((remote) => Effect.forkScoped(behave(remote, ++times))),
      Effect.forever,
      Effect.forkScoped
    )
  })

  /** Shakes hands and answers pings until the connection ends. */
  const live = (remote: RemotePeer): Effect.Effect<void> =>
    Effect.andThen(remote.send(ack), answerPings(remote)).pipe(Effect.ignore)
  const answerPings = (remote: RemotePeer) =>
    remote.expect("Ping").pipe(
      Effect.flatMap(({ nonce }) => remote.send({ _tag: "Pong", nonce, timestamp: 0n })),
      Effect.forever
    )

  const start = Effect.andThen(Layer.build(Dialer.layer), settle)

  it.effect("that lasted are followed by another call after five seconds, and the back-off begins anew", () => {
    const dials: Dials = []
    const seen = told()
    return Effect.gen(function* () {
      yield* listen(1, (remote, time) =>
        time === 4
          ? Effect.raceFirst(live(remote), Effect.delay(remote.close, "61 seconds"))
          : time < 4
            ? remote.close
            : live(remote)
      )
      yield* start
      yield* wait("120 seconds")
      const waited = pauses(dials, peer(1))
      const expected = [5, 10, 20, 66]
      assert.isTrue(
        waited.length === 4 && waited.every((wait, n) => isAround(wait, expected[n]! * 1_000)),
        String(waited)
      )
      assert.strictEqual(waited[3], 66_000)
      assert.deepStrictEqual(seen.failed.length, 3)
    }).pipe(Effect.provide(calling({ peers: [address(1)] }, dials, book(seen))))
  })

  it.effect("that ended at once are failures, even after a handshake", () => {
    const dials: Dials = []
    const seen = told()
    return Effect.gen(function* () {
      yield* listen(1, (remote) => Effect.andThen(remote.send(ack), Effect.delay(remote.close, "1 second")))
      yield* start
      yield* wait("100 seconds")
      const waited = pauses(dials, peer(1)).slice(0, 4)
      const expected = [5, 10, 20, 40]
      assert.isTrue(
        waited.every((wait, n) => isAround(wait - 1_000, expected[n]! * 1_000)),
        String(waited)
      )
      assert.isAbove(seen.failed.length, 3)
      assert.deepStrictEqual(seen.connected, [])
    }).pipe(Effect.provide(calling({ peers: [address(1)] }, dials, book(seen))))
  })

  it.effect("are told to the address book when they have lasted a minute, while they go on", () => {
    const dials: Dials = []
    const seen = told()
    return Effect.gen(function* () {
      yield* listen(1, live)
      yield* start
      yield* wait("59 seconds")
      assert.deepStrictEqual(seen, told())
      yield* wait("1 seconds")
      assert.deepStrictEqual(seen, { ...told(), connected: [peer(1)] })
      yield* wait("600 seconds")
      assert.strictEqual(dials.length, 1)
    }).pipe(Effect.provide(calling({ discovery: true }, dials, book(seen, [known(1)]))))
  })

  it.effect("with this node itself, or a node of another network, are never repeated", () => {
    const dials: Dials = []
    const seen = told()
    return Effect.gen(function* () {
      const { nodeId } = yield* NodeIdentity
      yield* listen(1, (remote) => Effect.andThen(remote.send(ack), remote.send(version(nodeId))))
      yield* listen(2, (remote) =>
        Effect.gen(function* () {
          yield* remote.send(ack)
          yield* remote.expect("GetBlockHash")
          yield* remote.send({ _tag: "BlockHashResponse", height: height(0), hash: sha256(Uint8Array.of(1)) })
        }).pipe(Effect.ignore)
      )
      yield* start
      yield* wait("900 seconds")
      assert.deepStrictEqual(dials, [
        [peer(1), 0],
        [peer(2), 0]
      ])
      assert.deepStrictEqual(seen, { ...told(), forgotten: [peer(1), peer(2)] })
    }).pipe(Effect.provide(calling({ peers: [address(1), address(2)] }, dials, book(seen))))
  })

  it.effect("never exceed the slots, and each address is dialled by one call at a time", () => {
    const dials: Dials = []
    return Effect.gen(function* () {
      for (let number = 1; number <= 5; number++) yield* listen(number, live)
      yield* start
      yield* wait("120 seconds")
      const registry = yield* PeerRegistry
      assert.deepStrictEqual(
        (yield* registry.peers).map((info) => info.peer),
        [peer(1), peer(2), peer(3)]
      )
      assert.strictEqual(dials.length, 3)
    }).pipe(
      Effect.provide(
        calling(
          { discovery: true, maxPeers: 3 },
          dials,
          book(
            told(),
            [1, 2, 3, 4, 5].map((number) => known(number))
          )
        )
      )
    )
  })

  it.effect("that a configured peer has dialled are waited out, and count as a success", () => {
    const dials: Dials = []
    return Effect.gen(function* () {
      yield* start
      // It cannot be reached, and the back-off grows.
      yield* wait("40 seconds")
      const before = dials.length
      assert.isAbove(before, 2)
      const driver = yield* Driver
      const remote = yield* driver.dial(peer(1))
      yield* remote.send(handshake)
      yield* Effect.forkScoped(Effect.ignore(answerPings(remote)))
      yield* wait("900 seconds")
      assert.strictEqual(dials.length, before)
      yield* remote.close
      const ended = yield* Clock.currentTimeMillis
      yield* wait("30 seconds")
      assert.isAtLeast(dials.length, before + 2)
      assert.isAtMost(dials[before]![1] - ended, 5_000)
    }).pipe(Effect.provide(calling({ peers: [address(1)] }, dials, book(told()))))
  })

  it.effect(
    "feel out, while all slots are taken, what was never reached: one about every two minutes, closed soon",
    () => {
      const dials: Dials = []
      const seen = told()
      const heard: Array<ReadonlyArray<string>> = []
      const feelable = Effect.sync(() => [known(1), ...[2, 3, 4].map(hearsay).filter(isUntouched)])
      const isUntouched = ({ peer }: KnownAddress) => ![...seen.connected, ...seen.failed].includes(peer)
      return Effect.gen(function* () {
        yield* listen(1, live)
        // The second lives, the third hangs up after the handshake, the fourth is not there.
        yield* listen(2, (remote) =>
          Effect.andThen(
            live(remote),
            Effect.sync(() => void heard.push(remote.received.map(({ _tag }) => _tag)))
          )
        )
        yield* listen(3, (remote) => Effect.andThen(remote.send(ack), remote.close))
        yield* start
        yield* wait("70 seconds")
        assert.deepStrictEqual([dials, seen.connected], [[[peer(1), 0]], [peer(1)]])
        const registry = yield* PeerRegistry
        for (let second = 70; second < 600; second++) {
          yield* wait("1 seconds")
          assert.isAtMost((yield* registry.peers).length, 2)
        }
        assert.deepStrictEqual(
          dials.map(([to]) => to),
          [peer(1), peer(2), peer(3), peer(4)]
        )
        assert.isTrue(
          pauses(
            dials.map(([, time]) => [peer(1), time] as const),
            peer(1)
          ).every((pause) => pause >= 90_000)
        )
        assert.deepStrictEqual(seen, { ...told(), connected: [peer(1), peer(2)], failed: [peer(3), peer(4)] })
        assert.deepStrictEqual(
          (yield* registry.peers).map((info) => info.peer),
          [peer(1)]
        )
        // What a peer hears of a short session is what it hears of any.
        assert.deepStrictEqual(heard[0]?.slice(0, 3), ["Handshake", "Version", "GetBlockHeight"])
      }).pipe(
        Effect.provide(calling({ discovery: true, maxPeers: 1 }, dials, book(seen, [], { candidates: feelable })))
      )
    }
  )

  it.effect("end with the dialler", () =>
    Effect.gen(function* () {
      yield* listen(1, live)
      yield* Effect.scoped(start)
      yield* settle
      const registry = yield* PeerRegistry
      assert.deepStrictEqual(yield* registry.peers, [])
    }).pipe(Effect.provide(calling({ peers: [address(1)] }, [], book(told()))))
  )
})
