/**
 * A stored chain, checked as if it came from a peer.
 *
 * All blocks are put on a chain of their own, in a scratch directory, with every rule. That chain must then end as the
 * stored one does: at the same block, and with the same unspent outputs.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Block, blockHash } from "../../protocol/Block.ts"
import { bytesEqual } from "../../protocol/ByteArray.ts"
import { toHex } from "../../protocol/Hash.ts"
import { height, type Height } from "../../protocol/Height.ts"
import { decodeBlock } from "../../protocol/wire/Wire.ts"
import { Blockchain } from "../../services/Blockchain.ts"
import type { ChainStore, StoreError } from "../../services/ChainStore.ts"
import { UtxoStore } from "../../services/UtxoStore.ts"
import { failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { endAt, makeProgress } from "./Progress.ts"
import { storedBlocks } from "./ExportChain.ts"
import { repairChain } from "./RepairChain.ts"
import { scratchDirectory } from "./ScratchDirectory.ts"
import { onStoppedChain, openChain, type OpenChain, rules, type StoredChain } from "./StoppedChain.ts"

/**
 * Fails with the exit code of a damaged data directory at the first thing that is wrong; or repairs it then, if that is
 * asked for.
 */
export const verifyChain = (flags: StorageFlagValues, repair: boolean) =>
  onStoppedChain(flags, (chain) =>
    Effect.gen(function* () {
      // Held to the end, so that there is one repair at a time.
      const scratch = yield* scratchDirectory(chain.dataDir)
      yield* verifyIn(scratch, chain, repair)
    }).pipe(Effect.scoped)
  )

// --- internal ---

const verifyIn = (scratch: string, chain: StoredChain, repair: boolean) =>
  openChain(chain, (chain, open) => check(join(scratch, "replayed"), chain, open)).pipe(
    Effect.catchTag("StoreError", (error): Effect.Effect<never, Damage | StoreError> =>
      error.reason === "Damaged" ? Effect.fail(new Damage("the chain", error.detail)) : Effect.fail(error)
    ),
    Effect.catchTag("Damage", (damage) =>
      repair
        ? repairChain(join(scratch, "rebuilt"), chain, `${damage.what}: ${damage.detail}`)
        : Effect.fail(failure("dataDirectory", advice(chain.dataDir, damage)))
    )
  )

const check = Effect.fnUntraced(function* (folder: string, chain: StoredChain, { store, tip }: OpenChain) {
  const base = yield* store.base
  if (base !== null) {
    // The file is what was written, or it would not have been opened. More cannot be said without the first blocks.
    return yield* failure(
      "failed",
      `the file is sound, but its chain began with a snapshot at height ${base.height}: blocks 1 to ${base.height} ` +
        "are not here, so that it cannot be verified"
    )
  }
  const stored = yield* (yield* UtxoStore).summary
  const left = yield* replay(store, tip.height).pipe(
    Effect.provide(rules({ ...chain, dataDir: folder }), { local: true }),
    Effect.catchTag("BadBlock", ({ detail }) => Effect.fail(new Damage("the chain", detail))),
    // A repair needs the room.
    Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
  )
  if (!bytesEqual(left.hash, stored.hash)) {
    return yield* Effect.fail(
      new Damage(
        "the set of unspent outputs",
        `it has ${stored.count} and hash ${toHex(stored.hash)}, the blocks leave ${left.count} and ${toHex(left.hash)}`
      )
    )
  }
  yield* Console.log(`ok: height ${tip.height}, tip ${toHex(tip.hash)}, utxo-hash ${toHex(stored.hash)}`)
})

/** What is damaged, and how that shows. */
class Damage {
  readonly _tag = "Damage"
  readonly what: string
  readonly detail: string

  constructor(what: string, detail: string) {
    this.what = what
    this.detail = detail
  }
}

const advice = (dataDir: string, { detail, what }: Damage): string =>
  `${what} in ${dataDir} is damaged: ${detail}; timenode chain verify --repair keeps the blocks that are sound`

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
  const progress = yield* makeProgress("verified", endAt(0n, last))

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

const EMPTY = new Uint8Array(0)
