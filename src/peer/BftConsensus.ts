/**
 * `Consensus` by Tendermint over the messages of the network: one fiber that takes what comes, in order.
 *
 * A height begins when it is due. Of missed ones only the first is made, when no peer that can be synced from has it.
 * What is signed is in the journal before it is sent; what was decided goes on the chain before its certificate does.
 * Nothing here waits for a peer: what is not decided is said again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { isCounted, votesFor, EPOCH_ROUNDS } from "../consensus/BftRound.ts"
import { type BftEvent, NIL, type Step, type Value } from "../consensus/BftState.ts"
import { assembleBlock, isWhole, proposalRejection } from "../consensus/BlockAssembly.ts"
import { spentOutPoints } from "../consensus/BlockRules.ts"
import { type BlockCommit, certificateOf, isCertificate, roundOf } from "../consensus/Certificate.ts"
import { coinView } from "../consensus/CoinView.ts"
import { LEAST_MASTERNODES, leaderOf } from "../consensus/LeaderSchedule.ts"
import { openBallot, signBallot, signProposal, verifyBallot, verifyProposal } from "../protocol/Bft.ts"
import { type Block, blockHash } from "../protocol/Block.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import type { PublicKey } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import { height as toHeight, type Height } from "../protocol/Height.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Message, MessageOf } from "../protocol/Message.ts"
import { dueTime, expectedHeight } from "../protocol/Network.ts"
import type { PeerId } from "../protocol/PeerId.ts"
import { Blockchain, type BlockRejected } from "../services/Blockchain.ts"
import type { StoreError } from "../services/ChainStore.ts"
import { type CertifiedBlock, Consensus, type ConsensusStep } from "../services/Consensus.ts"
import { ConsensusJournal } from "../services/ConsensusJournal.ts"
import { Gossip } from "../services/Gossip.ts"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import { Mempool } from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { PeerRegistry } from "../services/PeerRegistry.ts"
import { Sync } from "../services/Sync.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import { BftHeight, hashOf } from "./BftHeight.ts"
import { activeInPeriod, committeeOf, payeesOf } from "./Committee.ts"
import { EarlyMessages, type Received } from "./EarlyMessages.ts"
import * as Policies from "./Policies.ts"

type Input =
  | ({ readonly _tag: "Received" } & Received)
  | { readonly _tag: "Timeout"; readonly height: Height; readonly step: Step; readonly round: number }
  | { readonly _tag: "Fetched"; readonly block: Block; readonly commit: BlockCommit; readonly from: PeerId }
  | { readonly _tag: "Resend" }
  /** Time has come, or the chain has changed. */
  | { readonly _tag: "Look" }

