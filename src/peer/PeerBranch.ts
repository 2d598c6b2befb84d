/**
 * One peer's branch: where it parts from our chain, what it is worth, and following it.
 *
 * Nothing of ours comes off before the branch has been fetched, is better, is what most peers that were asked are on,
 * and has been checked whole. A peer that stalls or contradicts itself ends its own case and no other. What is checked
 * are the blocks as this peer sent them: a header need not bind its body, so that nobody else's copy may speak for it.
 */
import * as Effect from "effect/Effect"
import { describe, provesMisbehaviour } from "../consensus/BlockRejection.ts"
import { decideVote, type ForkVotes, isBetter } from "../consensus/ForkChoice.ts"
import { type Block, blockHash, blockMemory } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { answers, type RequestOf } from "../protocol/Exchange.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height, type Height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain, type BlockRejected, type ReorganisationRefused } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type PeerInfo, PeerRegistry, type RequestError } from "../services/PeerRegistry.ts"
import { expel } from "./Expulsion.ts"
import * as Policies from "./Policies.ts"
import { poll } from "./Poll.ts"

/** Why a branch is not followed. */
export type Stop =
  | { readonly _tag: "NoFork" | "ForkTooDeep" | "NotBetter" | "Contradiction" | "KnownInvalid" | "Late" }
  | { readonly _tag: "NotCarried"; readonly votes: ForkVotes }
  | RequestError
  | BlockRejected
  | ReorganisationRefused
  | StoreError

/** Where a peer's branch parts from our chain. */
export interface Fork {
  /** The last block that is shared. */
  readonly at: Height
  /** The peer's block after it, by which its branch is told from others. */
  readonly first: Hash256
  /** How much of the branch is fetched: one block beyond ours is enough to decide. */
  readonly end: bigint
}

/** Finds the fork by asking the peer for hashes: a dozen quick questions. Fails unless the branch may be better. */
export const locate = Effect.fnUntraced(function* (
  peer: PeerId
): Effect.fn.Return<Fork, Stop, Blockchain | PeerRegistry> {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const tip = chain.tip()
  const { height: reported } = yield* registry.request(peer, { _tag: "GetBlockHeight" }, Policies.once("quick"))
  if (reported < tip.height) return yield* stop("NotBetter")
  const theirs = yield* hashOf(peer, tip.height)
  if (theirs === null) return yield* stop("Contradiction")
  if (bytesEqual(theirs, tip.hash)) return yield* stop("NoFork")
  if (reported === tip.height && !isBetter({ height: tip.height, hash: theirs }, tip)) return yield* stop("NotBetter")
  return { ...(yield* lastShared(peer, tip.height, theirs)), end: min(reported, tip.height + 1n) }
})

/**
 * Fetches the branch, asks all peers whether they are on it, and makes it the best chain; gives its last block. What
 * comes after that one is fetched like any block, now that the branch is ours.
 */
export const follow = Effect.fnUntraced(function* (
  peer: PeerId,
  { at, end, first }: Fork
): Effect.fn.Return<Block, Stop, Blockchain | PeerRegistry> {
  const chain = yield* Blockchain
  const bodies = yield* fetchBranch(peer, at, first, end)
  const { header } = bodies.at(-1)!
  const last = { height: header.height, hash: blockHash(header) }
  if (!isBetter(last, chain.tip())) return yield* stop("NotBetter")
  const votes = yield* takeVote(height(at + 1n), first)
  if (decideVote(votes) !== "Carried") return yield* Effect.fail<Stop>({ _tag: "NotCarried", votes })
  const { disconnected, tip } = yield* chain.reorganise(last.hash, bodies)
  yield* Effect.logWarning(
    `Changed to the branch of ${peer}, which ${votes.theirs} of ${votes.asked} peers are on: ` +
      `${disconnected} blocks after ${at} came off, the tip is ${tip.height} (${toHex(tip.hash)})`
  )
  return bodies.at(-1)!
})

