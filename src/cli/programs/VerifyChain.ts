/**
 * A stored chain, checked as if it came from a peer.
 *
 * All blocks are put on a chain of their own, in a scratch directory, with every rule. That chain must then end as the
 * stored one does: at the same block, and with the same unspent outputs.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { type Block, blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { toHex } from "../../protocol/Hash.ts"
import { height, type Height } from "../../protocol/Height.ts"
import { decodeBlock } from "../../protocol/wire/Wire.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import type { ChainStore } from "../../services/ChainStore.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { makeProgress } from "./Progress.ts"
import { readStoppedChain, rules } from "./StoppedChain.ts"
import { storedBlocks } from "./ExportChain.ts"

/** Fails with the exit code of a damaged data directory at the first thing that is wrong. */
export const verifyChain = (flags: StorageFlagValues) =>
  readStoppedChain(
    flags,
    Effect.fnUntraced(function* (chain, { store, tip }) {
      const stored = yield* (yield* UtxoStore).summary
      const scratch = yield* scratchDirectory(chain.dataDir)
      const left = yield* replay(store, tip.height).pipe(
        Effect.provide(rules({ ...chain, dataDir: scratch }), { local: true }),
        Effect.catchTag("BadBlock", ({ detail }) => Effect.fail(damage(`the chain in ${chain.dataDir}`, detail)))
      )
      if (!bytesEqual(left.hash, stored.hash)) {
        return yield* damage(
          `the set of unspent outputs in ${chain.dataDir}`,
          `it has ${stored.count} and hash ${toHex(stored.hash)}, the blocks leave ${left.count} and ${toHex(left.hash)}`
        )
      }
      yield* Console.log(`ok: height ${tip.height}, tip ${toHex(tip.hash)}, utxo-hash ${toHex(stored.hash)}`)
    }, Effect.scoped)
  )

// --- internal ---

const damage = (what: string, detail: string): CommandFailure =>
  failure("dataDirectory", `${what} is damaged: ${detail}; export what is sound with --to, and import it elsewhere`)

/** A stored block that is none, or breaks a rule, or is not the one that the index names. */
class BadBlock {
  readonly _tag = "BadBlock"
  readonly detail: string

  constructor(detail: string) {
    this.detail = detail
  }
}

/** Puts the stored blocks on the chain that is provided, and gives the coins that they leave. */
const replay = Effect.fnUntraced(function* (store: ChainStore["Service"], last: Height) {
  const fresh = yield* Blockchain
  const progress = yield* makeProgress("verified")

  const connect = Effect.fnUntraced(function* (page: ReadonlyArray<Uint8Array>, from: Height) {
    const blocks = yield* Effect.forEach(page, (bytes, index) => read(bytes, from + BigInt(index)))
    const hashes = yield* store.hashes(from, blocks.length)
    const stray = blocks.findIndex(({ header }, index) => !bytesEqual(blockHash(header), hashes[index] ?? EMPTY))
    if (stray >= 0) return yield* Effect.fail(new BadBlock(`block ${from + BigInt(stray)} is not the one it should be`))
    const verdicts = yield* fresh
      .connect(blocks)
      .pipe(Effect.catchTag("BlockRejected", ({ message }) => Effect.fail(new BadBlock(message))))
    const verdict = verdicts.at(-1)?._tag
    if (verdict === "Orphan" || verdict === "SideBranch") {
      return yield* Effect.fail(new BadBlock(`block ${fresh.tip().height + 1n} does not continue the one before it`))
    }
    yield* progress.advance(blocks.length, fresh.tip().height)
  })

  yield* storedBlocks(store, height(0), last).pipe(
    Stream.mapAccum(
      () => height(0),
      (from, page) => [height(from + BigInt(page.length)), [{ from, page }]]
    ),
    Stream.runForEach(({ from, page }) => connect(page, from)),
    Effect.ensuring(progress.finish)
  )
  if (fresh.tip().height !== last)
    return yield* Effect.fail(new BadBlock(`block ${fresh.tip().height + 1n} is missing`))
  return yield* (yield* UtxoStore).summary
})

const read = (bytes: Uint8Array, at: bigint): Effect.Effect<Block, BadBlock> => {
  const block = decodeBlock(bytes)
  return "_tag" in block
    ? Effect.fail(new BadBlock(`block ${at} cannot be read: ${block.message}`))
    : Effect.succeed(block)
}

/** On the disk that has room for the chain, and gone in the end. */
const scratchDirectory = (dataDir: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((files) => files.makeTempDirectoryScoped({ directory: dataDir, prefix: "verify-" })),
    Effect.mapError(({ message }) => failure("failed", `verify needs room for a copy of the chain: ${message}`))
  )

const EMPTY = new Uint8Array(0)
