/**
 * Bans in `bans.json` of the data directory, so that they last; scores and budgets in memory.
 *
 * An operator's ban is on disk before the operator is told that it stands. One for misbehaving is written soon after,
 * together with those that were made meanwhile: peers that misbehave do not make the node wait for its disk.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { peerId, type PeerId } from "../protocol/PeerId.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import { type Ban, BanReason, PeerGuard } from "../services/PeerGuard.ts"
import * as DataFile from "./DataFile.ts"
import * as GuardedPeers from "./GuardedPeers.ts"

/** Bans that are over by now are left out. A file that cannot be read is put aside. */
export const layer = (options: {
  readonly dataDir: string
}): Layer.Layer<PeerGuard, never, NodeConfig | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    PeerGuard,
    Effect.gen(function* () {
      const file = yield* DataFile.make(options.dataDir, "bans.json", BansFile)
      const bans = Option.match(yield* file.read, { onNone: () => [], onSome: ({ bans }) => bans.map(fromEntry) })
      return yield* GuardedPeers.make(bans, (current) => keepIn(file, current))
    })
  )

// --- internal ---

/** Times in milliseconds since the Unix epoch. */
const BanEntry = Schema.Struct({
  address: Schema.String.check(Schema.makeFilter((text) => peerId(text) === text)),
  since: Schema.Int,
  until: Schema.Int,
  reason: BanReason
})

const BansFile = Schema.Struct({ version: Schema.Literal(1), bans: Schema.Array(BanEntry) })

const fromEntry = ({ address, ...ban }: typeof BanEntry.Type): Ban => ({ peer: address as PeerId, ...ban })
const toEntry = ({ peer, ...ban }: Ban): typeof BanEntry.Type => ({ address: peer, ...ban })

const keepIn = Effect.fnUntraced(function* (
  file: DataFile.DataFile<typeof BansFile.Type>,
  current: Effect.Effect<ReadonlyArray<Ban>>
) {
  const changes = yield* Queue.sliding<void>(1)
  const turn = yield* Semaphore.make(1)
  let isKept = true
  const write = Effect.suspend(() => {
    isKept = true
    return Effect.flatMap(current, (bans) => file.write({ version: 1, bans: bans.map(toEntry) }))
  })
  const keep = turn.withPermit(Effect.uninterruptible(write))
  yield* Effect.addFinalizer(() => (isKept ? Effect.void : keep))
  yield* Queue.take(changes).pipe(Effect.andThen(keep), Effect.forever, Effect.forkScoped)
  return {
    changed: () => {
      isKept = false
      Queue.offerUnsafe(changes, undefined)
    },
    keep
  } satisfies GuardedPeers.BanKeeper
})
