/**
 * Finality by votes: begins the vote on every transaction of the pool, casts this node's, counts all, and acts on the
 * outcome.
 *
 * It follows the pool's events and looks the pool through every second, so that nothing depends on an event: what was
 * lost with a restart is begun again from the electorate and the votes that are stored, and missing votes are asked for.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Electorate } from "../consensus/SpendPhase.ts"
import { LEAST_MASTERNODES } from "../consensus/LeaderSchedule.ts"
import { VoteTally } from "../consensus/VoteTally.ts"
import { concatBytes } from "../protocol/ByteArray.ts"
import { type Hash256, sha256, toHex } from "../protocol/Hash.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import type { UtxoState } from "../protocol/Utxo.ts"
import { signVote, verifyVote, type Vote } from "../protocol/Vote.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { Finality, type VoteFate } from "../services/Finality.ts"
import { Gossip } from "../services/Gossip.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { Mempool, type PooledTransaction } from "../services/Mempool.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { EarlyVotes } from "./EarlyVotes.ts"
import * as Policies from "./Policies.ts"

/** Votes and counts for as long as the layer lives. */
export const layer = Layer.effect(
  Finality,
  Effect.gen(function* () {
    const gossip = yield* Gossip
    const identity = yield* NodeIdentity
    const masternodes = yield* MasternodeRegistry
    const pool = yield* Mempool
    const registry = yield* PeerRegistry
    const ballots = new Map<string, Ballot>()
    const early = new EarlyVotes()
    /** Votes of this node against transactions; by txid in hex. */
    const against = new Map<string, Vote>()
    const turn = yield* Semaphore.make(1)
    const millis = Clock.currentTimeMillis
    const seconds = Effect.map(millis, toUnixSeconds)

    const electorateAt = (at: bigint): Electorate => {
      const members = masternodes.activeAt(at).map(({ peer, publicKey }) => ({ address: peer, publicKey }))
      return { id: electorateId(members), members }
    }

    const say = (vote: Vote, from: PeerId | null) =>
      gossip.relay(toHex(sha256(vote.signature)), { _tag: "TransactionVote", vote }, from)

    /** This node's key and name, if it is among the voters. */
    const voterIn = ({ members }: Electorate) => {
      const { externalAddress, key } = identity
      if (key === null || externalAddress === null) return undefined
      const own = members.find(
        ({ address, publicKey }) => address === externalAddress && toHex(publicKey) === toHex(key.publicKey)
      )
      return own && { address: own.address, key }
    }

    /** Says no, once and for all. */
    const refuse = Effect.fnUntraced(function* (txid: Hash256, electorate: Electorate) {
      const voter = voterIn(electorate)
      if (voter === undefined) return undefined
      const said = against.get(toHex(txid))
      if (said !== undefined) return said
      const vote = signVote({ txid, voter: voter.address, approve: false, timestamp: yield* seconds }, voter.key)
      against.set(toHex(txid), vote)
      if (against.size > Limits.REJECTING_VOTES) against.delete(against.keys().next().value!)
      return vote
    })

    /** Says yes, unless this node has said no, or yes to another spend. */
    const approve = Effect.fnUntraced(function* (txid: Hash256, electorate: Electorate) {
      const voter = voterIn(electorate)
      if (voter === undefined) return undefined
      const said = against.get(toHex(txid))
      if (said !== undefined) return said
      const vote = signVote({ txid, voter: voter.address, approve: true, timestamp: yield* seconds }, voter.key)
      return yield* Effect.catchTag(pool.pledge(vote), "VoteRefused", ({ reason }) =>
        reason === "Conflict" ? refuse(txid, electorate) : Effect.succeed(undefined)
      )
    })

    const tellStates = ({ transaction }: PooledTransaction, state: UtxoState) =>
      Effect.forEach(
        transaction.inputs,
        ({ previousOutput }) => registry.broadcast({ _tag: "UTXOStateUpdate", outpoint: previousOutput, state }),
        { discard: true }
      )

    const decide = Effect.fnUntraced(function* (txid: Hash256, { tally }: Ballot) {
      switch (tally.outcome) {
        case "open":
          if (tally.approvals > 0) yield* pool.advance(txid, { _tag: "Count", votes: tally.approvals })
          return
        case "approved": {
          const votes = tally.approvals
          const at = yield* seconds
          ballots.delete(toHex(txid))
          const pooled = yield* pool.advance(txid, { _tag: "Finalize", votes, at })
          yield* tellStates(pooled, { _tag: "SpentFinalized", txid, finalizedAt: at, votes })
          yield* registry.broadcast({ _tag: "TransactionFinalized", txid, votes })
          return
        }
        case "rejected": {
          ballots.delete(toHex(txid))
          const pooled = yield* pool.advance(txid, { _tag: "Release", reason: "Rejected" })
          yield* tellStates(pooled, { _tag: "Unspent" })
          yield* registry.broadcast({ _tag: "TransactionRejected", txid, reason: "A quorum is out of reach" })
        }
      }
    })

    /** Decides, unless a block was quicker. */
    const settle = (txid: Hash256, ballot: Ballot) =>
      Effect.catchTags(decide(txid, ballot), { NotInPool: () => Effect.void, IllegalTransition: () => Effect.void })

    const begin = Effect.fnUntraced(function* (txid: Hash256) {
      const id = toHex(txid)
      const pooled = yield* pool.get(txid)
      if (pooled === undefined || pooled.phase._tag === "SpentFinalized" || ballots.has(id)) return
      const now = yield* millis
      const electorate = pooled.electorate ?? electorateAt(toUnixSeconds(now))
      // A node that has just come may know nobody but itself, which decides nothing.
      if (electorate.members.length < LEAST_MASTERNODES) return
      if (pooled.phase._tag === "Locked") {
        const at = yield* seconds
        yield* Effect.ignore(pool.advance(txid, { _tag: "Poll", electorate, at }))
      }
      const ballot: Ballot = { txid, tally: new VoteTally(electorate), asked: now, wait: FIRST_WAIT }
      ballots.set(id, ballot)
      const own = yield* approve(txid, electorate)
      if (own !== undefined) {
        ballot.tally.add(own)
        yield* say(own, null)
      }
      for (const vote of early.take(
        txid,
        electorate.members.map(({ address }) => address)
      ))
        ballot.tally.add(vote)
      yield* settle(txid, ballot)
    })

    const vote = Effect.fnUntraced(function* (vote: Vote, from: PeerId): Effect.fn.Return<VoteFate, StoreError> {
      const ballot = ballots.get(toHex(vote.txid))
      if (ballot === undefined) {
        if ((yield* pool.get(vote.txid)) !== undefined) return "ignored"
        const now = yield* millis
        const voter = masternodes.activeAt(toUnixSeconds(now)).find(({ peer }) => peer === vote.voter)
        if (voter === undefined) return "ignored"
        if (!verifyVote(vote, voter.publicKey)) return "forged"
        if (!early.add(vote, now)) return "ignored"
        yield* say(vote, from)
        return "early"
      }
      const counted = ballot.tally.add(vote)
      switch (counted) {
        case "counted":
          yield* say(vote, from)
          yield* settle(vote.txid, ballot)
          return "counted"
        case "equivocation":
          // Others should see both, too. It counts for nothing.
          yield* Effect.logWarning(`Masternode ${vote.voter} votes for and against ${toHex(vote.txid)}`)
          yield* say(vote, from)
          return "ignored"
        case "forged":
          return "forged"
        default:
          return "ignored"
      }
    })

    const askFor = Effect.fnUntraced(function* (now: number) {
      let left = Limits.VOTE_REQUESTS
      for (const [id, ballot] of ballots) {
        const pooled = left > 0 ? yield* pool.get(ballot.txid) : undefined
        if (left > 0 && pooled === undefined) ballots.delete(id)
        if (pooled === undefined || now - ballot.asked < ballot.wait) continue
        left--
        ballot.asked = now
        ballot.wait = Math.min(2 * ballot.wait, LONGEST_WAIT)
        yield* registry.broadcast({ _tag: "TransactionVoteRequest", txid: pooled.txid })
      }
    })

    const look = Effect.gen(function* () {
      for (const { phase, txid } of yield* pool.pending) {
        if (phase._tag !== "SpentFinalized" && !ballots.has(toHex(txid))) yield* begin(txid)
      }
      yield* askFor(yield* millis)
    })

    const guarded = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.catch(turn.withPermit(effect), (error) => Effect.logError("A vote could not be taken further", error))

    yield* pool.events.pipe(
      Stream.runForEach((event) => {
        if (event._tag !== "Accepted") return Effect.void
        const { transaction, txid } = event.pooled
        // Who submitted passes it on; nobody has passed on what the pool took by itself.
        const message = { _tag: "TransactionBroadcast", transaction } as const
        return event.origin === "submitted"
          ? guarded(begin(txid))
          : Effect.andThen(gossip.relay(toHex(txid), message, null), guarded(begin(txid)))
      }),
      Effect.forkScoped
    )
    const idle = Effect.map(pool.pending, ({ length }) => length === 0)
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.delay(
          Effect.flatMap(idle, (empty) => (empty ? Effect.void : guarded(look))),
          Policies.voteInterval
        )
      )
    )

    return Finality.of({
      vote: (received, from) => turn.withPermit(vote(received, from)),
      ownVote: (txid) =>
        Effect.suspend(() => {
          const said = against.get(toHex(txid))
          return said === undefined ? pool.ownVote(txid) : Effect.succeed(said)
        }),
      contest: (txid) =>
        turn.withPermit(
          Effect.gen(function* () {
            if ((yield* pool.get(txid)) !== undefined || against.has(toHex(txid))) return
            if ((yield* pool.ownVote(txid)) !== undefined) return
            const vote = yield* refuse(txid, electorateAt(yield* seconds))
            if (vote !== undefined) yield* say(vote, null)
          })
        )
    })
  })
)

// --- internal ---

interface Ballot {
  readonly txid: Hash256
  readonly tally: VoteTally
  /** When votes were asked for last, and how long to wait until they are again; milliseconds. */
  asked: number
  wait: number
}

const FIRST_WAIT = Duration.toMillis(Policies.voteRequestFirst)
const LONGEST_WAIT = Duration.toMillis(Policies.voteRequestLongest)

const electorateId = (members: Electorate["members"]): string => {
  const utf8 = new TextEncoder()
  return toHex(
    sha256(concatBytes(...members.flatMap(({ address, publicKey }) => [utf8.encode(`${address} `), publicKey])))
  )
}
