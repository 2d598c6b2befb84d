/**
 * What a peer's branch is worth: found out from that peer alone, put to the vote of all, and only then followed.
 *
 * Nothing of ours comes off before the branch has been fetched, is better, is what most peers that were asked are on,
 * and has been checked whole. A peer that stalls or contradicts itself ends its own case and no other. What is checked
 * are the blocks as this peer sent them: a header need not bind its body, so that nobody else's copy may speak for it.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { describe, provesMisbehaviour } from "../consensus/BlockRejection.ts"
import { type BranchEnd, decideVote, type ForkVotes, isBetter } from "../consensus/ForkChoice.ts"
import { type Block, blockHash, blockMemory } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { answers, type RequestOf } from "../protocol/Exchange.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain, type BlockRejected, type ReorganisationRefused } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import type { PeerGuard } from "../services/PeerGuard.ts"
import { PeerRegistry, type RequestError } from "../services/PeerRegistry.ts"
import { expel } from "./Expulsion.ts"
import * as Policies from "./Policies.ts"
import { poll } from "./Poll.ts"

type Services = Blockchain | PeerRegistry | PeerGuard

/** Looks into the branch of a peer; true if it is our chain now. Takes `Policies.forkResolution` at most. */
export const resolve = Effect.fn("ForkResolver.resolve")((peer: PeerId): Effect.Effect<boolean, never, Services> =>
  follow(peer).pipe(
    Effect.as(true),
    Effect.timeoutOrElse({ duration: Policies.forkResolution, orElse: () => Effect.fail(LATE) }),
    Effect.catch((stop) => Effect.as(leave(peer, stop), false))
  )
)

/**
 * For branches that peers announce: looks into each peer's in a fiber of its own, few at a time. A peer whose branch was
 * not taken is left alone for a while, so that it cannot make us put one question after the other to everybody.
 */
export const make = Effect.gen(function* () {
  const services = yield* Effect.context<Services>()
  const cases = yield* FiberMap.make<PeerId>()
  const places = yield* Semaphore.make(Limits.FORKS_AT_ONCE)
  const settle = (peer: PeerId) =>
    places.withPermit(resolve(peer)).pipe(
      Effect.flatMap((taken) => (taken ? Effect.void : Effect.sleep(Policies.passOver))),
      Effect.provideContext(services)
    )
  const consider = (peer: PeerId): Effect.Effect<void> =>
    Effect.flatMap(FiberMap.size(cases), (open) =>
      open >= Limits.INBOUND_SLOTS + Limits.OUTBOUND_SLOTS
        ? Effect.void
        : Effect.asVoid(FiberMap.run(cases, peer, settle(peer), { onlyIfMissing: true }))
    )
  return { consider }
})

/**
 * Asks all peers, each minute, which block they have where our chain ends. Without this, two branches that are equally
 * long would stay apart until one of them grows, because nobody announces an old block.
 */
export const layer: Layer.Layer<never, never, Services> = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* compareTips.pipe(Effect.delay(Policies.pollInterval), Effect.forever, Effect.forkScoped)
  })
)

// --- internal ---

/** Why a branch is not followed. */
type Stop =
  | { readonly _tag: "NoFork" | "ForkTooDeep" | "NotBetter" | "Contradiction" | "KnownInvalid" | "Late" }
  | { readonly _tag: "NotCarried"; readonly votes: ForkVotes }
  | RequestError
  | BlockRejected
  | ReorganisationRefused
  | StoreError

const LATE: Stop = { _tag: "Late" }

const stop = (_tag: "NoFork" | "ForkTooDeep" | "NotBetter" | "Contradiction" | "KnownInvalid") =>
  Effect.fail<Stop>({ _tag })

const follow = Effect.fnUntraced(function* (peer: PeerId): Effect.fn.Return<void, Stop, Services> {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const tip = chain.tip()
  const { height: reported } = yield* registry.request(peer, { _tag: "GetBlockHeight" }, Policies.once("quick"))
  if (reported < tip.height) return yield* stop("NotBetter")
  const theirs = yield* hashOf(peer, tip.height)
  if (theirs === null) return yield* stop("Contradiction")
  if (bytesEqual(theirs, tip.hash)) return yield* stop("NoFork")
  if (reported === tip.height && !isBetter({ height: tip.height, hash: theirs }, tip)) return yield* stop("NotBetter")

  const fork = yield* commonAncestor(peer, tip.height)
  // One block beyond ours is enough to decide; what comes after it is fetched like any block, once the branch is ours.
  const { bodies, first, last } = yield* fetchBranch(peer, fork, min(reported, tip.height + 1n))
  if (!isBetter(last, chain.tip())) return yield* stop("NotBetter")
  const votes = yield* takeVote(height(fork + 1n), first)
  if (decideVote(votes) !== "Carried") return yield* Effect.fail<Stop>({ _tag: "NotCarried", votes })
  const { disconnected, tip: now } = yield* chain.reorganise(last.hash, bodies)
  yield* Effect.logWarning(
    `Changed to the branch of ${peer}, which ${votes.theirs} of ${votes.asked} peers are on: ` +
      `${disconnected} blocks after ${fork} came off, the tip is ${now.height} (${toHex(now.hash)})`
  )
})

/** The peer's block at a height, of which nothing is fetched if it is known to be invalid. */
const hashOf = Effect.fnUntraced(function* (peer: PeerId, at: Height) {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const { hash } = yield* registry.request(peer, { _tag: "GetBlockHash", height: at }, Policies.once("quick"))
  if (hash !== null && chain.refusal(hash) !== undefined) return yield* stop("KnownInvalid")
  return hash
})

