/**
 * What a chain is given to do while it is killed: the same steps for the same seed.
 *
 * It is done by `Blockchain`: blocks are connected many at a time or offered one by one, branches are shown and changed to,
 * as deep as that is ever done.
 */
import { Deferred, Effect } from "effect"
import { toHex } from "../../../src/protocol/Hash.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { peerId } from "../../../src/protocol/PeerId.ts"
import { Blockchain } from "../../../src/services/Blockchain.ts"
import { below, grow, growMany, pathTo, type TreeBlock, treeRoot } from "../../fixtures/BlockTree.ts"
import { makeRandom } from "../../fixtures/Random.ts"

/** Something to do with the chain that is provided. */
export interface Step {
  readonly name: string
  readonly run: Effect.Effect<void, unknown, Blockchain>
  /** The blocks of which one is the tip, whenever the process ends during it: that before it first, that after it last. */
  readonly tips: ReadonlyArray<TreeBlock>
}

export function* work(seed: number): Generator<Step, never> {
  const random = makeRandom(seed)
  let tip = treeRoot()
  let left: TreeBlock | undefined
  const step = (name: string, run: Step["run"], tips: ReadonlyArray<TreeBlock>): Step => {
    const before = tip
    tip = tips.at(-1) ?? tip
    return { name, run, tips: [before, ...tips] }
  }
  const connecting = (count: number): Step => {
    const blocks = growMany(tip, count, random)
    return step(`connect ${count}`, connect(blocks), blocks)
  }

  yield connecting(20 + random(200))
  for (;;) {
    const what = random(10)
    if (what < 4) yield connecting(1 + random(random(4) === 0 ? 150 : 10))
    else if (what < 5) {
      const next = grow(tip, random)
      yield step("offer", offer([next]), [next])
    } else {
      // Back to the branch that was left, if it is not too far down, or to a new one.
      const depth = Math.min(
        1 + random(random(3) === 0 ? Limits.REORG_DEPTH : 10),
        Limits.REORG_DEPTH,
        Number(height(tip))
      )
      const fork = below(tip, depth)
      const old = left === undefined || random(3) > 0 ? undefined : continuing(left, tip)
      const from = old ?? fork
      const branch = [
        ...(old === undefined ? [] : pathTo(old, forkOf(old, tip))),
        ...growMany(from, Number(height(tip) - height(from)) + 1 + random(2), random)
      ]
      left = tip
      const taken = Number(height(tip)) - Number(height(branch[0]!)) + 1
      const end = branch.at(-1)!
      yield step(`reorganise ${taken}`, Effect.andThen(offer(branch), reorganise(end)), [end])
    }
  }
}

/** The first of the steps. */
export const take = (steps: Iterable<Step>, count: number): ReadonlyArray<Step> => {
  const taken: Array<Step> = []
  for (const step of steps) {
    if (taken.length === count) break
    taken.push(step)
  }
  return taken
}

/** All blocks of the steps, by hash in hex. */
export const blocksOf = (steps: ReadonlyArray<Step>): ReadonlyMap<string, TreeBlock> => {
  const found = new Map<string, TreeBlock>()
  for (const tip of steps.flatMap(({ tips }) => tips)) {
    for (let at: TreeBlock | null = tip; at !== null && !found.has(toHex(at.hash)); at = at.parent) {
      found.set(toHex(at.hash), at)
    }
  }
  return found
}

// --- internal ---

const height = ({ block }: TreeBlock): bigint => block.header.height

const connect = (blocks: ReadonlyArray<TreeBlock>): Step["run"] =>
  Effect.flatMap(Blockchain, (chain) => chain.connect(blocks.map(({ block }) => block)))

const SOMEBODY = peerId("192.0.2.1")!

/** As they come from a peer, and waits for what becomes of the last. */
const offer = Effect.fnUntraced(function* (blocks: ReadonlyArray<TreeBlock>) {
  const chain = yield* Blockchain
  for (const { block } of blocks) {
    const outcome = Deferred.makeUnsafe<unknown, unknown>()
    yield* chain.offer({
      block,
      from: SOMEBODY,
      decided: (decided) =>
        Deferred.doneUnsafe(
          outcome,
          decided._tag === "BlockRejected" || decided._tag === "StoreError"
            ? Effect.fail(decided)
            : Effect.succeed(decided)
        )
    })
    yield* Deferred.await(outcome)
  }
})

const reorganise = ({ hash }: TreeBlock): Step["run"] => Effect.flatMap(Blockchain, (chain) => chain.reorganise(hash))

/** The block itself, if changing to its branch takes off no more than may come off. */
const continuing = (left: TreeBlock, tip: TreeBlock): TreeBlock | undefined => {
  const fork = forkOf(left, tip)
  return height(tip) - height(fork) <= Limits.REORG_DEPTH ? left : undefined
}

/** The last block that two branches share. */
const forkOf = (one: TreeBlock, other: TreeBlock): TreeBlock => {
  let [a, b] = [one, other]
  while (a !== b) [a, b] = height(a) >= height(b) ? [a.parent!, b] : [a, b.parent!]
  return a
}
