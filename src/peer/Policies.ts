/**
 * Every timeout and retry of the peer protocol, by name.
 *
 * Handlers and programs name a policy; the numbers live here. Only idempotent requests are asked again, and only for
 * reasons that another try can change: a peer that never answers a request is not asked twice.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { TimeoutClass } from "../protocol/Exchange.ts"
import * as Limits from "../protocol/Limits.ts"
import type { RequestError, RequestPolicy } from "../services/PeerRegistry.ts"

/** An answer must be computed and taken within this time: a slow disk plus a slow reader's drain deadline. */
export const replyTimeout = Duration.millis(Limits.DRAIN_TIMEOUT + 10_000)

/** A Handshake must be answered, or come, within this time. */
export const handshakeTimeout = Duration.millis(Limits.HANDSHAKE_TIMEOUT)

/** Doubling from half a second to at most 8 s, each ±20 %, so that peers which failed together do not retry together. */
export const backoff = Schedule.min([Schedule.exponential("500 millis", 2), Schedule.spaced("8 seconds")]).pipe(
  Schedule.jittered
)

/** Two more tries, for failures that a second try can change. */
export const retry: Schedule.Schedule<unknown, RequestError> = backoff.pipe(
  Schedule.upTo({ times: 2 }),
  Schedule.setInputType<RequestError>(),
  Schedule.while(({ input }) => isRetryable(input))
)

/** True when asking the same peer again can help. */
export const isRetryable = (error: RequestError): boolean =>
  error.reason._tag === "RequestTimeout" ||
  error.reason._tag === "ConnectionClosed" ||
  error.reason._tag === "SendQueueFull"

/** What a request without a policy of its own gets, by the timeout class of its exchange. */
export const request: Readonly<Record<TimeoutClass, RequestPolicy>> = {
  quick: { timeout: Duration.seconds(5), retry },
  normal: { timeout: Duration.seconds(15), retry },
  /** `timed` takes its time for a hundred blocks on a slow line. */
  bulk: { timeout: Duration.seconds(60), retry }
}

/** One try of the same length, for callers that would rather ask another peer. */
export const once = (timeout: TimeoutClass): RequestPolicy => ({ timeout: request[timeout].timeout })

/**
 * A second peer is asked beside the first when that has not answered a quick exchange for so long: later than an honest
 * peer at the other end of the world answers, a tenth of what a silent one may take.
 */
export const secondPeer = Duration.millis(500)

/** The Handshake of a dialling session: asked once. */
export const handshake: RequestPolicy = { timeout: handshakeTimeout }

/** Pings: asked once; the next one comes soon enough. */
export const ping: RequestPolicy = { timeout: Duration.seconds(20) }
export const pingInterval = Duration.seconds(30)
/** Pings without a pong, and without any other byte, after which the peer is given up. */
export const missedPings = 3

/** Height, UTXO hash and our announcement are exchanged this often. */
export const pollInterval = Duration.seconds(60)

/** A `timed` ignores announcements on the first seconds of a connection, and so do we. */
export const announcementGrace = Duration.seconds(5)

/** A masternode that dialled announces itself again at this time, as soon as it is heard. */
export const announcementHeard = Duration.seconds(6)
/** How often a masternode shows that it is alive. */
export const heartbeatInterval = Duration.seconds(60)

/** Redialling: 5 s doubling to 300 s, jittered. */
export const reconnect = Schedule.min([Schedule.exponential("5 seconds", 2), Schedule.spaced("300 seconds")]).pipe(
  Schedule.jittered
)
export const reconnectFirst = Duration.seconds(5)
/** Failures in a row after which an address that nobody configured is dropped; masternodes are given twice as many. */
export const reconnectTries = 10
export const reconnectTriesMasternode = 20
/** A session that lived this long counts as a success, which resets the back-off. */
export const settledSession = Duration.seconds(60)

/** A peer whose blocks could not be had or do not fit is left alone for so long. */
export const passOver = Duration.seconds(60)

/** In this time all peers are asked which of two branches they are on. */
export const forkVote = Duration.seconds(10)
/** How long looking into one peer's branch may take: ten questions, a hundred blocks and the vote. */
export const forkResolution = Duration.minutes(2)
/** So long, peers of the same branch wait for the one that is looked into; then the next is, beside it. */
export const forkTurn = Duration.seconds(10)
/** The range that a sync waits for is late after this time, or after so many times what answers take of late. */
export const lateRange = Duration.seconds(2)
export const lateAnswers = 3

/** Blocks of the past of a snapshot: after each range peers and the chain have their turn; when none can be had; after a failure. */
export const historyPause = Duration.millis(100)
export const historyWait = Duration.seconds(10)
export const historyRetry = Duration.minutes(10)

/** How often free outbound slots are filled from the address book. */
export const dialInterval = Duration.seconds(10)
/** How often, jittered, an address that was never reached is tried while all slots are taken. */
export const feelerInterval = Duration.minutes(2)
/** How long such a session lasts: longer than any handshake and the genesis check that follows. */
export const feelerSession = Duration.seconds(20)

/** How often transactions that lack votes are looked for. */
export const voteInterval = Duration.seconds(1)
/** Votes are asked for when a transaction has waited this long, then after twice the time, up to the longest. */
export const voteRequestFirst = Duration.seconds(1)
export const voteRequestLongest = Duration.minutes(1)
/**
 * How long a step of deciding a block may take: a block is sent and checked in the first, votes are sent in the others. It
 * grows, so that at last everybody is heard in time, and ends at a minute. Where blocks are due in less than 100 s, it begins
 * with a tenth of that, but never under a second.
 */
export const consensusStep = (
  step: "Propose" | "Prevote" | "Precommit",
  round: number,
  blockSeconds: bigint
): Duration.Duration => {
  const first = Math.min(10, Math.max(1, Number(blockSeconds) / 10))
  return Duration.seconds(Math.min(60, (step === "Propose" ? first : first / 2) + 0.3 * first * round))
}
/** As long as a height is not decided, what we said about it is said again so often. */
export const consensusResend = Duration.seconds(5)
/** While peers may have the missing block, or there are too few masternodes, it is looked at again so often. */
export const consensusPause = Duration.seconds(10)
