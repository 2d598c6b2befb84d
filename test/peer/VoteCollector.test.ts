import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as SqliteChainStore from "../../src/layers/SqliteChainStore.ts"
import * as SqliteMempool from "../../src/layers/SqliteMempool.ts"
import * as ViewUtxoStore from "../../src/layers/ViewUtxoStore.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type Transaction, txid } from "../../src/protocol/Transaction.ts"
import { signVote, verifyVote, type Vote } from "../../src/protocol/Vote.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { coins, pay } from "../fixtures/PoolWorld.ts"
import { makeRandom } from "../fixtures/Random.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { hashOf } from "../fixtures/Deltas.ts"
import { peer } from "./Fixture.ts"
import { calm, keyOf, masternodes, type Voter, voter } from "./VoteWorld.ts"

const FOUR = masternodes(4)
const active = () => FOUR

const voteOf = (number: number, transaction: Transaction, approve = true, timestamp = 0n): Vote =>
  signVote({ txid: txid(transaction), voter: peer(number), approve, timestamp }, keyOf(number))

const payment = pay([coins[0]!])
const rival = pay([coins[0]!], 7n)

describe("the vote on a transaction", () => {
  it.effect("begins with this node's own, signed by the key that is announced", () =>
    Effect.gen(function* () {
      const node = yield* voter(1, { active })
      yield* node.receive(payment)
      const [vote, ...others] = node.takeVotes()
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([vote!.approve, vote!.voter], [true, peer(1)])
      assert.isTrue(verifyVote(vote!, keyOf(1).publicKey))
      assert.deepStrictEqual(yield* node.finality.ownVote(txid(payment)), vote)
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
    }).pipe(Effect.scoped)
  )

  it.effect("is won with a quorum, which everybody is told", () =>
    Effect.gen(function* () {
      const node = yield* voter(1, { active })
      yield* node.receive(payment)
      assert.strictEqual(yield* node.hear(voteOf(2, payment)), "counted")
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
      assert.deepStrictEqual(node.broadcast, [])
      assert.strictEqual(yield* node.hear(voteOf(3, payment)), "counted")
      assert.strictEqual(yield* node.phase(payment), "SpentFinalized")
      assert.deepStrictEqual(node.broadcast, [
        {
          _tag: "UTXOStateUpdate",
          outpoint: coins[0]!.outpoint,
          state: { _tag: "SpentFinalized", txid: txid(payment), finalizedAt: 0n, votes: 3 }
        },
        { _tag: "TransactionFinalized", txid: txid(payment), votes: 3 }
      ])
      assert.strictEqual(yield* node.hear(voteOf(4, payment)), "ignored")
    }).pipe(Effect.scoped)
  )

  it.effect("is lost when no quorum is left, which frees the output", () =>
    Effect.gen(function* () {
      const node = yield* voter(1, { active })
      yield* node.receive(payment)
      yield* node.hear(voteOf(2, payment, false))
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
      yield* node.hear(voteOf(3, payment, false))
      assert.isUndefined(yield* node.phase(payment))
      assert.deepStrictEqual(
        node.broadcast.map(({ _tag }) => _tag),
        ["UTXOStateUpdate", "TransactionRejected"]
      )
      // This node has approved it, and never approves another spend.
      yield* node.receive(rival)
      assert.deepStrictEqual(
        node
          .takeVotes()
          .filter(({ voter }) => voter === peer(1))
          .map(({ approve, txid: id }) => [approve, toHex(id)]),
        [
          [true, toHex(txid(payment))],
          [false, toHex(txid(rival))]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("counts each member once, nobody else, and nothing that is forged", () =>
    Effect.gen(function* () {
      const node = yield* voter(1, { active })
      yield* node.receive(payment)
      node.takeVotes()
      const vote = voteOf(2, payment)
      assert.strictEqual(yield* node.hear(vote), "counted")
      assert.strictEqual(yield* node.hear(vote), "ignored")
      assert.strictEqual(yield* node.hear(voteOf(2, payment, true, 5n)), "ignored")
      assert.strictEqual(yield* node.hear(voteOf(5, payment)), "ignored")
      assert.strictEqual(yield* node.hear({ ...voteOf(3, payment), approve: false }), "forged")
      assert.strictEqual(yield* node.hear(signVote({ ...voteOf(3, payment) }, keyOf(4))), "forged")
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
      assert.deepStrictEqual(node.takeVotes(), [vote])
      // Who says yes and no is shown to others, and stays with the first.
      const second = voteOf(2, payment, false)
      assert.strictEqual(yield* node.hear(second), "ignored")
      assert.deepStrictEqual(node.takeVotes(), [second])
      yield* node.hear(voteOf(3, payment))
      assert.strictEqual(yield* node.phase(payment), "SpentFinalized")
    }).pipe(Effect.scoped)
  )

  it.effect("is among those that were active when the transaction came", () =>
    Effect.gen(function* () {
      let now = FOUR
      const node = yield* voter(1, { active: () => now })
      yield* node.receive(payment)
      now = masternodes(7)
      assert.strictEqual(yield* node.hear(voteOf(6, payment)), "ignored")
      now = masternodes(1)
      yield* node.hear(voteOf(2, payment))
      yield* node.hear(voteOf(3, payment))
      assert.strictEqual(yield* node.phase(payment), "SpentFinalized")
    }).pipe(Effect.scoped)
  )

  it.effect("counts votes that came before the transaction, for a while", () =>
    Effect.gen(function* () {
      const node = yield* voter(0, { active })
      assert.strictEqual(yield* node.hear(voteOf(1, payment)), "early")
      yield* TestClock.adjust(Limits.EARLY_VOTE_AGE)
      for (const number of [2, 3, 4]) assert.strictEqual(yield* node.hear(voteOf(number, payment)), "early")
      assert.strictEqual(yield* node.hear(voteOf(4, payment)), "ignored")
      assert.strictEqual(yield* node.hear(voteOf(5, payment)), "ignored")
      yield* node.receive(payment)
      assert.deepInclude((yield* node.pool.get(txid(payment)))?.phase, { _tag: "SpentFinalized", votes: 3 })
    }).pipe(Effect.scoped)
  )

  it.effect("keeps a bounded number of early votes of each voter", () =>
    Effect.gen(function* () {
      const node = yield* voter(0, { active })
      const early = (index: number) =>
        node.finality.vote(
          signVote({ txid: hashOf(String(index)), voter: peer(1), approve: true, timestamp: 0n }, keyOf(1)),
          peer(9)
        )
      for (let index = 0; index < Limits.EARLY_VOTES_PER_VOTER; index++)
        assert.strictEqual(yield* early(index), "early")
      assert.strictEqual(yield* early(Limits.EARLY_VOTES_PER_VOTER), "ignored")
      assert.strictEqual(yield* node.hear(voteOf(2, payment)), "early")
    }).pipe(Effect.scoped)
  )

  it.effect("waits for masternodes when there are none, and asks for votes that do not come, ever less often", () =>
    Effect.gen(function* () {
      let now = masternodes(0)
      const node = yield* voter(1, { active: () => now })
      yield* node.receive(payment)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* node.phase(payment), "Locked")
      now = FOUR
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
      yield* TestClock.adjust("20 seconds")
      const asked = node.broadcast.filter(({ _tag }) => _tag === "TransactionVoteRequest")
      assert.strictEqual(asked.length, 4)
    }).pipe(Effect.scoped)
  )

  it.effect("goes on after a restart with the electorate and the vote it had", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const storage = SqliteMempool.layer({ file: join(folder, "pool.sqlite"), network: testnet }).pipe(
        Layer.provideMerge(ViewUtxoStore.layer),
        Layer.provideMerge(SqliteChainStore.layer({ file: join(folder, "chain.db"), network: testnet })),
        Layer.provide(NodeConfig.layerTest())
      )
      const said = yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* voter(1, { active, storage })
          yield* node.receive(payment)
          yield* node.hear(voteOf(2, payment))
          return node.takeVotes()[0]!
        })
      )
      // After the start it has heard of nobody but itself.
      const node = yield* voter(1, { active: () => masternodes(1), storage, restarted: true })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* node.phase(payment), "SpentPending")
      assert.deepStrictEqual(node.takeVotes(), [said])
      assert.isTrue(node.broadcast.some(({ _tag }) => _tag === "TransactionVoteRequest"))
      yield* node.receive(rival)
      assert.deepStrictEqual(
        node.takeVotes().map(({ approve }) => approve),
        [false]
      )
      yield* node.hear(voteOf(2, payment))
      yield* node.hear(voteOf(4, payment))
      assert.strictEqual(yield* node.phase(payment), "SpentFinalized")
    }).pipe(Effect.scoped)
  )
})

