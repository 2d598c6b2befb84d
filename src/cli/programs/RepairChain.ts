/**
 * A damaged chain, made anew from those of its blocks that are sound.
 *
 * They are put on a chain of their own, with every rule, in a file beside. Only when that is complete and closed it takes
 * the place of the damaged one, which stays under another name. Until then nothing is changed; a repair that is cut short
 * after that is finished by the next.
 */
import { basename } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { exchange, finishExchange, isExchanging } from "../../layers/ChainExchange.ts"
import { chainFile } from "../../layers/DataDirectory.ts"
import { salvage, type Salvage } from "../../layers/SqliteSalvage.ts"
import { type Block, blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { toHex } from "../../protocol/Hash.ts"
import { BLOCKS_PER_COMMIT } from "../../protocol/Limits.ts"
import { decodeBlock } from "../../protocol/wire/Wire.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import type { ChainTip } from "../../services/ChainStore.ts"
import { failure } from "../CommandFailure.ts"
import { endAt, makeProgress } from "./Progress.ts"
import { openChain, rules, type StoredChain } from "./StoppedChain.ts"

/** Replaces the chain by what is sound in it, made in the folder, and says what that is. One process at a time. */
export const repairChain = Effect.fnUntraced(function* (folder: string, chain: StoredChain, damage: string) {
  yield* Console.error(`damaged: ${damage}`)
  const file = chainFile(chain.dataDir)
  if (isExchanging(file)) return yield* finish(chain)
  // What is left is held, so that nobody writes it, until it has its other name.
  yield* Effect.gen(function* () {
    const left = yield* salvage(file)
    if (left.base !== undefined) {
      const detail = `the chain in ${chain.dataDir} began with a snapshot at height ${left.base}`
      return yield* failure(
        "dataDirectory",
        `${detail}, without the blocks that a repair begins with; move it away and load one again, or start without`
      )
    }
    const made = { ...chain, dataDir: folder }
    const { kept, reason } = yield* rebuild(left).pipe(Effect.provide(rules(made), { local: true }))
    yield* report(kept, yield* moving(chain, () => exchange(file, chainFile(folder))))
    const lost =
      left.last === undefined ? `what came after block ${kept.height}` : `blocks ${kept.height + 1n} to ${left.last}`
    yield* Console.log(
      left.last === kept.height
        ? "lost: nothing, all blocks are sound"
        : `lost: ${lost} (${reason}); timenode start fetches them again`
    )
  }).pipe(Effect.scoped)
})

// --- internal ---

/** What a repair before this one has made is complete, and has only to get its name. */
const finish = Effect.fnUntraced(function* (chain: StoredChain) {
  const aside = yield* moving(chain, () => finishExchange(chainFile(chain.dataDir)))
  yield* openChain(chain, (_, { tip }) => report(tip, aside))
  yield* Console.log("lost: what that repair could not keep; timenode start fetches it again")
})

const report = ({ hash, height }: ChainTip, aside: string) =>
  Console.log(`repaired: height ${height}, tip ${toHex(hash)}; the damaged file is ${basename(aside)}`)

const moving = ({ dataDir }: StoredChain, move: () => string) =>
  Effect.try({
    try: move,
    catch: (cause) => failure("failed", `cannot put the rebuilt chain into ${dataDir}: ${String(cause)}`)
  })

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
