/**
 * Looks into the branches of peers, each in a fiber of its own: few at a time, one case a branch.
 *
 * Whoever comes upon a branch (an announced block, a sync, the comparison of tips) shares the same places. A peer that
 * stalls holds one of them until its deadline, and other peers of its branch for less: they wait for its case without a
 * place, and go on beside it when it lasts.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { toHex } from "../protocol/Hash.ts"
import { height } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Message } from "../protocol/Message.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { Forks } from "../services/Forks.ts"
import { Gossip } from "../services/Gossip.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import type { PeerGuard } from "../services/PeerGuard.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import * as PeerBranch from "./PeerBranch.ts"
import * as Policies from "./Policies.ts"

type Services = Blockchain | PeerRegistry | PeerGuard | Gossip | NodeConfig

/**
 * A peer whose branch was not taken is left alone for a while, so that it cannot make us put one question after the other
 * to everybody. `resolve` does the same at once for one peer, and waits: true if its branch is our chain now.
 */
export const make = Effect.gen(function* () {
  const services = yield* Effect.context<Services>()
  const scope = yield* Effect.scope
  const cases = yield* FiberMap.make<PeerId>()
  const places = yield* Semaphore.make(Limits.FORKS_AT_ONCE)
  /** The newest case about each branch, by the branch's first hash; one that the vote refused, until its pause is over. */
  const branches = new Map<string, Deferred.Deferred<Outcome>>()

  /** Follows the branch; if somebody else's case about it is open, gives that one instead, unless told to go on. */
  const look = Effect.fnUntraced(function* (peer: PeerId, beside: boolean) {
    const fork = yield* PeerBranch.locate(peer)
    const name = toHex(fork.first)
    const other = branches.get(name)
    if (other !== undefined && !beside) return other
    const own = Deferred.makeUnsafe<Outcome>()
    branches.set(name, own)
    const forget = Effect.sync(() => void (branches.get(name) === own && branches.delete(name)))
    yield* Effect.addFinalizer(() => forget)
    const outcome = PeerBranch.follow(peer, fork).pipe(
      Effect.tap((tip) => Effect.forkIn(announce(tip, peer), scope)),
      Effect.as<Outcome>("Taken"),
      Effect.catch((stop) => leave(peer, stop))
    )
    return yield* Effect.onExit(outcome, (exit) => {
      const known = exit._tag === "Success" ? exit.value : "Failed"
      return Effect.andThen(Deferred.succeed(own, known), known === "Failed" ? forget : Effect.void)
    })
  })

  const lookInPlace = (peer: PeerId, beside: boolean) =>
    look(peer, beside).pipe(
      Effect.timeoutOrElse({ duration: Policies.forkResolution, orElse: () => Effect.fail(LATE) }),
      Effect.catch((stop) => leave(peer, stop)),
      places.withPermit
    )

  const lookOnce = Effect.fnUntraced(function* (peer: PeerId) {
    let outcome = yield* lookInPlace(peer, false)
    if (typeof outcome !== "string") {
      const others = yield* Effect.timeoutOption(Deferred.await(outcome), Policies.forkTurn)
      if (Option.isSome(others) && others.value !== "Failed") return others.value === "Taken"
      outcome = yield* lookInPlace(peer, true)
    }
    return outcome === "Taken"
  })

  const resolve = Effect.fn("ForkResolver.resolve")((peer: PeerId) =>
    lookOnce(peer).pipe(Effect.scoped, Effect.provideContext(services))
  )
  const settle = (peer: PeerId) =>
    lookOnce(peer).pipe(
      Effect.flatMap((taken) => (taken ? Effect.void : Effect.sleep(Policies.passOver))),
      Effect.scoped,
      Effect.provideContext(services)
    )

  const consider = (peer: PeerId): Effect.Effect<void> =>
    Effect.flatMap(FiberMap.size(cases), (open) =>
      open >= Limits.FORKS_WAITING
        ? Effect.void
        : Effect.asVoid(FiberMap.run(cases, peer, settle(peer), { onlyIfMissing: true }))
    )
  return { consider, resolve }
})

/**
 * Also asks all peers, each minute, which block they have where our chain ends. Without this, two branches that are
 * equally long would stay apart until one of them grows, because nobody announces an old block.
 */
export const layer: Layer.Layer<Forks, never, Services> = Layer.effect(
  Forks,
  Effect.gen(function* () {
    const { consider } = yield* make
    yield* Effect.flatMap(otherTips, (peers) => Effect.forEach(peers, consider, { discard: true })).pipe(
      Effect.delay(Policies.pollInterval),
      Effect.forever,
      Effect.forkScoped
    )
    return Forks.of({ consider })
  })
)

// --- internal ---

/** What came of a case: of the branch, whoever sends it (`Taken`, `Refused`), or of this peer alone (`Failed`). */
type Outcome = "Taken" | "Refused" | "Failed"

const LATE: PeerBranch.Stop = { _tag: "Late" }

const leave = (peer: PeerId, stop: PeerBranch.Stop) =>
  Effect.as(PeerBranch.leave(peer, stop), stop._tag === "NotCarried" ? ("Refused" as const) : ("Failed" as const))

/** One peer for each block that peers have where our chain ends, other than ours. */
const otherTips = Effect.gen(function* () {
  const chain = yield* Blockchain
  const tip = chain.tip()
  const { answers } = yield* PeerBranch.hashesAt(tip.height)
  const branches = new Map<string, PeerId>()
  for (const [peer, hash] of answers) {
    if (!bytesEqual(hash, tip.hash) && !branches.has(toHex(hash))) branches.set(toHex(hash), peer)
  }
  return branches.values()
})

/**
 * Tells of the tip that a change of branch has led to, and of none of the blocks before it: timenodes ask for those. A
 * `timed` that gets a block after its own tip with another parent rolls back without having anything else, so that only
 * those are told which name that parent; the others ask in their time.
 */
const announce = Effect.fnUntraced(function* (block: Block, from: PeerId) {
  const gossip = yield* Gossip
  const registry = yield* PeerRegistry
  const message: Message = { _tag: "BlockAnnouncement", block }
  const told = yield* gossip.relay(toHex(blockHash(block.header)), message, from, ({ agent }) => agent === "timenode")
  if (told === "known") return
  const { answers } = yield* PeerBranch.hashesAt(
    height(block.header.height - 1n),
    ({ agent, peer }) => agent === "timed" && peer !== from
  )
  for (const [peer, hash] of answers) {
    if (bytesEqual(hash, block.header.previousHash)) yield* Effect.ignore(registry.send(peer, message))
  }
})
