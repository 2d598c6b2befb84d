/**
 * How fast the rules are: the recorded chain replayed over a set in memory, and the hash of a large UTXO set.
 *
 *     node bench/replay.ts
 */
import * as Result from "effect/Result"
import { createdOutputs, validateBlock } from "../src/consensus/BlockRules.ts"
import { coinView } from "../src/consensus/CoinView.ts"
import { genesis } from "../src/protocol/Genesis.ts"
import { testnet } from "../src/protocol/Network.ts"
import { type OutPointKey, outPointKey, type Utxo } from "../src/protocol/Utxo.ts"
import { UtxoSetHasher } from "../src/protocol/UtxoSetHash.ts"
import { readChain } from "../test/fixtures/Vectors.ts"

const ROUNDS = 9
const blocks = readChain().slice(1)

const replay = (): ReadonlyArray<Utxo> => {
  const start = genesis(testnet)
  const utxos = new Map<OutPointKey, Utxo>()
  const create = (created: ReadonlyArray<Utxo>) => {
    for (const utxo of created) utxos.set(outPointKey(utxo.outpoint), utxo)
  }
  create(createdOutputs(start.block, start.txids))
  let parent = { header: start.block.header, hash: start.hash }
  for (const block of blocks) {
    const context = { network: testnet, parent, now: block.header.timestamp, coins: coinView(utxos), legacy: true }
    const delta = Result.getOrThrow(validateBlock(block, context))
    for (const { outpoint } of delta.spent) utxos.delete(outPointKey(outpoint))
    create(delta.created)
    parent = { header: block.header, hash: delta.hash }
  }
  return [...utxos.values()]
}

const hashMany = (utxos: ReadonlyArray<Utxo>): number => {
  const hasher = new UtxoSetHasher()
  for (let i = 0; i < 100; i++) for (const utxo of utxos) hasher.add(utxo)
  hasher.digest()
  return 100 * utxos.length
}

/** Median of the rounds, in milliseconds. */
const measure = (run: () => void): number => {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  })
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!
}

const utxos = replay()
const replayed = measure(replay)
const hashed = measure(() => hashMany(utxos))
console.log(
  `validate ${blocks.length} blocks: ${replayed.toFixed(0)} ms, ${perSecond(blocks.length, replayed)} blocks/s`
)
console.log(
  `hash a set of ${100 * utxos.length} outputs: ${hashed.toFixed(0)} ms, ${perSecond(100 * utxos.length, hashed)} outputs/s`
)

function perSecond(count: number, milliseconds: number): string {
  return Math.round((count / milliseconds) * 1_000).toLocaleString("en")
}