/** The last block that we share, by halving what lies between one that we do and one that we do not. */
const commonAncestor = Effect.fnUntraced(function* (
  peer: PeerId,
  tip: Height
): Effect.fn.Return<Height, Stop, PeerRegistry | Blockchain> {
  const chain = yield* Blockchain
  const agrees = (at: bigint) =>
    Effect.map(hashOf(peer, height(at)), (theirs) => {
      const ours = chain.hashAt(height(at))
      return theirs !== null && ours !== undefined && bytesEqual(theirs, ours)
    })
  const depth = BigInt(Limits.REORG_DEPTH)
  let shared = tip < depth ? 0n : tip - depth
  if (!(yield* agrees(shared))) return yield* stop("ForkTooDeep")
  let parted: bigint = tip
  while (parted - shared > 1n) {
    const middle = (shared + parted) / 2n
    if (yield* agrees(middle)) shared = middle
    else parted = middle
  }
  return height(shared)
})

interface FetchedBranch {
  readonly bodies: ReadonlyArray<Block>
  readonly first: Hash256
  readonly last: BranchEnd
}

/** Lets the chain see the peer's blocks after the fork, and holds them: as many as can be kept beside the chain. */
const fetchBranch = Effect.fnUntraced(function* (
  peer: PeerId,
  fork: Height,
  end: bigint
): Effect.fn.Return<FetchedBranch, Stop, PeerRegistry | Blockchain> {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const bodies: Array<Block> = []
  let memory = 0
  let first: Hash256 | undefined
  let last: BranchEnd | undefined
  for (let next = fork + 1n; next <= end; next = last.height + 1n) {
    const request = { _tag: "GetBlocks", start: height(next), end: height(end) } as const
    const { blocks } = yield* registry.request(peer, request, Policies.once("bulk"))
    for (const block of blocks) {
      const [verdict] = yield* chain.connect([block])
      if (verdict === undefined || verdict._tag === "Orphan") return yield* stop("Contradiction")
      memory += blockMemory(block)
      if (memory > Limits.SIDE_BLOCK_BYTES) return yield* stop("Contradiction")
      bodies.push(block)
      last = { height: block.header.height, hash: blockHash(block.header) }
      first ??= last.hash
    }
    if (last === undefined || last.height < next) return yield* stop("Contradiction")
  }
  return first === undefined || last === undefined ? yield* stop("NotBetter") : { bodies, first, last }
})

/** Asks everybody who answers which block follows the fork. Who has none there is on neither side, as if silent. */
const takeVote = Effect.fnUntraced(function* (at: Height, theirs: Hash256) {
  const chain = yield* Blockchain
  const ours = chain.hashAt(at)
  const { answers, asked } = yield* hashesAt(at)
  const on = (branch: Hash256 | undefined) =>
    branch === undefined ? 0 : [...answers.values()].filter((hash) => bytesEqual(hash, branch)).length
  const votes = { asked, ours: on(ours), theirs: on(theirs) }
  return { ...votes, other: answers.size - votes.ours - votes.theirs } satisfies ForkVotes
})

/** Which block every peer that answers, and has one there, names at a height. */
const hashesAt = Effect.fnUntraced(function* (at: Height) {
  const registry = yield* PeerRegistry
  const request: RequestOf<"GetBlockHash"> = { _tag: "GetBlockHash", height: at }
  const peers = (yield* registry.peers).filter((info) => answers(info, request)).map(({ peer }) => peer)
  const result = yield* poll(request, { peers, deadline: Policies.forkVote, enough: () => false })
  const named = new Map<PeerId, Hash256>()
  for (const [peer, { hash }] of result.answers) if (hash !== null) named.set(peer, hash)
  return { asked: peers.length, answers: named }
})

const compareTips = Effect.gen(function* () {
  const chain = yield* Blockchain
  const tip = chain.tip()
  const { answers } = yield* hashesAt(tip.height)
  const branches = new Map<string, PeerId>()
  for (const [peer, hash] of answers) {
    if (!bytesEqual(hash, tip.hash) && !branches.has(toHex(hash))) branches.set(toHex(hash), peer)
  }
  yield* Effect.forEach([...branches.values()].slice(0, Limits.FORKS_AT_ONCE), resolve, { concurrency: "unbounded" })
})

/** Says why, and blames the peer if its blocks break a rule that no honest peer's break. */
const leave = Effect.fnUntraced(function* (peer: PeerId, stop: Stop) {
  switch (stop._tag) {
    case "NoFork":
    case "NotBetter":
      return
    case "ForkTooDeep":
      return yield* Effect.logWarning(`The branch of ${peer} is more than ${Limits.REORG_DEPTH} blocks away from ours`)
    case "Contradiction":
      return yield* Effect.logInfo(`The blocks of ${peer} are not those that it named`)
    case "KnownInvalid":
      return yield* Effect.logDebug(`The branch of ${peer} is known to be invalid`)
    case "Late":
      return yield* Effect.logInfo(`Looking into the branch of ${peer} took too long`)
    case "NotCarried": {
      const { asked, ours, other, theirs } = stop.votes
      const counted = `of ${asked} peers asked ${theirs} are on it, ${ours} on ours, ${other} on others`
      return yield* Effect.logWarning(`The branch of ${peer} is better and not followed: ${counted}`)
    }
    case "RequestError":
      return yield* Effect.logInfo(`No answer about its branch from ${peer}: ${stop.reason._tag}`)
    case "ReorganisationRefused":
      return yield* Effect.logInfo(`The branch of ${peer} is not followed: ${stop.reason}`)
    case "BlockRejected": {
      yield* Effect.logWarning(`Block ${stop.height} of ${peer} is not valid: ${describe(stop.rejection)}`)
      return provesMisbehaviour(stop.rejection) ? yield* expel(peer) : undefined
    }
    case "StoreError":
      return yield* Effect.logError("The chain cannot be reorganised", stop)
  }
})

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