/** Which block every peer that answers, and has one there, names at a height. */
export const hashesAt = Effect.fnUntraced(function* (at: Height, among: (info: PeerInfo) => boolean = () => true) {
  const registry = yield* PeerRegistry
  const request: RequestOf<"GetBlockHash"> = { _tag: "GetBlockHash", height: at }
  const peers = (yield* registry.peers).filter((info) => answers(info, request) && among(info)).map(({ peer }) => peer)
  const result = yield* poll(request, { peers, deadline: Policies.forkVote, enough: () => false })
  const named = new Map<PeerId, Hash256>()
  for (const [peer, { hash }] of result.answers) if (hash !== null) named.set(peer, hash)
  return { asked: peers.length, answers: named }
})

/** Says why, and blames the peer if its blocks break a rule that no honest peer's break. */
export const leave = Effect.fnUntraced(function* (peer: PeerId, stop: Stop) {
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
      return provesMisbehaviour(stop.rejection, yield* NodeConfig) ? yield* expel(peer) : undefined
    }
    case "StoreError":
      return yield* Effect.logError("The chain cannot be reorganised", stop)
  }
})

// --- internal ---

const stop = (_tag: "NoFork" | "ForkTooDeep" | "NotBetter" | "Contradiction" | "KnownInvalid") =>
  Effect.fail<Stop>({ _tag })

/** The peer's block at a height, of which nothing is fetched if it is known to be invalid. */
const hashOf = Effect.fnUntraced(function* (peer: PeerId, at: Height) {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const { hash } = yield* registry.request(peer, { _tag: "GetBlockHash", height: at }, Policies.once("quick"))
  if (hash !== null && chain.refusal(hash) !== undefined) return yield* stop("KnownInvalid")
  return hash
})

/** The last block that we share, by halving what lies between one that we do and one that we do not. */
const lastShared = Effect.fnUntraced(function* (
  peer: PeerId,
  tip: Height,
  theirs: Hash256
): Effect.fn.Return<Pick<Fork, "at" | "first">, Stop, PeerRegistry | Blockchain> {
  const chain = yield* Blockchain
  const isOurs = (hash: Hash256 | null, at: bigint) => {
    const ours = chain.hashAt(height(at))
    return hash !== null && ours !== undefined && bytesEqual(hash, ours)
  }
  const depth = BigInt(Limits.REORG_DEPTH)
  let shared = tip < depth ? 0n : tip - depth
  if (!isOurs(yield* hashOf(peer, height(shared)), shared)) return yield* stop("ForkTooDeep")
  let parted: bigint = tip
  let first = theirs
  while (parted - shared > 1n) {
    const middle = (shared + parted) / 2n
    const hash = yield* hashOf(peer, height(middle))
    if (hash === null) return yield* stop("Contradiction")
    if (isOurs(hash, middle)) shared = middle
    else {
      parted = middle
      first = hash
    }
  }
  return { at: height(shared), first }
})

/** Lets the chain see the peer's blocks after the fork, and holds them: as many as can be kept beside the chain. */
const fetchBranch = Effect.fnUntraced(function* (
  peer: PeerId,
  fork: Height,
  first: Hash256,
  end: bigint
): Effect.fn.Return<ReadonlyArray<Block>, Stop, PeerRegistry | Blockchain> {
  const chain = yield* Blockchain
  const registry = yield* PeerRegistry
  const bodies: Array<Block> = []
  let memory = 0
  let last: bigint = fork
  while (last < end) {
    const request = { _tag: "GetBlocks", start: height(last + 1n), end: height(end) } as const
    const { blocks } = yield* registry.request(peer, request, Policies.once("bulk"))
    const reached = last
    for (const block of blocks) {
      // The vote is about the first one alone: all others have to follow from it.
      const before = bodies.at(-1)
      const follows = before
        ? bytesEqual(block.header.previousHash, blockHash(before.header))
        : bytesEqual(blockHash(block.header), first)
      if (!follows) return yield* stop("Contradiction")
      const [verdict] = yield* chain.connect([block])
      if (verdict === undefined || verdict._tag === "Orphan") return yield* stop("Contradiction")
      memory += blockMemory(block)
      if (memory > Limits.SIDE_BLOCK_BYTES) return yield* stop("Contradiction")
      bodies.push(block)
      last = block.header.height
    }
    if (last <= reached) return yield* stop("Contradiction")
  }
  return bodies
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

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
