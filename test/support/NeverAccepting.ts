/**
 * An address that neither takes nor refuses connections: a listener that never accepts, with its backlog full, to which
 * the system answers nothing more. To a dialler it is a host behind a wall that drops everything.
 */
import { Effect } from "effect"
import { connect, type Socket } from "node:net"
import { Worker } from "node:worker_threads"
import type { PeerAddress, PeerId } from "../../src/protocol/PeerId.ts"

/** Listens on that address until the scope ends. Nobody who dials it from now on hears anything. */
export const neverAccepting = Effect.fnUntraced(function* (host: string, peer: PeerId) {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(LISTENER, { eval: true, workerData: host })),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const port = yield* Effect.callback<number>((resume) => {
    worker.once("message", (port: number) => resume(Effect.succeed(port)))
    worker.once("error", (error) => resume(Effect.die(error)))
  })
  const fillers: Array<Socket> = []
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const filler of fillers) filler.destroy()
    })
  )
  // One more than fits: when that one has heard nothing, nobody will.
  while (yield* isTaken(host, port, fillers)) {
    if (fillers.length > MOST_FILLERS) return yield* Effect.die(new Error("the backlog does not fill"))
  }
  return { peer, port } satisfies PeerAddress
})

// --- internal ---

/** A thread that listens and is stopped at once: the system completes as many connections as the backlog holds. */
const LISTENER = `
const { createServer } = require("node:net")
const { parentPort, workerData } = require("node:worker_threads")
const server = createServer().listen({ port: 0, host: workerData, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
})`

const MOST_FILLERS = 16
const LONG_ENOUGH = 250

/** Adds a connection; false when nothing has answered it for a while, many times what loopback takes. */
const isTaken = (host: string, port: number, fillers: Array<Socket>) =>
  Effect.callback<boolean>((resume) => {
    const filler = connect({ host, port })
    fillers.push(filler)
    filler.on("error", (error) => resume(Effect.die(error)))
    filler.once("connect", () => resume(Effect.succeed(true)))
    setTimeout(() => resume(Effect.succeed(false)), LONG_ENOUGH)
  })
