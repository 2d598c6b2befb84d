/**
 * A life of a network of masternodes that a seed decides: faults, crashes, partitions and coins that are spent twice.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { addressOf, addressScript } from "../../src/protocol/Address.ts"
import { devnet } from "../../src/protocol/Network.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import { signSpends } from "../../src/protocol/Spend.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import { Blockchain } from "../../src/services/Blockchain.ts"
import { ChainStore } from "../../src/services/ChainStore.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { Mempool } from "../../src/services/Mempool.ts"
import * as Invariants from "../../src/testing/Invariants.ts"
import * as TestNetwork from "../../src/testing/TestNetwork.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { txid } from "../../src/protocol/Transaction.ts"

const BLOCK_SECONDS = 20
const network = devnet({ genesisTime: 1_800_000_000n, blockSeconds: BigInt(BLOCK_SECONDS) })

export interface Life {
  readonly height: number
  readonly crashes: number
  readonly partitions: number
  readonly doubleSpends: number
}

/** Lives it; fails with the seed when an invariant breaks, or when a healed network makes no blocks. */
export const simulate = (seed: number) =>
  TestNetwork.within(
    {
      seed,
      nodes: 4,
      network,
      faults: { delay: [5, 200], lost: 0.05, doubled: 0.05, heldUp: 0.1 },
      invariants: [Invariants.oneBlockAtAHeight, Invariants.noConflictingFinality]
    },
    (net) =>
      Effect.gen(function* () {
        const life = { crashes: 0, partitions: 0, doubleSpends: 0 }
        yield* net.run("40 seconds")
        for (let turn = 0; turn < 4; turn++) {
          const trouble = yield* Random.nextIntBetween(0, 3, { halfOpen: true })
          const victim = net.nodes[yield* Random.nextIntBetween(0, 4, { halfOpen: true })]!
          if (trouble === 0) {
            life.crashes++
            yield* victim.crash
          } else if (trouble === 1) {
            life.partitions++
            const others = net.nodes.filter((node) => node !== victim)
            yield* net.hub.separate([[victim.peer], others.map(({ peer }) => peer)])
          }
          if (yield* spendTwice(net)) life.doubleSpends++
          yield* net.run(`${yield* Random.nextIntBetween(10, 30)} seconds`)
          yield* net.hub.heal
          for (const node of net.nodes) yield* node.start
          yield* net.run("15 seconds")
        }
        // Redialling, and missed blocks, take their time.
        const before = yield* heights(net)
        yield* net.run("80 seconds")
        const after = yield* heights(net)
        if (Math.max(...after) <= Math.max(...before)) {
          return yield* Effect.fail(new Error(`Stands still with seed ${seed} at ${after.join(", ")}`))
        }
        yield* Effect.mapError(Invariants.sameCoins(net.nodes), (cause) => new Error(`Seed ${seed}: ${cause.message}`))
        return { ...life, height: Math.max(...after) } satisfies Life
      })
  )

// --- internal ---

const heights = ({ nodes }: TestNetwork.TestNetwork) =>
  Effect.forEach(nodes, (node) => node.use(Effect.map(Blockchain, (chain) => Number(chain.tip().height))))

/** The owner of a coin signs two spends of it and gives each to another node; false if nobody has a coin. */
const spendTwice = Effect.fnUntraced(function* ({ nodes }: TestNetwork.TestNetwork) {
  const up = nodes.filter((node) => node.isUp())
  const owner = up[yield* Random.nextIntBetween(0, up.length, { halfOpen: true })]!
  const script = addressScript(addressOf(owner.key.publicKey, network))
  const [coin] = yield* owner.use(
    Effect.orDie(Effect.flatMap(ChainStore, (store) => store.unspentOf(script, { after: null, limit: 1 })))
  )
  if (coin === undefined) return false
  for (const [index, node] of up.slice(0, 2).entries()) {
    const to = addressScript(addressOf(nodes[index]!.key.publicKey, network))
    const payment: Transaction = {
      version: 1,
      inputs: [{ previousOutput: coin.outpoint, scriptSig: new Uint8Array(0), sequence: 0xffff_ffff }],
      outputs: [{ value: satoshi((coin.value * 9n) / 10n), scriptPubkey: to }],
      lockTime: 0,
      timestamp: network.genesisTime
    }
    const signed = signSpends(payment, owner.key)
    yield* node.use(
      Effect.gen(function* () {
        yield* (yield* Mempool).submit(signed)
        yield* (yield* Gossip).relay(toHex(txid(signed)), { _tag: "TransactionBroadcast", transaction: signed }, null)
      }).pipe(Effect.ignore)
    )
  }
  return true
})
