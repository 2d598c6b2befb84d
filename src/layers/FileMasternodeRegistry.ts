/**
 * The masternode registry that outlives the process: the one in memory, and `masternodes.json` in the data directory.
 *
 * This node's own heartbeat is on disk before it is told to anybody, so that no later process repeats its number. What
 * is known of others is written with it, or once a minute.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import type { NodeIdentity } from "../services/NodeIdentity.ts"
import * as DataFile from "./DataFile.ts"
import * as MemoryMasternodeRegistry from "./MemoryMasternodeRegistry.ts"
import { StoredMasternodes } from "./StoredMasternodes.ts"

/** Keeps the registry in that directory, which is made when there is something to write. */
export const layer = (options: {
  readonly dataDir: string
}): Layer.Layer<MasternodeRegistry, never, FileSystem.FileSystem | Path.Path | NodeConfig | NodeIdentity> =>
  Layer.effect(
    MasternodeRegistry,
    Effect.gen(function* () {
      const file = yield* DataFile.make(options.dataDir, "masternodes.json", StoredMasternodes)
      const { registry, revision, snapshot } = yield* MemoryMasternodeRegistry.make(Option.getOrNull(yield* file.read))
      const turn = yield* Semaphore.make(1)
      let written = yield* revision
      const save = Effect.gen(function* () {
        const now = yield* revision
        if (now === written) return
        yield* file.store(yield* snapshot)
        written = now
      }).pipe(Effect.uninterruptible, turn.withPermit)
      const keep = Effect.catch(save, ({ detail, file }) => Effect.logWarning(`${file} cannot be written: ${detail}`))
      // Registered before the fiber, so that it runs after that has ended.
      yield* Effect.addFinalizer(() => keep)
      yield* Effect.forkScoped(Effect.schedule(keep, Schedule.spaced(SAVE_INTERVAL)))
      return MasternodeRegistry.of({
        ...registry,
        beat: registry.beat.pipe(
          Effect.tap(() => save),
          Effect.catch(({ detail, file }) =>
            Effect.as(Effect.logError(`No heartbeat while ${file} cannot be written: ${detail}`), null)
          )
        )
      })
    })
  )

// --- internal ---

/** What is lost of others when the process dies. */
const SAVE_INTERVAL = "1 minute"
