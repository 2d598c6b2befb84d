/**
 * What the system says when a connection was there and could not be had: out of descriptors, or gone again.
 *
 * A server that nobody listens to for errors would end the process with the first of them. They pass by themselves, so
 * that they are logged, one in a while, and the server goes on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Net from "node:net"
import * as Limits from "../protocol/Limits.ts"

/** Survives the errors of a server that listens already, for as long as the scope lives. `what` cannot be accepted. */
export const survive = Effect.fnUntraced(function* (
  server: Net.Server,
  what: string
): Effect.fn.Return<void, never, Scope.Scope> {
  const complaints = yield* Queue.sliding<Error>(1)
  server.on("error", (error) => Queue.offerUnsafe(complaints, error))
  yield* Effect.forkScoped(complain(complaints, what))
})

// --- internal ---

const complain = Effect.fnUntraced(function* (complaints: Queue.Dequeue<Error>, what: string) {
  while (true) {
    const error = yield* Queue.take(complaints)
    yield* Effect.logWarning(`${what} cannot be accepted: ${error.message}`)
    yield* Effect.sleep(Duration.millis(Limits.ACCEPT_COMPLAINT_INTERVAL))
  }
})
