/**
 * A call: an address is dialled once, and the address book told what came of it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PeerAddress } from "../protocol/PeerId.ts"
import { AddressBook } from "../services/AddressBook.ts"
import { type DialError, PeerNetwork } from "../services/PeerTransport.ts"
import * as PeerSession from "./PeerSession.ts"
import * as Policies from "./Policies.ts"

/**
 * Dials and lives the session to its end. `settled` says that it lasted, `failed` that it did not, `never` that this
 * address is no peer for us.
 */
export const call = Effect.fnUntraced(function* (address: PeerAddress) {
  const book = yield* AddressBook
  const network = yield* PeerNetwork
  const began = yield* Clock.currentTimeMillis
  const error = yield* network.dial(address).pipe(
    // No handshake takes so long, so that the session is past it by then.
    Effect.tap(() => Effect.forkScoped(Effect.delay(book.recordConnected(address), Policies.settledSession))),
    Effect.flatMap(PeerSession.run),
    Effect.scoped,
    Effect.flip
  )
  const lived = (yield* Clock.currentTimeMillis) - began
  const hasLasted = error._tag === "SessionEnded" && error.established && lived >= SETTLED
  if (!hasLasted || !isPeerForUs(error)) return yield* judge(address, error)
  yield* book.recordConnected(address)
  return "settled"
})

/** Dials for a short session, which shows that the address is a peer's, and ends it. */
export const feel = Effect.fnUntraced(function* (address: PeerAddress) {
  const book = yield* AddressBook
  const network = yield* PeerNetwork
  yield* network.dial(address).pipe(
    // No handshake takes so long, so that a session that still lives is past it.
    Effect.flatMap((transport) =>
      Effect.raceFirst(PeerSession.run(transport), Effect.delay(book.recordConnected(address), Policies.feelerSession))
    ),
    Effect.scoped,
    Effect.catch((error) => judge(address, error))
  )
})

// --- internal ---

const SETTLED = Duration.toMillis(Policies.settledSession)

const isPeerForUs = ({ reason }: PeerSession.SessionEnded): boolean =>
  reason !== "connectedToSelf" && reason !== "wrongGenesis"

const judge = Effect.fnUntraced(function* (address: PeerAddress, error: DialError | PeerSession.SessionEnded) {
  const book = yield* AddressBook
  if (error._tag === "DialError") {
    yield* Effect.logDebug(`${address.peer}:${address.port} cannot be reached: ${error.reason}`)
    yield* book.recordFailure(address.peer)
    return "failed"
  }
  if (!isPeerForUs(error)) {
    yield* Effect.logInfo(`${address.peer} is not dialled again: ${error.reason}`)
    yield* book.forget(address.peer)
    return "never"
  }
  const isConnectedOtherwise = error.reason === "alreadyConnected" || error.reason === "superseded"
  if (!isConnectedOtherwise) yield* book.recordFailure(address.peer)
  return "failed"
})
