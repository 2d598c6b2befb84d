/**
 * A valid block with anything in it changed is not valid any more: every field, number, byte string and list of it, one
 * after the other.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type BlockContext, validateBlock } from "../../src/consensus/BlockRules.ts"
import { coinView } from "../../src/consensus/CoinView.ts"
import type { Block } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { height } from "../../src/protocol/Height.ts"
import { dueTime, testnet } from "../../src/protocol/Network.ts"
import { SATOSHI_PER_TIME } from "../../src/protocol/Satoshi.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import { outPointKey } from "../../src/protocol/Utxo.ts"
import { blockAt, coin, owner, parentOf, sealed, spend } from "../fixtures/Blocks.ts"

const [alice, bob] = [owner(1), owner(2)]
const coins = [coin(alice, 100n * SATOSHI_PER_TIME, 10), coin(alice, 3n * SATOSHI_PER_TIME, 11)] as const
const payment = signSpends(
  spend(
    coins.map(({ outpoint }) => outpoint),
    [
      [bob, SATOSHI_PER_TIME],
      [alice, SATOSHI_PER_TIME - 1_000n]
    ]
  ),
  alice.key
)
const parent = parentOf(blockAt(1n, genesis(testnet).hash))
const valid = blockAt(2n, parent.hash, [payment], 101n * SATOSHI_PER_TIME + 1_000n)

const verdict = (block: Block, legacy: boolean) => {
  const context: BlockContext = {
    network: testnet,
    parent,
    now: dueTime(testnet, height(2)),
    coins: coinView(new Map(coins.map((utxo) => [outPointKey(utxo.outpoint), utxo]))),
    legacy
  }
  return validateBlock(block, context)
}

interface Mutation {
  /** Where something was changed, as `header.height + 1`. */
  readonly what: string
  readonly block: Block
}

/** Every value within, changed in every way its kind allows, with how to put it in its place. */
const mutations = (value: unknown, path: string, put: (changed: unknown) => Block): ReadonlyArray<Mutation> => {
  const as = (what: string, changed: unknown): Mutation => ({ what: `${path} ${what}`, block: put(changed) })
  if (typeof value === "bigint") return [as("+ 1", value + 1n), ...(value > 0n ? [as("- 1", value - 1n)] : [])]
  if (typeof value === "number") return [as("+ 1", (value + 1) % 2 ** 32), as("- 1", (value + 2 ** 32 - 1) % 2 ** 32)]
  if (typeof value === "string") return [as("longer", `${value}x`), as("empty", "")]
  if (value instanceof Uint8Array) {
    const flipped = (at: number) => value.map((byte, index) => (index === at ? byte ^ 1 : byte))
    const ends = value.length === 0 ? [] : [as("first byte", flipped(0)), as("last byte", flipped(value.length - 1))]
    return value.length === 32 ? ends : [...ends, as("longer", Buffer.concat([value, Buffer.of(0)]))]
  }
  if (Array.isArray(value)) {
    const each = value.flatMap((one, index) => [
      ...mutations(one, `${path}[${index}]`, (changed) => put(value.with(index, changed))),
      as(`without ${index}`, value.toSpliced(index, 1)),
      as(`with ${index} twice`, value.toSpliced(index, 0, one))
    ])
    return value.length < 2 ? each : [...each, as("reversed", value.toReversed())]
  }
  return Object.entries(value as object).flatMap(([key, one]) =>
    mutations(one, path === "" ? key : `${path}.${key}`, (changed) => put({ ...(value as object), [key]: changed }))
  )
}

const all = mutations(valid, "", (changed) => changed as Block)

const accepted = (legacy: boolean, prepare: (block: Block) => Block): ReadonlyArray<string> =>
  all.flatMap(({ block, what }) => (Result.isSuccess(verdict(prepare(block), legacy)) ? [what] : []))

/** What is shared among two payees may leave one satoshi over: the rules allow fewer than there are payees (B-26). */
const ROUNDING = ["header.blockReward + 1"]

describe("a valid block", () => {
  it("is accepted, on any network", () => {
    assert.isTrue(Result.isSuccess(verdict(valid, true)))
    assert.isTrue(Result.isSuccess(verdict(valid, false)))
    assert.isAbove(all.length, 90)
  })

  it("is refused with anything changed", () => {
    assert.deepStrictEqual(
      accepted(true, (block) => block),
      ROUNDING
    )
    assert.deepStrictEqual(
      accepted(false, (block) => block),
      ROUNDING
    )
  })

  it("is refused with anything changed and the merkle root made to fit, where spends are signed", () => {
    const restored = new Set(["header.merkleRoot first byte", "header.merkleRoot last byte"])
    assert.deepStrictEqual(
      accepted(false, sealed).filter((what) => !restored.has(what)),
      ROUNDING
    )
  })
})
