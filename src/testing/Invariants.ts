/**
 * What holds in every network of honest nodes at every moment, whatever its faults: for {@link ./TestNetwork.ts}.
 */
import * as Effect from "effect/Effect"
import { toHex } from "../protocol/Hash.ts"
import { height } from "../protocol/Height.ts"
import { outPointKey } from "../protocol/Utxo.ts"
import { Blockchain } from "../services/Blockchain.ts"
import { Mempool } from "../services/Mempool.ts"
import { UtxoStore } from "../services/UtxoStore.ts"
import type { Invariant, TestNode } from "./TestNetwork.ts"

/** No two nodes have different blocks at a height, where masternodes decide on blocks. */
export const oneBlockAtAHeight: Invariant = (nodes) =>
  Effect.gen(function* () {
    const chains = yield* Effect.forEach(running(nodes), (node) =>
      node.use(
        Effect.map(Blockchain, (chain) => ({
          node: node.number,
          top: chain.tip().height,
          hashAt: (at: bigint) => toHex(chain.hashAt(height(at))!)
        }))
      )
    )
    for (const one of chains) {
      for (const other of chains) {
        // Blocks name the ones before them, so that the last common height speaks for all below it.
        const at = one.top < other.top ? one.top : other.top
        if (one.hashAt(at) === other.hashAt(at)) continue
        return yield* Effect.fail(new Error(`nodes ${one.node} and ${other.node} have two blocks ${at}`))
      }
    }
  })

/** No two transactions that spend the same output are both final, on whatever nodes. */
export const noConflictingFinality: Invariant = (nodes) =>
  Effect.gen(function* () {
    const spenders = new Map<string, string>()
    for (const node of running(nodes)) {
      for (const { transaction, txid } of yield* node.use(Effect.flatMap(Mempool, ({ finalized }) => finalized))) {
        const id = toHex(txid)
        for (const { previousOutput } of transaction.inputs) {
          const key = outPointKey(previousOutput)
          const known = spenders.get(key) ?? id
          if (known !== id) return yield* Effect.fail(new Error(`${id} and ${known} are final, and both spend ${key}`))
          spenders.set(key, id)
        }
      }
    }
  })

/** Nodes at one height have the same unspent outputs. Reads all of them: for the end of a run rather than every step. */
export const sameCoins: Invariant = (nodes) =>
  Effect.gen(function* () {
    const hashes = new Map<bigint, string>()
    for (const node of running(nodes)) {
      const { hash, height } = yield* node.use(Effect.orDie(Effect.flatMap(UtxoStore, ({ summary }) => summary)))
      const known = hashes.get(height) ?? toHex(hash)
      if (known !== toHex(hash)) return yield* Effect.fail(new Error(`two sets of coins at height ${height}`))
      hashes.set(height, known)
    }
  })

// --- internal ---

const running = (nodes: ReadonlyArray<TestNode>) => nodes.filter((node) => node.isUp())
