/**
 * `Mempool` in this process over a journal: the rules of a pool, whatever keeps it.
 *
 * Every input is promised to one transaction: the first that was seen stays, and when the pool is full it takes no more.
 * A check and the change that follows it are one turn, in which no block and no other transaction comes between. A
 * change is in the journal before it is in memory, and in memory before anybody is told.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { coinView } from "../consensus/CoinView.ts"
import { advance, type PoolPhase } from "../consensus/SpendPhase.ts"
import { validateTransaction } from "../consensus/TransactionRules.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type Hash256, toHex } from "../protocol/Hash.ts"
import { height as toHeight } from "../protocol/Height.ts"
import { toUnixSeconds } from "../protocol/Integer.ts"
import * as Limits from "../protocol/Limits.ts"
import { type OutPoint, type Transaction, txid as transactionId } from "../protocol/Transaction.ts"
import { type OutPointKey, outPointKey, type UtxoState } from "../protocol/Utxo.ts"
import type { Vote } from "../protocol/Vote.ts"
import {
  Mempool,
  NotInPool,
  type Overruling,
  type PooledTransaction,
  type PoolEvent,
  type PoolStep,
  TransactionRejected,
  VoteRefused
} from "../services/Mempool.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { type ChainDelta, UtxoStore } from "../services/UtxoStore.ts"
import { OrphanTransactions } from "./OrphanTransactions.ts"
import type { PoolChange, PoolJournal } from "./PoolJournal.ts"
import { sizeOf, TransactionPool } from "./TransactionPool.ts"

/** A pool with what the journal has kept, as far as the chain still allows it. */
export const make = Effect.fnUntraced(function* (journal: PoolJournal) {
  const { network } = yield* NodeConfig
  const utxos = yield* UtxoStore
  const pool = new TransactionPool()
  const orphans = new OrphanTransactions()
  /** Transactions that blocks contain, should these come off; by txid in hex. */
  const mined = new Map<string, { readonly pooled: PooledTransaction; height: bigint }>()
  const votedDown = new Set<string>()
  const turn = yield* Semaphore.make(1)
  const hub = yield* Effect.acquireRelease(PubSub.sliding<PoolEvent>(Limits.POOL_EVENTS), PubSub.shutdown)
  const tell = (event: PoolEvent) => PubSub.publish(hub, event)
  const seconds = Effect.map(Clock.currentTimeMillis, toUnixSeconds)

  const coinsOf = (outpoints: ReadonlyArray<OutPoint>) =>
    Effect.map(utxos.getMany(outpoints), (confirmed) => {
      const coins = new Map(confirmed)
      for (const outpoint of outpoints) {
        const key = outPointKey(outpoint)
        const made = pool.made(key)
        if (made !== undefined) coins.set(key, made)
      }
      return coins
    })

  /** Keeps an orphan, unless the chain has spent already what it wants. */
  const keepOrphan = Effect.fnUntraced(function* (transaction: Transaction, unknown: ReadonlyArray<OutPoint>) {
    const spent = yield* utxos.states(unknown)
    if (spent.length === 0) orphans.add(transaction)
  })

  const submitAlone = Effect.fnUntraced(function* (
    transaction: Transaction,
    origin: Extract<PoolEvent, { readonly _tag: "Accepted" }>["origin"]
  ) {
    const txid = transactionId(transaction)
    const id = toHex(txid)
    const refuse = (reason: TransactionRejected["reason"], rival?: string) =>
      new TransactionRejected({ txid: id, reason, ...(rival === undefined ? {} : { rival }) })
    if (pool.get(id) !== undefined || pool.hasTwin(transaction)) return "known" as const
    if (votedDown.has(id)) return yield* refuse("VotedDown")

    const outpoints = transaction.inputs.map(({ previousOutput }) => previousOutput)
    const rival = outpoints
      .map((outpoint) => pool.spenderOf(outPointKey(outpoint)))
      .find((other) => other !== undefined)
    const size = sizeOf(transaction)
    if (rival === undefined && !pool.hasRoomFor(size)) return yield* refuse("Full")
    const coins = yield* coinsOf(outpoints)
    const valid = validateTransaction(transaction, { network, coins: coinView(coins), signed: true })
    if (Result.isFailure(valid)) {
      const { _tag } = valid.failure
      if (_tag !== "UnknownInput") return yield* refuse(_tag)
      // Which of two that spend the same is invalid anyhow matters to nobody.
      if (rival !== undefined) return yield* refuse("Conflict")
      yield* keepOrphan(
        transaction,
        outpoints.filter((outpoint) => !coins.has(outPointKey(outpoint)))
      )
      return yield* refuse(_tag)
    }
    if (rival !== undefined) return yield* refuse("Conflict", rival)

    const arrivedAt = yield* seconds
    const before = mined.get(id)?.pooled
    const phase: PoolPhase = before?.phase ?? { _tag: "Locked", at: arrivedAt }
    const electorate = before?.electorate ?? null
    const pooled: PooledTransaction = { txid, transaction, fee: valid.success.fee, phase, arrivedAt, electorate }
    yield* Effect.uninterruptible(
      Effect.gen(function* () {
        yield* journal.write([{ _tag: "Add", pooled }], "batched")
        mined.delete(id)
        pool.add(pooled, size)
        yield* tell({ _tag: "Accepted", pooled, origin })
      })
    )
    return "accepted" as const
  })

  /** Tries the orphans of transactions whose outputs can be spent now. */
  const adopt = Effect.fnUntraced(function* (parents: Iterable<string>) {
    for (const parent of parents) {
      for (const transaction of orphans.take(parent)) yield* Effect.ignore(submitAlone(transaction, "orphan"))
    }
  })

  const advanceAlone = Effect.fnUntraced(function* (txid: Hash256, step: PoolStep) {
    const id = toHex(txid)
    const pooled = pool.get(id)
    if (pooled === undefined) return yield* new NotInPool({ txid: id })
    const phase = yield* Effect.fromResult(advance(pooled.phase, step))
    if (step._tag === "Release") {
      yield* journal.write([{ _tag: "Drop", txid }], "batched")
      pool.drop(id)
      if (step.reason === "Rejected") {
        votedDown.add(id)
        if (votedDown.size > Limits.VOTED_DOWN) votedDown.delete(votedDown.values().next().value!)
      }
      yield* tell({ _tag: "Released", pooled, reason: step.reason })
      return pooled
    }
    const electorate = step._tag === "Poll" ? step.electorate : pooled.electorate
    // Of the steps above only a release leaves the pool.
    const next: PooledTransaction = { ...pooled, phase: phase as PoolPhase, electorate }
    // Finality must not be taken back. A count that is lost with the power is counted again, and a vote of ours, which
    // is always durable, takes the poll before it to the disk as well.
    yield* journal.write([{ _tag: "Advance", pooled: next }], step._tag === "Finalize" ? "durable" : "batched")
    pool.replace(next)
    yield* tell({ _tag: "Advanced", pooled: next, step: step._tag })
    if (step._tag === "Finalize") yield* adopt([id])
    return next
  }, Effect.uninterruptible)

  const pledgeAlone = Effect.fnUntraced(function* (vote: Vote) {
    const id = toHex(vote.txid)
    const earlier = yield* journal.voteOn(vote.txid)
    if (earlier !== undefined) return earlier
    const pooled = pool.get(id)
    if (pooled === undefined) return yield* new VoteRefused({ txid: id, reason: "NotInPool" })
    const outpoints = pooled.transaction.inputs.map(({ previousOutput }) => previousOutput)
    const [rival] = yield* journal.pledged(outpoints)
    if (rival !== undefined) return yield* new VoteRefused({ txid: id, reason: "Conflict", rival: toHex(rival) })
    if (journal.pledges() + outpoints.length > Limits.PLEDGED_OUTPUTS) {
      return yield* new VoteRefused({ txid: id, reason: "Full" })
    }
    yield* journal.write([{ _tag: "Pledge", vote, outpoints }], "durable")
    return vote
  }, Effect.uninterruptible)

  /** Takes away what the chain stands against, with all that was built on it. */
  const overrule = Effect.fnUntraced(function* (id: string, by: Overruling | null) {
    const family = pool.family(id)
    for (const pooled of family) {
      pool.drop(toHex(pooled.txid))
      if (pooled.phase._tag === "SpentFinalized") {
        const evidence = by && { height: by.height, block: toHex(by.block), txid: toHex(by.txid) }
        yield* Effect.logError(`The chain overrules the final transaction ${toHex(pooled.txid)}`, evidence)
      }
      yield* tell({ _tag: "Overruled", pooled, by })
    }
    return family.map(({ txid }): PoolChange => ({ _tag: "Drop", txid }))
  })

  const mine = Effect.fnUntraced(function* (id: string, height: bigint) {
    const pooled = pool.get(id)!
    pool.drop(id)
    mined.set(id, { pooled, height })
    yield* tell({ _tag: "Mined", pooled, height: toHeight(height) })
    return [{ _tag: "Mine", txid: pooled.txid, height }] satisfies ReadonlyArray<PoolChange>
  })

  const connected = Effect.fnUntraced(function* (delta: BlockDelta) {
    const changes: Array<PoolChange> = []
    for (const [index, { outpoint }] of delta.spent.entries()) {
      const id = pool.spenderOf(outPointKey(outpoint))
      if (id === undefined) continue
      const txid = delta.txids[delta.spenders[index]!]!
      changes.push(
        ...(toHex(txid) === id
          ? yield* mine(id, delta.height)
          : yield* overrule(id, { height: delta.height, block: delta.hash, txid }))
      )
    }
    return changes
  })

  const appliedAlone = Effect.fnUntraced(function* ({ connected: on, disconnected: off, returned = [] }: ChainDelta) {
    const idle = pool.count + orphans.count + mined.size + journal.pledges() === 0
    if (idle && returned.length === 0) return
    const changes: Array<PoolChange> = []
    if (journal.pledges() > 0) {
      for (const { spent } of off) changes.push({ _tag: "Spend", outpoints: spent.map(outpointOf), height: null })
      for (const { height, spent } of on) changes.push({ _tag: "Spend", outpoints: spent.map(outpointOf), height })
    }
    if (pool.count > 0) for (const delta of on) changes.push(...(yield* connected(delta)))
    if (off.length > 0) {
      // What is in a block of the new branch as well stays mined, at another height.
      for (const { height, txids } of on) {
        for (const txid of txids) {
          const record = mined.get(toHex(txid))
          if (record === undefined) continue
          record.height = height
          changes.push({ _tag: "Mine", txid, height })
        }
      }
    }
    const tip = on.at(-1)?.height
    if (tip !== undefined && tip > REORG_DEPTH) {
      const last = tip - REORG_DEPTH
      for (const [id, { height }] of mined) if (height <= last) mined.delete(id)
      changes.push({ _tag: "Prune", height: last })
    }
    yield* record(changes)

    for (const transaction of returned) {
      yield* Effect.ignore(submitAlone(transaction, "returned"))
      yield* Effect.yieldNow
    }
    const gone = off.flatMap(({ created }) => created.map(outpointOf))
    if (gone.length > 0) {
      const changes = yield* Effect.catch(withoutGround(gone), (error) =>
        Effect.as(Effect.logError("The pool could not be compared with the chain", error), [])
      )
      yield* record(changes)
    }
    if (orphans.count > 0) yield* adopt(new Set(on.flatMap(({ txids }) => txids.map(toHex))))
  })

  /** Drops what spends outputs that do not exist any more. */
  const withoutGround = Effect.fnUntraced(function* (outpoints: ReadonlyArray<OutPoint>) {
    const spent = outpoints.filter((outpoint) => pool.spenderOf(outPointKey(outpoint)) !== undefined)
    const there = yield* coinsOf(spent)
    const changes: Array<PoolChange> = []
    for (const outpoint of spent) {
      const key = outPointKey(outpoint)
      const spender = pool.spenderOf(key)
      if (spender !== undefined && !there.has(key)) changes.push(...(yield* overrule(spender, null)))
    }
    return changes
  })

  /** The chain has changed, whether or not that can be written: memory goes on, and the next start puts it right. */
  const record = (changes: ReadonlyArray<PoolChange>) =>
    changes.length === 0
      ? Effect.void
      : Effect.catch(journal.write(changes, "batched"), (error) =>
          Effect.logError("The pool could not be brought up to the chain", error)
        )

  let looked = 0n
  /** Before the pool takes something or a block comes, and then once in a while: nothing else is held up by what lingers. */
  const expire = Effect.gen(function* () {
    const now = yield* seconds
    if (now < looked + EXPIRY_INTERVAL) return
    looked = now
    const deadline = now - BigInt(Limits.PENDING_EXPIRY / 1000)
    for (const { arrivedAt, phase, txid } of pool.all()) {
      if (arrivedAt > deadline || phase._tag === "SpentFinalized") continue
      // Others may count on our vote: what we approved can still become final somewhere.
      if ((yield* journal.voteOn(txid)) !== undefined) continue
      yield* Effect.ignore(advanceAlone(txid, { _tag: "Release", reason: "Expired" }))
    }
  })

  /** What was kept, as far as the chain goes on bearing it: blocks may have come that the journal did not hear of. */
  const restore = Effect.gen(function* () {
    for (const { mined: height, pooled } of yield* journal.load) {
      if (height === null) pool.add(pooled)
      else mined.set(toHex(pooled.txid), { pooled, height })
    }
    const changes: Array<PoolChange> = []
    for (const { transaction, txid } of pool.all()) {
      const id = toHex(txid)
      if (pool.get(id) === undefined) continue
      const outpoints = transaction.inputs.map(({ previousOutput }) => previousOutput)
      const coins = yield* coinsOf(outpoints)
      const missing = outpoints.find((outpoint) => !coins.has(outPointKey(outpoint)))
      if (missing === undefined) continue
      const [spent] = yield* utxos.states([missing])
      if (spent?.state._tag === "Confirmed" && bytesEqual(spent.state.txid, txid)) {
        changes.push(...(yield* mine(id, spent.state.blockHeight)))
      } else {
        changes.push(...(yield* overrule(id, null)))
      }
    }
    if (changes.length > 0) yield* journal.write(changes, "batched")
  })
  yield* restore

  return Mempool.of({
    submit: Effect.fn("Mempool.submit")((transaction: Transaction) =>
      turn.withPermit(Effect.andThen(expire, submitAlone(transaction, "submitted")))
    ),
    get: (txid) => Effect.sync(() => pool.get(toHex(txid))),
    pending: Effect.sync(() => pool.all()),
    finalized: Effect.sync(() => pool.finalized()),
    states: (outpoints) =>
      Effect.sync(() => {
        const states = new Map<OutPointKey, UtxoState>()
        for (const outpoint of outpoints) {
          const state = pool.stateOf(outpoint)
          if (state !== undefined) states.set(outPointKey(outpoint), state)
        }
        return states
      }),
    advance: (txid, step) => turn.withPermit(advanceAlone(txid, step)),
    pledge: (vote) => turn.withPermit(pledgeAlone(vote)),
    ownVote: journal.voteOn,
    events: Stream.fromPubSub(hub),
    applied: (delta) => turn.withPermit(Effect.andThen(Effect.ignore(expire), appliedAlone(delta)))
  })
})

// --- internal ---

const REORG_DEPTH = BigInt(Limits.REORG_DEPTH)
/** In seconds, as the times of the pool. */
const EXPIRY_INTERVAL = BigInt(Limits.EXPIRY_INTERVAL / 1000)

const outpointOf = ({ outpoint }: { readonly outpoint: OutPoint }): OutPoint => outpoint
