/**
 * Peers that behave: each pings, waits for the pong and pings again. What they get is what a bad peer costs them.
 */
import type { Socket } from "node:net"
import { join, sourceAddress, type Target } from "./RawPeer.ts"

/** What honest peers got. Times in milliseconds. */
export interface Served {
  readonly answers: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** Peers that were closed, which no honest one should be. */
  readonly lost: number
}

/** How often those who wait for a number of answers look, in milliseconds. */
const STEP = 20
const PONG = Buffer.from(`{"Pong":`)

export class HonestPeers {
  private readonly sockets: ReadonlyArray<Socket>
  private latencies: Array<number> = []
  private isMeasuring = false

  private constructor(sockets: ReadonlyArray<Socket>) {
    this.sockets = sockets
    for (const [index, socket] of sockets.entries()) this.drive(socket, index)
  }

  /** Connects `count` peers with addresses of the network `net`, three octets. They begin to ping at once. */
  static async connect(target: Target, net: string, count: number): Promise<HonestPeers> {
    const joining = Array.from({ length: count }, (_, index) => join(target, sourceAddress(net, index)))
    return new HonestPeers(await Promise.all(joining))
  }

  /** What they get within that time, or until they have got so many answers. */
  async measure(millis: number, answers = Infinity): Promise<Served> {
    this.latencies = []
    this.isMeasuring = true
    const began = performance.now()
    while (performance.now() - began < millis && this.latencies.length < answers) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(millis, answers === Infinity ? millis : STEP)))
    }
    const elapsed = performance.now() - began
    this.isMeasuring = false
    const sorted = Float64Array.from(this.latencies).sort()
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? elapsed
    return {
      answers: sorted.length,
      perSecond: (sorted.length / elapsed) * 1_000,
      p50: at(0.5),
      p99: at(0.99),
      longest: at(1),
      lost: this.sockets.filter((socket) => socket.destroyed).length
    }
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  private drive(socket: Socket, index: number): void {
    const ping = `{"Ping":{"nonce":${1_000_000 + index},"timestamp":1765900000}}\n`
    let askedAt = 0
    const ask = (): void => {
      askedAt = performance.now()
      socket.write(ping)
    }
    // The node's own messages come in between, hardly ever in the same chunk.
    socket.on("data", (chunk: Buffer) => {
      if (chunk.indexOf(PONG) < 0) return
      if (this.isMeasuring) this.latencies.push(performance.now() - askedAt)
      ask()
    })
    ask()
  }
}
