/**
 * Blocks of a stored chain as lines.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { height, type Height } from "../../protocol/Height.ts"
import { BLOCKS_ANSWER, BLOCKS_PER_ANSWER } from "../../protocol/Limits.ts"
import type { ChainStore, StoreError } from "../../services/ChainStore.ts"
import { failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { printAll } from "./Output.ts"
import { endAt, makeProgress } from "./Progress.ts"
import { readStoppedChain } from "./StoppedChain.ts"

/** The wire bytes of the blocks at the heights, a page at a time. */
export const storedBlocks = (
  store: ChainStore["Service"],
  from: Height,
  to: Height
): Stream.Stream<ReadonlyArray<Uint8Array>, StoreError> =>
  Stream.paginate(from, (next) =>
    Effect.map(store.blocks(next, to, PAGE), (blocks) => {
      const after = height(next + BigInt(blocks.length))
      const isLast = blocks.length === 0 || after > to
      return [[blocks], isLast ? Option.none() : Option.some(after)] as const
    })
  )

/** Writes blocks to standard output, as fast as its reader takes them. */
export const exportChain = (flags: StorageFlagValues, first: Option.Option<Height>, last: Option.Option<Height>) =>
  readStoppedChain(
    flags,
    Effect.fnUntraced(function* (_, { store, tip }) {
      const from = Option.getOrElse(first, () => height(0))
      const to = Option.getOrElse(last, () => tip.height)
      if (from > to || to > tip.height) {
        return yield* failure("usage", `there are no blocks ${from} to ${to}: the chain ends at height ${tip.height}`)
      }
      const base = yield* store.base
      if (base !== null && from <= base.height && to > 0n) {
        const detail = `blocks 1 to ${base.height} are not here: the chain began with a snapshot`
        return yield* failure("failed", `${detail}; --from ${base.height + 1n} writes what comes after`)
      }
      const written = storedBlocks(store, from, to)
      // On a terminal the blocks themselves show how far it is.
      const isSeen = yield* (yield* Stdio.Stdio).stdoutIsTerminal
      yield* (isSeen ? written : yield* counted(written, from, to)).pipe(
        Stream.map((blocks) => Buffer.concat(blocks.flatMap((block) => [block, LINE_END]))),
        printAll
      )
    })
  )

// --- internal ---

const PAGE = { count: BLOCKS_PER_ANSWER, bytes: BLOCKS_ANSWER }

/** Says how far it is; a reader that goes away before the end hears nothing more. */
const counted = Effect.fnUntraced(function* <E>(
  blocks: Stream.Stream<ReadonlyArray<Uint8Array>, E>,
  from: Height,
  to: Height
) {
  const progress = yield* makeProgress("exported", endAt(from, to))
  let last = from - 1n
  const advance = (count: number) => {
    last += BigInt(count)
    return progress.advance(count, last)
  }
  return blocks.pipe(
    Stream.tap((page) => advance(page.length)),
    Stream.ensuring(Effect.suspend(() => (last === to ? progress.finish : progress.clear)))
  )
})

const LINE_END = new Uint8Array([0x0a])