export const layer = Layer.effect(
  Consensus,
  Effect.gen(function* () {
    const chain = yield* Blockchain
    const gossip = yield* Gossip
    const journal = yield* ConsensusJournal
    const masternodes = yield* MasternodeRegistry
    const mempool = yield* Mempool
    const registry = yield* PeerRegistry
    const sync = yield* Sync
    const utxos = yield* UtxoStore
    const { externalAddress, key } = yield* NodeIdentity
    const { legacy } = yield* NodeConfig
    const { network } = chain
    /** Missed blocks come at least twice as fast as new ones are due, or they would never all be made. */
    const catchUpInterval = Math.min(CATCH_UP_INTERVAL, Number(network.blockSeconds) * 500)

    const inbox = yield* Queue.unbounded<Input>()
    const timers = yield* FiberMap.make<Step | "look" | "resend">()
    const fetches = yield* FiberMap.make<PeerId>()
    const early = new EarlyMessages()
    const certificates = new Map<Height, BlockCommit>()
    let certified: CertifiedBlock | null = null
    let current: BftHeight | undefined
    let idle: ConsensusStep = "Waiting"
    let waiting = 0
    /** When the last missed height was begun, in milliseconds. */
    let caughtUpAt = -Infinity
    /** When the last block was decided, and peers were told of one by themselves, in milliseconds. */
    let decidedAt = 0
    const told = new Map<PeerId, number>()

    const later = (name: Step | "look" | "resend", wait: Duration.Duration, input: Input) =>
      Effect.asVoid(FiberMap.run(timers, name, Effect.andThen(Effect.sleep(wait), Queue.offer(inbox, input))))
    const lookAfter = (wait: Duration.Duration) => later("look", wait, { _tag: "Look" })

    /** Only timenodes know what to do with it; a `timed` would pass it on for ever. */
    const spread = (message: Message, from?: PeerId) =>
      registry.broadcast(message, {
        ...(from === undefined ? {} : { except: from }),
        to: ({ agent }) => agent === "timenode"
      })

    // --- one height ---

    /** Lets the event have its effects, and what follows from them. */
    const run = Effect.fnUntraced(function* (first: BftEvent) {
      const running = current
      if (running === undefined) return
      const events: Array<BftEvent> = [first]
      const toSend: Array<Message> = []
      let decided: { readonly round: number; readonly value: Value } | undefined
      for (let event = events.shift(); event !== undefined; event = events.shift()) {
        for (const action of running.advance(event)) {
          switch (action._tag) {
            case "Propose": {
              const block = action.value === null ? yield* assemble(running) : running.block(action.value)
              if (block === undefined || key === null || externalAddress === null) break
              const hash = blockHash(block.header)
              const { round } = action
              running.addBlock(toHex(hash), block)
              const signature = signProposal(running.height, round, hash, key)
              running.proposal = {
                _tag: "BlockProposal",
                block,
                proposer: externalAddress,
                signature,
                round: BigInt(round)
              }
              toSend.push(running.proposal)
              events.push({ _tag: "Proposal", proposal: { round, value: toHex(hash), isValid: true } })
              break
            }
            case "Cast": {
              if (key === null || externalAddress === null) break
              const { kind, round, value } = action
              const ballot = { kind, height: running.height, round, blockHash: hashOf(value) }
              const { signature } = signBallot(ballot, key)
              const vote = { kind, round, value, voter: externalAddress, signature }
              toSend.push(running.voteMessage(vote))
              events.push({ _tag: "Vote", vote })
              break
            }
            case "Wait": {
              const { round, step } = action
              const duration = Policies.consensusStep(step, round % EPOCH_ROUNDS, network.blockSeconds)
              yield* later(step, duration, { _tag: "Timeout", height: running.height, step, round })
              break
            }
            case "Equivocation": {
              const { round, voter, what } = action
              if (!running.accuse(`${voter} ${what} ${round}`)) break
              yield* Effect.logWarning(`${voter} has signed two ${what}s for round ${round} of ${running.height}`)
              break
            }
            case "Decide":
              decided = action
          }
        }
      }
      // Nobody hears what may be forgotten.
      if (toSend.length > 0) yield* journal.write(running.journalEntry())
      for (const message of toSend) yield* spread(message)
      if (decided !== undefined) yield* conclude(running, decided.round, decided.value)
    })

    const assemble = Effect.fnUntraced(function* ({ due, parent }: BftHeight) {
      const payees = payeesOf(masternodes, network, due)
      if (payees.length === 0) return undefined
      const transactions = (yield* mempool.finalized).map(({ transaction }) => transaction)
      const outpoints = transactions.flatMap(({ inputs }) => inputs.map(({ previousOutput }) => previousOutput))
      const coins = coinView(yield* utxos.getMany(outpoints))
      return assembleBlock({ network, parent, payees, transactions, coins, legacy })
    })

    /** Whether we would have the block on our chain. */
    const judge = Effect.fnUntraced(function* (block: Block, { due, parent }: BftHeight) {
      const rejection = proposalRejection(block, {
        network,
        legacy,
        parent: { header: parent, hash: parent.hash },
        now: yield* nowSeconds,
        coins: coinView(yield* utxos.getMany(spentOutPoints(block))),
        active: activeInPeriod(masternodes, network, due),
        final: (yield* mempool.finalized).map(({ transaction }) => transaction)
      })
      if (rejection !== undefined)
        yield* Effect.logWarning(`No vote for a proposed block: ${rejection._tag}`, rejection)
      return rejection === undefined
    })

    const conclude = Effect.fnUntraced(function* (running: BftHeight, round: number, value: Value) {
      const block = running.block(value)
      const votes = votesFor(running.state, "Precommit", { round, value })
      const commit = certificateOf(running.height, hashOf(value), votes)
      // Who precommitted has the block, and answers what we say again with its certificate.
      if (block !== undefined) yield* connect(block, commit)
    })

    /** A block that was decided goes on the chain, and then to everybody. */
    const connect = Effect.fnUntraced(function* (block: Block, commit: BlockCommit, from?: PeerId) {
      const [verdict] = yield* chain.connect([block])
      if (verdict?._tag === "SideBranch") {
        yield* Effect.logWarning(`Block ${commit.height} was decided, but another one is on our chain`)
        yield* Effect.ignore(chain.reorganise(commit.blockHash))
      }
      if (chain.heightOf(commit.blockHash) === undefined) return
      noteCertificate(commit)
      decidedAt = yield* Clock.currentTimeMillis
      yield* spread(commit, from)
      yield* gossip.relay(toHex(commit.blockHash), { _tag: "BlockAnnouncement", block }, null)
      yield* look
    })

    const noteCertificate = (commit: BlockCommit) => {
      certificates.set(commit.height, commit)
      if (certificates.size > Limits.CERTIFICATES) certificates.delete(certificates.keys().next().value!)
      if (certified === null || commit.height > certified.height) {
        certified = { height: commit.height, hash: commit.blockHash }
      }
    }

    // --- when a height begins and ends ---

    const stop = Effect.suspend(() => {
      current = undefined
      return Effect.forEach(
        ["Propose", "Prevote", "Precommit", "resend"] as const,
        (name) => FiberMap.remove(timers, name),
        {
          discard: true
        }
      )
    })

    /** Begins, ends or goes on as the time and the chain demand. */
    const look: Effect.Effect<void, ConsensusFailure> = Effect.gen(function* () {
      const tip = chain.tip()
      if (current !== undefined && !bytesEqual(current.parent.hash, tip.hash)) yield* stop
      if (idle === "Halted") return
      const next = toHeight(tip.height + 1n)
      const now = yield* Clock.currentTimeMillis
      const due = Number(dueTime(network, next)) * 1_000
      if (now < due) {
        idle = "Waiting"
        return yield* lookAfter(Duration.millis(due - now))
      }
      const expected = expectedHeight(network, toUnixSeconds(now))
      if (current === undefined) return yield* start(next, expected, now)
      if (current.due < expected) {
        const committee = committeeOf(masternodes, network, expected)
        yield* lookAtNextDue(expected, now)
        if (committee.members.length >= LEAST_MASTERNODES) yield* run(current.enter(expected, committee))
      }
    })

    const lookAtNextDue = (expected: Height, now: number) =>
      lookAfter(Duration.millis(Number(dueTime(network, toHeight(expected + 1n))) * 1_000 - now))

    const start = Effect.fnUntraced(function* (next: Height, expected: Height, now: number) {
      if (expected > next) {
        const { target } = yield* sync.status
        const wait = Math.max(target >= next ? PAUSE : 0, caughtUpAt + catchUpInterval - now)
        idle = "Waiting"
        if (wait > 0) return yield* lookAfter(Duration.millis(wait))
        caughtUpAt = now
      }
      const committee = committeeOf(masternodes, network, expected)
      if (committee.members.length < LEAST_MASTERNODES) {
        idle = "TooFew"
        return yield* lookAfter(Policies.consensusPause)
      }
      const ours = externalAddress === null ? undefined : committee.keys.get(externalAddress)
      const isMember = key !== null && ours !== undefined && bytesEqual(ours, key.publicKey)
      const self = isMember ? externalAddress : null
      const remembered = isMember ? yield* journal.read : null
      current = new BftHeight(chain.tip(), expected, self, remembered, ({ header }) => toHex(blockHash(header)))
      yield* later("resend", Policies.consensusResend, { _tag: "Resend" })
      yield* lookAtNextDue(expected, now)
      yield* run(current.enter(expected, committee))
      for (const { from, message } of early.take(next)) yield* received(message, from)
    })

    const resend = Effect.gen(function* () {
      if (current === undefined) return
      const { proposal, state } = current
      if (state.self !== null) {
        if (proposal !== undefined && Number(proposal.round) === state.round) yield* spread(proposal)
        for (const vote of current.votesToResend()) yield* spread(current.voteMessage(vote))
      }
      yield* later("resend", Policies.consensusResend, { _tag: "Resend" })
    })

    // --- what peers say ---

    const received = Effect.fnUntraced(function* (
      message: Received["message"],
      from: PeerId
    ): Effect.fn.Return<void, ConsensusFailure> {
      const next = chain.tip().height + 1n
      const at = message._tag === "BlockProposal" ? message.block.header.height : message.height
      if (message._tag === "BlockCommit") return yield* commitReceived(message, from)
      if (at < next) return yield* tellDecided(from, at)
      if (current?.height === at) {
        return message._tag === "BlockVote"
          ? yield* voteReceived(current, message, from)
          : yield* proposed(current, message, from)
      }
      if (at > next + 1n) return
      const expected = expectedHeight(network, yield* nowSeconds)
      const { keys } = committeeOf(masternodes, network, at > expected ? at : expected)
      const name = signedName(message, keys)
      if (name !== undefined) early.keep(at, name, { message, from })
    })

    /** The peer may not know that the height is decided: unless what it says was under way when it was told so. */
    const tellDecided = Effect.fnUntraced(function* (to: PeerId, at: Height) {
      const commit = certificates.get(at)
      const now = yield* Clock.currentTimeMillis
      if (commit === undefined || now - Math.max(told.get(to) ?? 0, decidedAt) < RESEND) return
      told.set(to, now)
      if (told.size > Limits.BUDGETED_PEERS) told.delete(told.keys().next().value!)
      yield* Effect.ignore(registry.send(to, commit))
    })

    const voteReceived = Effect.fnUntraced(function* (
      running: BftHeight,
      message: MessageOf<"BlockVote">,
      from: PeerId
    ) {
      const { signature, voter } = message
      const ballot = openBallot(running.height, message.blockHash, signature)
      if (ballot === undefined || !message.approve) return
      const value = bytesEqual(ballot.blockHash, hashOf(NIL)) ? NIL : toHex(ballot.blockHash)
      const vote = { kind: ballot.kind, round: ballot.round, value, voter, signature }
      const voterKey = running.keyOf(voter, ballot.round)
      if (voterKey === undefined || isCounted(running.state, vote)) return
      if (!verifyBallot(ballot, signature, voterKey)) return
      yield* run({ _tag: "Vote", vote })
      if (isCounted(running.state, vote)) yield* spread(message, from)
    })

    const proposed = Effect.fnUntraced(function* (
      running: BftHeight,
      message: MessageOf<"BlockProposal">,
      from: PeerId
    ) {
      const { block, proposer, signature } = message
      const round = Number(message.round)
      const hash = blockHash(block.header)
      const value = toHex(hash)
      const isKnown = () => running.state.rounds.get(round)?.proposals.includes(value) === true
      // Beyond what the decision keeps, a block would take the place of one that is needed.
      if (round > running.state.round + Limits.BFT_ROUNDS_AHEAD) return
      if ((running.state.rounds.get(round)?.proposals.length ?? 0) > 1) return
      if (isKnown() || running.leader(round) !== proposer) return
      const leaderKey = running.keyOf(proposer, round)
      if (leaderKey === undefined || !verifyProposal(running.height, round, hash, signature, leaderKey)) return
      // A header that comes with another body would make us refuse the block that its leader signed.
      if (!isWhole(block)) return
      const { self, values } = running.state
      const isValid = values.get(value) ?? (self === null || (yield* judge(block, running)))
      if (isValid && running.block(value) === undefined) running.addBlock(value, block)
      yield* run({ _tag: "Proposal", proposal: { round, value, isValid } })
      if (isKnown()) yield* spread(message, from)
    })

    const commitReceived = Effect.fnUntraced(function* (commit: BlockCommit, from: PeerId) {
      const { blockHash: hash, height: at } = commit
      const round = roundOf(commit)
      if (round === undefined || certificates.has(at) || at > expectedHeight(network, yield* nowSeconds)) return
      const due = toHeight(at + BigInt(Math.floor(round / EPOCH_ROUNDS)))
      const { keys } = committeeOf(masternodes, network, due)
      if (keys.size < LEAST_MASTERNODES || !isCertificate(commit, round, keys)) return
      const next = chain.tip().height + 1n
      if (at > next) return yield* sync.report(from, at)
      if (chain.heightOf(hash) !== undefined) {
        noteCertificate(commit)
        return yield* Effect.asVoid(spread(commit, from))
      }
      const block = current?.height === at ? current.block(toHex(hash)) : undefined
      if (block !== undefined) return yield* connect(block, commit, from)
      yield* FiberMap.run(fetches, from, fetch(commit, from), { onlyIfMissing: true })
    })

    const fetch = Effect.fnUntraced(
      function* (commit: BlockCommit, from: PeerId) {
        const { height } = commit
        const request = { _tag: "GetBlocks", start: height, end: height } as const
        const { blocks } = yield* registry.request(from, request, Policies.once("bulk"))
        const block = blocks.find(({ header }) => bytesEqual(blockHash(header), commit.blockHash))
        if (block !== undefined) yield* Queue.offer(inbox, { _tag: "Fetched", block, commit, from })
      },
      (effect) => Effect.ignore(effect)
    )

    // --- the one fiber ---

    const handle = (input: Input): Effect.Effect<void, ConsensusFailure> => {
      switch (input._tag) {
        case "Received":
          waiting--
          return received(input.message, input.from)
        case "Timeout":
          return input.height === current?.height ? run(input) : Effect.void
        case "Fetched":
          return connect(input.block, input.commit, input.from)
        case "Resend":
          return resend
        case "Look":
          return look
      }
    }

    /** What cannot be kept must not be said: after a failure of the disk nothing is signed any more. */
    const failed = (failure: ConsensusFailure) => {
      if (failure._tag === "BlockRejected")
        return Effect.logError("A block that was decided is not valid here", failure)
      idle = "Halted"
      return Effect.andThen(stop, Effect.logError("Taking no further part in making blocks", failure))
    }

    yield* chain.changes.pipe(
      Stream.runForEach(() => Queue.offer(inbox, { _tag: "Look" })),
      Effect.forkScoped
    )
    yield* Queue.take(inbox).pipe(
      Effect.flatMap((input) => handle(input).pipe(Effect.catch(failed))),
      Effect.catchDefect((defect) => Effect.logError("A message about a block failed unexpectedly", defect)),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Queue.offer(inbox, { _tag: "Look" })

    return Consensus.of({
      receive: (message, from) =>
        Effect.sync(() => {
          if (waiting >= Limits.CONSENSUS_QUEUE) return
          waiting++
          Queue.offerUnsafe(inbox, { _tag: "Received", message, from })
        }),
      status: () => {
        const height = toHeight(chain.tip().height + 1n)
        if (current === undefined) return { height, round: 0, step: idle, leader: null, members: 0, isMember: false }
        const { round, self, step, epochs } = current.state
        const members = epochs.at(-1)?.members.length ?? 0
        return { height, round, step, leader: current.leader(round) ?? null, members, isMember: self !== null }
      },
      certified: () => certified
    })
  })
)

// --- internal ---

const RESEND = Duration.toMillis(Policies.consensusResend)
const PAUSE = Duration.toMillis(Policies.consensusPause)
const CATCH_UP_INTERVAL = 60_000 / Limits.CATCH_UP_BLOCKS_A_MINUTE

/** What a message is one of, if a member with one of these keys has signed it. */
const signedName = (
  message: MessageOf<"BlockProposal" | "BlockVote">,
  keys: ReadonlyMap<string, PublicKey>
): string | undefined => {
  if (message._tag === "BlockVote") {
    const key = keys.get(message.voter)
    const ballot = key && openBallot(message.height, message.blockHash, message.signature)
    return key !== undefined && ballot !== undefined && verifyBallot(ballot, message.signature, key)
      ? `${message.voter} ${ballot.kind} ${ballot.round}`
      : undefined
  }
  const { block, proposer, signature } = message
  const round = Number(message.round)
  const key = leaderOf(block.header.height, round, [...keys.keys()]) === proposer ? keys.get(proposer) : undefined
  return key !== undefined && verifyProposal(block.header.height, round, blockHash(block.header), signature, key)
    ? `${proposer} ${round}`
    : undefined
}

type ConsensusFailure = StoreError | BlockRejected

const nowSeconds = Effect.map(Clock.currentTimeMillis, toUnixSeconds)
