/**
 * A chain in a folder as a node opens it, and how it has to look: like a chain in memory that was given the same blocks.
 */
import { existsSync, readFileSync } from "node:fs"
import { Effect, Layer } from "effect"
import { rules, storeFailure } from "../../../src/cli/programs/StoppedChain.ts"
import { chainFile } from "../../../src/layers/DataDirectory.ts"
import * as LocalBlockchain from "../../../src/layers/LocalBlockchain.ts"
import * as MemoryChainStore from "../../../src/layers/MemoryChainStore.ts"
import * as MemoryMempool from "../../../src/layers/MemoryMempool.ts"
import * as ViewUtxoStore from "../../../src/layers/ViewUtxoStore.ts"
import { toHex } from "../../../src/protocol/Hash.ts"
import { Blockchain } from "../../../src/services/Blockchain.ts"
import { ChainStore, StoreError } from "../../../src/services/ChainStore.ts"
import { defaults, NodeConfig } from "../../../src/services/NodeConfig.ts"
import { UtxoStore } from "../../../src/services/UtxoStore.ts"
import { below, growMany, pathTo, type TreeBlock } from "../../fixtures/BlockTree.ts"
import { differences, storeContents } from "../StoreContents.ts"

/** The chain of a folder with its rules. */
export const chainIn = (folder: string) => rules({ ...defaults, dataDir: folder })

/** What the operator reads of an error. */
export const description = (folder: string, error: unknown): string =>
  error instanceof StoreError ? storeFailure(folder, error).message : String(error)

/** All that can be asked of the chain: stored, indexed in memory, and summed up. */
export const contents = Effect.gen(function* () {
  const chain = yield* Blockchain
  const { count, hash, height } = yield* (yield* UtxoStore).summary
  const stored = yield* storeContents(yield* ChainStore)
  const indexed = Array.from(stored.hashes, (hash) => String(chain.heightOf(Buffer.from(hash, "hex") as never)))
  return { ...stored, coinHash: [height, count, toHex(hash)].join(" "), indexed, knownTip: toHex(chain.tip().hash) }
})

/** What a chain in memory holds that was given the blocks up to this one, in order. */
export const cleanReplay = (tip: TreeBlock) =>
  Effect.gen(function* () {
    yield* (yield* Blockchain).connect(pathTo(tip).map(({ block }) => block))
    return yield* contents
  }).pipe(Effect.provide(memory, { local: true }))

/** In what the chain of a folder differs from a clean replay of the block it says is its tip; nothing, if in nothing. */
export const examined = Effect.fnUntraced(function* (
  folder: string,
  blocks: ReadonlyMap<string, TreeBlock>,
  random: (below: number) => number
) {
  const opened = yield* Effect.gen(function* () {
    const tip = blocks.get(toHex((yield* Blockchain).tip().hash))
    if (tip === undefined) return { tip, differs: ["the tip, which is none of the blocks"] }
    const differs = differences(yield* contents, yield* cleanReplay(tip))
    return { tip, differs: differs.length > 0 ? differs : yield* goesOn(tip, random) }
  }).pipe(Effect.provide(chainIn(folder), { local: true }))
  return opened
})

/** Bytes of the file and its log. */
export const bytesIn = (folder: string): ReadonlyArray<Buffer> =>
  [chainFile(folder), `${chainFile(folder)}-wal`].map(bytesOf)

export const bytesOf = (path: string): Buffer => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0))

export const isSame = (some: ReadonlyArray<Buffer>, others: ReadonlyArray<Buffer>): boolean =>
  some.every((bytes, index) => bytes.equals(others[index]!))

// --- internal ---

const memory = LocalBlockchain.layer.pipe(
  Layer.provideMerge(MemoryMempool.layer),
  Layer.provideMerge(ViewUtxoStore.layer),
  Layer.provideMerge(MemoryChainStore.layer),
  Layer.provide(NodeConfig.layerTest())
)

/** Takes some blocks off for others, as the node would after its restart; the same as above must be left. */
const goesOn = Effect.fnUntraced(function* (tip: TreeBlock, random: (below: number) => number) {
  const depth = Math.min(random(20), Number(tip.block.header.height))
  const branch = growMany(below(tip, depth), depth + 1, random)
  const chain = yield* Blockchain
  for (const { block } of branch) yield* chain.connect([block])
  const end = branch.at(-1)!
  if (depth > 0) yield* chain.reorganise(end.hash)
  return differences(yield* contents, yield* cleanReplay(end)).map((part) => `${part} after going on`)
})
