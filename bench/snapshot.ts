/**
 * How long a snapshot of a large set of unspent outputs takes to be loaded and saved, and how much memory.
 *
 *     node bench/snapshot.ts [--coins 1000000]
 *
 * Four outputs share a script. Both commands run as processes of their own, whose start and checks are measured with them.
 */
import { spawnSync } from "node:child_process"
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as LocalBlockchain from "../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../src/layers/MemoryMempool.ts"
import { snapshotOf } from "../src/layers/SnapshotWriter.ts"
import * as ViewUtxoStore from "../src/layers/ViewUtxoStore.ts"
import { addressOf, addressScript } from "../src/protocol/Address.ts"
import { type Hash256, sha256 } from "../src/protocol/Hash.ts"
import { testnet } from "../src/protocol/Network.ts"
import { satoshi } from "../src/protocol/Satoshi.ts"
import { outPointKey, type Utxo } from "../src/protocol/Utxo.ts"
import { Blockchain } from "../src/services/Blockchain.ts"
import { ChainStore } from "../src/services/ChainStore.ts"
import { NodeConfig } from "../src/services/NodeConfig.ts"
import { blockAt } from "../test/fixtures/Blocks.ts"

const { values } = parseArgs({ options: { coins: { type: "string", default: "1000000" } } })
const COINS = Number(values.coins)

/** The outputs of a made up set, in the order of their keys, without anything that is as large as the set. */
const coinAt = (index: number): Utxo => {
  const seed = new Uint8Array(8)
  const view = new DataView(seed.buffer)
  view.setUint32(0, index)
  const txid = sha256(seed).slice() as Hash256
  new DataView(txid.buffer).setUint32(0, Math.floor((index / COINS) * 2 ** 32))
  view.setUint32(0, index >> 2)
  const address = addressOf(sha256(seed) as Uint8Array as Parameters<typeof addressOf>[0], testnet)
  return {
    outpoint: { txid, vout: 0 },
    value: satoshi(BigInt(index + 1)),
    scriptPubkey: addressScript(address),
    address
  }
}

const chain = LocalBlockchain.layer.pipe(
  Layer.provide(MemoryMempool.layer),
  Layer.provide(ViewUtxoStore.layer),
  Layer.provideMerge(MemoryChainStore.layer),
  Layer.provide(NodeConfig.layerTest())
)

/** Writes a snapshot at block 2 whose outputs are made up. */
const write = (file: string) =>
  Effect.gen(function* () {
    const chain = yield* Blockchain
    for (let at = 1n; at <= 102n; at++) yield* chain.connect([blockAt(at, chain.tip().hash)])
    const store = yield* ChainStore
    const places = new Map<string | null, number>([[null, 0]])
    const { bytes } = yield* snapshotOf(
      {
        ...store,
        utxoPage: (after, limit) =>
          Effect.sync(() => {
            const from = places.get(after)!
            const page = Array.from({ length: Math.min(limit, COINS - from) }, (_, index) => coinAt(from + index))
            if (page.length > 0) places.set(outPointKey(page.at(-1)!.outpoint), from + page.length)
            return page
          })
      },
      testnet
    )
    writeFileSync(file, "")
    yield* Stream.runForEach(bytes, (chunk) => Effect.sync(() => appendFileSync(file, chunk)))
  }).pipe(Effect.provide(chain))

/** Has a process say at its end how much memory it had, in KiB, and how long it worked, in microseconds. */
const REPORT = `data:text/javascript,process.on("exit",()=>{const u=process.resourceUsage();
console.error("used",u.maxRSS,u.userCPUTime+u.systemCPUTime)})`
const BIN = join(import.meta.dirname, "../src/bin.ts")

const run = (...args: ReadonlyArray<string>) => {
  const began = performance.now()
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", REPORT, BIN, "chain", ...args], {
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(stderr)
  const seconds = (performance.now() - began) / 1_000
  const [, memory, cpu] = /^used (\d+) (\d+)$/m.exec(stderr)!
  console.log(
    `${args.slice(0, 2).join(" ")}: ${seconds.toFixed(1)} s, of them ${(Number(cpu) / 1e6).toFixed(1)} s at work, ` +
      `${(Number(memory) / 1_024).toFixed(0)} MiB of memory at most`
  )
  return /^snapshot-hash: (.*)$/m.exec(stdout)?.[1]
}

const folder = mkdtempSync(join(tmpdir(), "timenode-bench-"))
try {
  const [made, dataDir, saved] = ["made", "chain", "saved"].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  await Effect.runPromise(write(made))
  console.log(`${COINS} unspent outputs: ${(statSync(made).size / 2 ** 20).toFixed(0)} MiB`)
  const loaded = run("snapshot", "load", "--data-dir", dataDir, made)
  console.log(`chain.db: ${(statSync(join(dataDir, "chain.db")).size / 2 ** 20).toFixed(0)} MiB`)
  if (run("snapshot", "save", "--data-dir", dataDir, saved) !== loaded) throw new Error("another snapshot was saved")
} finally {
  rmSync(folder, { recursive: true })
}
