/**
 * Peers that misbehave, each kind in a way of its own, for as long as they are let.
 */
import type { Socket } from "node:net"
import { dialTarget, join, sourceAddress, type Target } from "./RawPeer.ts"

export interface BadKind {
  /** How many of them there are. */
  readonly count: number
  /** False for those that never get as far as the handshake. */
  readonly shakesHands: boolean
  readonly misbehave: (socket: Socket, index: number) => void
}

/** What became of them. */
export interface Fate {
  readonly joined: number
  readonly cut: number
  /** Milliseconds from the start of the misbehaviour until the last of those that were cut was; null when none was. */
  readonly lastCutAfter: number | null
}

export const badKinds = {
  /** Ask for a hundred blocks again and again, and never read. */
  blocks: { count: 20, shakesHands: true, misbehave: (socket) => askAndNeverRead(socket, `{"GetBlocks":[100,199]}\n`) },
  /** The same with all coins. */
  utxos: { count: 20, shakesHands: true, misbehave: (socket) => askAndNeverRead(socket, `"GetUTXOSet"\n`) },
  /** Sends a line byte by byte, one a second. */
  drip: {
    count: 1,
    shakesHands: true,
    misbehave: (socket) => {
      socket.resume()
      every(socket, 1_000, () => socket.write("x"))
    }
  },
  /** Ping as fast as they can, and read. */
  flood: { count: 20, shakesHands: true, misbehave: (socket, index) => pour(socket, pings(index)) },
  /** Connect and say nothing. */
  silent: { count: 200, shakesHands: false, misbehave: (socket) => void socket.resume() },
  /** Sends one line of a gigabyte. */
  longLine: {
    count: 1,
    shakesHands: true,
    misbehave: (socket) => {
      socket.write(`{"TransactionBroadcast":`)
      pour(socket, Buffer.alloc(1 << 20, "x"), 1 << 10)
    }
  },
  /** Announces a hundred thousand addresses. */
  addresses: {
    count: 1,
    shakesHands: true,
    misbehave: (socket) => {
      socket.resume()
      for (let answer = 0; answer < 100; answer++) socket.write(addresses(answer))
    }
  },
  /** Answer what was not asked, as fast as they can. */
  unasked: {
    count: 20,
    shakesHands: true,
    misbehave: (socket) => pour(socket, Buffer.from(`{"BlockHeightResponse":7}\n`.repeat(1_000)))
  }
} as const satisfies Readonly<Record<string, BadKind>>

export type BadKindName = keyof typeof badKinds

export class BadPeers {
  private readonly joined: number
  private readonly sockets: ReadonlyArray<Socket>
  private readonly began = performance.now()
  private readonly cutAfter: Array<number> = []

  private constructor(kind: BadKind, sockets: ReadonlyArray<Socket>) {
    this.sockets = sockets.filter((socket) => !socket.destroyed)
    this.joined = this.sockets.length
    for (const [index, socket] of this.sockets.entries()) {
      socket.once("close", () => this.cutAfter.push(performance.now() - this.began))
      kind.misbehave(socket, index)
    }
  }

  /** Connects the peers of a kind with addresses of the network `net`, three octets, and lets them loose. */
  static async connect(target: Target, net: string, name: BadKindName): Promise<BadPeers> {
    const kind: BadKind = badKinds[name]
    const open = kind.shakesHands ? join : dialTarget
    const opening = Array.from({ length: kind.count }, (_, index) => open(target, sourceAddress(net, index)))
    return new BadPeers(kind, await Promise.all(opening))
  }

  get fate(): Fate {
    const { cutAfter, joined } = this
    return { joined, cut: cutAfter.length, lastCutAfter: cutAfter.at(-1) ?? null }
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
  }
}

// --- internal ---

const every = (socket: Socket, millis: number, act: () => void): void => {
  const timer = setInterval(act, millis)
  socket.once("close", () => clearInterval(timer))
}

/** Stops to ask while the node takes nothing more, or this process would hold what the node does not. */
const askAndNeverRead = (socket: Socket, request: string): void => {
  socket.pause()
  every(socket, 5, () => {
    if (!socket.writableNeedDrain) socket.write(request)
  })
}

/** Writes the same bytes as fast as they are taken, and reads all that comes. */
const pour = (socket: Socket, bytes: Uint8Array, times = Infinity): void => {
  let left = times
  const more = (): void => {
    while (left-- > 0 && !socket.destroyed && socket.write(bytes)) {}
  }
  socket.on("drain", more)
  socket.resume()
  more()
}

const pings = (index: number): Uint8Array =>
  Buffer.from(`{"Ping":{"nonce":${2_000_000 + index},"timestamp":1765900000}}\n`.repeat(256))

/** A thousand addresses of this machine that nobody has named before: nobody else is dialled for them, ever. */
const addresses = (answer: number): string => {
  const texts = Array.from({ length: 1_000 }, (_, index) => {
    const number = answer * 1_000 + index
    return `"127.${200 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}:24100"`
  })
  return `{"PeersResponse":[${texts.join(",")}]}\n`
}
