/**
 * A connection pool alone, on a clock of its own, with transports that carry nothing: for what happens to connections
 * in very many.
 */
import type { Clock } from "effect/Clock"
import * as Effect from "effect/Effect"
import { ConnectionPool, type Refusal } from "../../src/layers/registry/ConnectionPool.ts"
import { LiveConnection } from "../../src/layers/registry/LiveConnection.ts"
import { Turns } from "../../src/layers/registry/Turns.ts"
import type { PeerId } from "../../src/protocol/PeerId.ts"
import type { Direction, DisconnectReason } from "../../src/services/PeerRegistry.ts"
import type { PeerTransport, TransportSink } from "../../src/services/PeerTransport.ts"

export interface ScriptedPoolOptions {
  readonly slots: Readonly<Record<Direction, number>>
  readonly configured?: ReadonlyArray<PeerId>
  readonly secret?: Uint8Array
}

export class ScriptedPool {
  readonly pool: ConnectionPool
  private time = 0
  private tasks: Array<() => void> = []

  constructor({ configured = [], secret = new Uint8Array(16), slots }: ScriptedPoolOptions) {
    const dispatcher = { scheduleTask: (task: () => void) => void this.tasks.push(task), flush: () => {} }
    this.pool = new ConnectionPool({
      turns: new Turns(this.clock(), dispatcher),
      inline: () => undefined,
      nodeId: "0a",
      slots,
      configured: new Set(configured),
      secret,
      log: () => {}
    })
  }

  /** Milliseconds; a new turn begins with each time that is set. */
  get now(): number {
    return this.time
  }

  set now(time: number) {
    this.time = time
    const tasks = this.tasks
    this.tasks = []
    for (const task of tasks) task()
  }

  /** A peer dials the node, or the node dials it. */
  connect(peer: PeerId, direction: Direction = "inbound"): LiveConnection | Refusal {
    return this.pool.admit(new EmptyTransport(peer, direction))
  }

  /** A peer dials the node and does its handshake. */
  establish(peer: PeerId): LiveConnection | undefined {
    const admitted = this.connect(peer)
    if (!(admitted instanceof LiveConnection)) return undefined
    if (this.pool.claim(admitted) === "free") return admitted
    admitted.close("alreadyConnected")
    return undefined
  }

  private clock(): Clock {
    const nanos = () => BigInt(this.time) * 1_000_000n
    return {
      currentTimeMillisUnsafe: () => this.time,
      currentTimeNanosUnsafe: nanos,
      monotonicTimeNanosUnsafe: nanos,
      currentTimeMillis: Effect.sync(() => this.time),
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: () => Effect.never
    }
  }
}

// --- internal ---

class EmptyTransport implements PeerTransport {
  readonly remote
  readonly direction: Direction
  readonly write = () => {}
  readonly outboundBytes = () => 0
  readonly unfinishedBytes = () => 0
  readonly pause = () => {}
  readonly resume = () => {}
  private sink: TransportSink | undefined

  constructor(peer: PeerId, direction: Direction) {
    this.remote = { peer, port: 24_100 }
    this.direction = direction
  }

  readonly open = (sink: TransportSink): void => {
    this.sink = sink
  }

  readonly close = (reason: DisconnectReason): void => {
    this.sink?.closed(reason)
    this.sink = undefined
  }
}