describe("masternodes, fewer than a third of whom lie", () => {
  /** Everybody hears a part of everything, in any order and more than once; liars say what they like to whom they like. */
  const history = Effect.fnUntraced(function* (seed: number) {
    const random = makeRandom(seed)
    const size = 4 + random(4)
    const liars = Math.ceil(size / 3) - 1
    const all = masternodes(size)
    const honest: Array<Voter> = []
    for (let number = liars + 1; number <= size; number++) honest.push(yield* voter(number, { active: () => all }))
    const spends = [payment, rival, pay([coins[0]!, coins[1]!])]
    const post: Array<{ readonly to: Voter; readonly deliver: Effect.Effect<unknown, unknown> }> = []
    const send = (to: Voter, deliver: Effect.Effect<unknown, unknown>) => {
      if (random(10) > 0) post.push({ to, deliver })
      if (random(5) === 0) post.push({ to, deliver })
    }
    for (const to of honest) {
      for (const transaction of spends) send(to, to.receive(transaction))
      for (let number = 1; number <= liars; number++) {
        for (const transaction of spends) send(to, to.hear(voteOf(number, transaction, random(4) > 0)))
      }
    }
    for (let count = 0; post.length > 0 && count < 2_000; count++) {
      const [{ deliver }] = post.splice(random(post.length), 1) as [(typeof post)[number]]
      yield* Effect.ignore(deliver)
      for (const from of honest) {
        for (const vote of from.takeVotes()) {
          if (vote.voter !== peer(from.number)) continue
          for (const to of honest) if (to !== from) send(to, to.hear(vote))
        }
      }
    }
    yield* calm
    const finals = new Set<string>()
    for (const node of honest) for (const id of yield* node.finals) finals.add(id)
    return finals
  })

  it.effect("never make two spends of one output final", () =>
    Effect.gen(function* () {
      let decided = 0
      for (let seed = 1; seed <= 12; seed++) {
        const finals = yield* Effect.scoped(history(seed))
        assert.isAtMost(finals.size, 1, `seed ${seed}`)
        decided += finals.size
      }
      // It is no proof if nothing ever becomes final.
      assert.isAbove(decided, 0)
    })
  )
})
