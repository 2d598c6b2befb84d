/**
 * Loopback addresses that no other test uses: nodes know peers by IP address, so every peer needs one of its own.
 */
import { Effect, Schedule } from "effect"
import { createServer, type Server } from "node:net"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"

/** A network of 253 addresses. */
export interface LoopbackNet {
  /** Address 1 to 253. */
  readonly ip: (host: number) => string
  readonly peer: (host: number) => PeerId
}

/** A random /24 within 127.64.0.0/10, held for as long as the scope lives. */
export const loopbackNet = Effect.acquireRelease(
  Effect.suspend(() => {
    const second = 64 + Math.floor(Math.random() * 64)
    const third = Math.floor(Math.random() * 256)
    const prefix = `127.${second}.${third}`
    return Effect.map(hold(`${prefix}.254`), (server) => ({ prefix, server }))
  }).pipe(Effect.retry(Schedule.recurs(20)), Effect.orDie),
  ({ server }) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
).pipe(
  Effect.map(({ prefix }): LoopbackNet => {
    const ip = (host: number) => `${prefix}.${host}`
    return { ip, peer: (host) => peerId(ip(host))! }
  })
)

/** Whoever listens here has the network. */
const HOLD_PORT = 24_099

const hold = (host: string): Effect.Effect<Server, Error> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(HOLD_PORT, host, () => resume(Effect.succeed(server)))
  })
