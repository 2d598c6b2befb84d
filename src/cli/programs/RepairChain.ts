/**
 * A damaged chain, made anew from those of its blocks that are sound.
 *
 * They are put on a chain of their own, with every rule, in a file beside. Only when that is complete and closed it takes
 * the place of the damaged one, which stays under another name. Until then nothing is changed.
 */
import { existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs"
import { basename } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { chainFile } from "../../layers/DataDirectory.ts"
import { salvage, type Salvage } from "../../layers/SqliteSalvage.ts"
import { type Block, blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { toHex } from "../../protocol/Hash.ts"
import { BLOCKS_PER_COMMIT } from "../../protocol/Limits.ts"
import { decodeBlock } from "../../protocol/wire/Wire.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import { failure } from "../CommandFailure.ts"
import { endAt, makeProgress } from "./Progress.ts"
import { scratchDirectory } from "./ScratchDirectory.ts"
import { rules, type StoredChain } from "./StoppedChain.ts"

/** Replaces the chain by what is sound in it, and says what that is. */
export const repairChain = Effect.fnUntraced(function* (chain: StoredChain, damage: string) {
  yield* Console.error(`damaged: ${damage}`)
  const scratch = yield* scratchDirectory(chain.dataDir, "repair-")
  const file = chainFile(chain.dataDir)
  const { kept, last, reason } = yield* Effect.gen(function* () {
    const left = yield* salvage(file)
    if (left.base !== undefined) {
      const detail = `the chain in ${chain.dataDir} began with a snapshot at height ${left.base}`
      return yield* failure(
        "dataDirectory",
        `${detail}, without the blocks that a repair begins with; move it away and load one again, or start without`
      )
    }
    const rebuilt = yield* rebuild(left).pipe(Effect.provide(rules({ ...chain, dataDir: scratch }), { local: true }))
    return { ...rebuilt, last: left.last }
  }).pipe(Effect.scoped)

  const aside = yield* Effect.try({
    try: () => exchange(file, chainFile(scratch)),
    catch: (cause) => failure("failed", `cannot put the rebuilt chain into ${chain.dataDir}: ${String(cause)}`)
  })
  yield* Console.log(`repaired: height ${kept.height}, tip ${toHex(kept.hash)}; the damaged file is ${basename(aside)}`)
  const lost = last === undefined ? `what came after block ${kept.height}` : `blocks ${kept.height + 1n} to ${last}`
  yield* Console.log(
    last === kept.height
      ? "lost: nothing, all blocks are sound"
      : `lost: ${lost} (${reason}); timenode start fetches them again`
  )
})

// --- internal ---

/** Puts blocks on the chain that is provided, up to the first that is not sound. */
const rebuild = Effect.fnUntraced(function* (left: Salvage) {
  const chain = yield* Blockchain
  const progress = yield* makeProgress("rebuilt", left.last === undefined ? undefined : endAt(1n, left.last))
  let reason: string | undefined
  while (reason === undefined) {
    const from = chain.tip().height + 1n
    const blocks: Array<Block> = []
    for (let at = from; blocks.length < BLOCKS_PER_COMMIT && reason === undefined; at++) {
      if (left.last !== undefined && at > left.last) reason = "the chain ends there"
      else {
        const block = readBlock(left, at)
        if (typeof block === "string") reason = `block ${at}: ${block}`
        else blocks.push(block)
      }
    }
    // A file whose genesis is another has nothing of this chain, whatever follows.
    const first = from === 1n ? readBlock(left, 0n) : undefined
    if (typeof first === "object" && !bytesEqual(blockHash(first.header), chain.genesisHash)) {
      return { kept: chain.tip(), reason: "block 0: it is not the genesis block" }
    }
    const result = yield* Effect.result(chain.connect(blocks))
    if (Result.isFailure(result)) {
      if (result.failure._tag === "StoreError") return yield* result.failure
      reason = result.failure.message
    } else if (chain.tip().height < from + BigInt(blocks.length) - 1n) {
      reason = `block ${chain.tip().height + 1n}: it does not continue the one before it`
    }
    yield* progress.advance(Number(chain.tip().height - from + 1n), chain.tip().height)
  }
  yield* progress.finish
  return { kept: chain.tip(), reason }
})

const readBlock = (left: Salvage, at: bigint): Block | string => {
  const bytes = left.body(at)
  if (typeof bytes === "string") return bytes
  const block = decodeBlock(bytes)
  return "_tag" in block ? `it cannot be read: ${block.message}` : block
}

/** The rebuilt file takes the place of the other in one step; that one and its log get a name of their own first. */
const exchange = (file: string, rebuilt: string): string => {
  let number = 1
  while (existsSync(`${file}.damaged-${number}`)) number++
  const aside = `${file}.damaged-${number}`
  linkSync(file, aside)
  // A log must not be found beside a file that it does not belong to.
  const log = `${file}-wal`
  if (existsSync(log) && statSync(log).size > 0) renameSync(log, `${aside}-wal`)
  // Reading leaves an empty log and its index behind.
  rmSync(log, { force: true })
  rmSync(`${file}-shm`, { force: true })
  renameSync(rebuilt, file)
  return aside
}
