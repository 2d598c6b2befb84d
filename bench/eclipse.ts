/**
 * How many honest peers an attacker drives out of a node's inbound slots in a day, and what a newcomer costs when all
 * slots are taken.
 *
 *   node bench/eclipse.ts
 */
import { type Candidate, evictable } from "../src/layers/registry/Eviction.ts"
import * as Limits from "../src/protocol/Limits.ts"
import { peerId } from "../src/protocol/PeerId.ts"
import { besiege, fromNetworks, type Siege } from "../test/support/Eclipse.ts"
import { ScriptedPool } from "../test/support/ScriptedPool.ts"

const siege = { slots: 100, honest: 60, honestNetworks: 40, attempts: 20_000, seed: 1 }
const sieges: ReadonlyArray<readonly [string, Siege]> = [3, 100].flatMap((networks) =>
  [false, true].flatMap((isAttackerFirst) =>
    [0, 200].map(
      (breaks) =>
        [
          `${networks} networks${isAttackerFirst ? ", attacker first" : ""}${breaks > 0 ? ", links break" : ""}`,
          { ...siege, attacker: fromNetworks(networks), isAttackerFirst, breaks }
        ] as const
    )
  )
)
console.table(Object.fromEntries(sieges.map(([name, each]) => [name, besiege(each)])))

/** Of this thread's own time, which a busy machine does not lengthen much. */
const micros = (run: (n: number) => unknown, times: number): number => {
  const samples = Array.from({ length: 9 }, (_, round) => {
    const before = process.threadCpuUsage()
    for (let n = 0; n < times; n++) run(round * times + n)
    const { system, user } = process.threadCpuUsage(before)
    return (user + system) / times
  })
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!
}

/** All slots taken, two from each network. */
const full = new ScriptedPool({ slots: { inbound: Limits.INBOUND_SLOTS, outbound: 0 } })
const candidates: Array<Candidate> = []
for (let n = 0; n < Limits.INBOUND_SLOTS; n++) {
  const connection = full.establish(peerId(`${1 + (n >> 7)}.${(n & 127) >> 1}.0.${n & 1}`)!)!
  connection.recordPing((n * 7919) % 300)
  if (n % 3 === 0) connection.recordUseful(n % 2 === 0 ? "block" : "transaction")
  candidates.push(connection)
}
console.table({
  [`look at ${candidates.length} connections`]: { µs: micros(() => evictable(candidates), 50).toFixed(1) },
  "refuse a newcomer": { µs: micros((n) => full.connect(peerId(`1.1.${n & 255}.9`)!), 500).toFixed(1) },
  "evict for a newcomer": {
    µs: micros((n) => {
      full.now += 1
      return full.establish(peerId(`${130 + (n >> 8)}.${n & 255}.0.1`)!)
    }, 20).toFixed(1)
  }
})
