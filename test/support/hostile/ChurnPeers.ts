/**
 * Peers that come and go, each leaving at another stage of a connection's life; in a process of their own.
 */
import { type ChildProcess, fork } from "node:child_process"
import type { Socket } from "node:net"
import { dialTarget, HANDSHAKE, join, sourceAddress, type Target } from "./RawPeer.ts"

/** How connections ended: how many of each way of leaving, and of those that were not let in. */
export type Ends = Readonly<Record<string, number>>

/** From how many addresses they come. Each has one connection at a time. */
const ADDRESSES = 8

export class ChurnPeers {
  private readonly child: ChildProcess

  /** Peers of the network `net`, three octets. */
  constructor(target: Target, net: string) {
    this.child = fork(import.meta.filename, [CHILD, JSON.stringify({ target, net })])
  }

  /** Makes so many connections and ends them all. */
  run(connections: number): Promise<Ends> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`the peers' process ended with ${code}`))
      this.child.once("exit", onExit)
      this.child.once("message", (ends) => {
        this.child.off("exit", onExit)
        resolve(ends as Ends)
      })
      this.child.send(connections)
    })
  }

  stop(): void {
    this.child.kill("SIGKILL")
  }
}

// --- internal ---

type Leave = (socket: Socket) => Promise<void> | void

/** Before the handshake is done. */
const strangers: Readonly<Record<string, Leave>> = {
  "without a word": (socket) => void socket.end(),
  "without a word, reset": (socket) => void socket.resetAndDestroy(),
  "in the midst of the handshake": (socket) => void socket.end(HANDSHAKE.slice(0, 30)),
  "before the answer to the handshake": (socket) => {
    socket.write(HANDSHAKE)
    socket.resetAndDestroy()
  }
}

const PING = `{"Ping":{"nonce":1,"timestamp":1765900000}}\n`

/** When both have shaken hands. What the node asks of a newcomer stays unanswered, always. */
const members: Readonly<Record<string, Leave>> = {
  "at once": (socket) => void socket.end(),
  "at once, reset": (socket) => void socket.resetAndDestroy(),
  "after an answer": async (socket) => {
    const answered = heard(socket, `"Pong"`)
    socket.write(PING)
    await answered
    socket.end()
  },
  "in the midst of a line": (socket) => void socket.end(PING.slice(0, 20)),
  "in the midst of a line, reset": (socket) => {
    socket.write(PING.slice(0, 20))
    socket.resetAndDestroy()
  },
  "with answers unread": (socket) => {
    socket.pause()
    socket.write(`{"GetBlocks":[1,100]}\n`.repeat(4))
    socket.resetAndDestroy()
  },
  "with answers on their way": async (socket) => {
    const answering = heard(socket, `"BlocksResponse"`)
    socket.write(`{"GetBlocks":[1,100]}\n`.repeat(4))
    await answering
    socket.destroy()
  },
  "after more than its share": (socket) => void socket.end(PING.repeat(100))
}

const heard = (socket: Socket, text: string): Promise<void> =>
  new Promise((resolve) => {
    const hear = (chunk: Buffer): void => {
      if (chunk.includes(text)) done()
    }
    const done = (): void => {
      socket.off("data", hear)
      resolve()
    }
    socket.on("data", hear)
    socket.once("close", done)
  })

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) return resolve()
    socket.once("close", () => resolve())
    socket.resume()
  })

const ways = [
  ...Object.entries(strangers).map(([name, leave]) => ({ name, leave, enter: dialTarget })),
  ...Object.entries(members).map(([name, leave]) => ({ name, leave, enter: join }))
]

const CHILD = "--churn"

const runChild = ({ net, target }: { readonly target: Target; readonly net: string }): void => {
  let begun = 0
  const churn = async (connections: number): Promise<Ends> => {
    const ends: Record<string, number> = {}
    const until = begun + connections
    const from = async (address: string): Promise<void> => {
      while (begun < until) {
        const { enter, leave, name } = ways[begun++ % ways.length]!
        const socket = await enter(target, address)
        const end = socket.destroyed ? "not let in" : name
        ends[end] = (ends[end] ?? 0) + 1
        if (!socket.destroyed) await leave(socket)
        await closed(socket)
      }
    }
    await Promise.all(Array.from({ length: ADDRESSES }, (_, index) => from(sourceAddress(net, index))))
    return ends
  }
  process.on("disconnect", () => process.exit())
  process.on("message", async (connections: number) => process.send!(await churn(connections)))
}

if (process.argv[2] === CHILD) runChild(JSON.parse(process.argv[3]!))
