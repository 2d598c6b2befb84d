/**
 * The address book that outlives the process: the one in memory, and `addresses.json` in the data directory.
 *
 * The file is written every few minutes while there is news, and at the end. A node that finds it damaged starts with an
 * empty book.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import { AddressBook } from "../services/AddressBook.ts"
import type { MasternodeRegistry } from "../services/MasternodeRegistry.ts"
import type { NodeConfig } from "../services/NodeConfig.ts"
import * as DataFile from "./DataFile.ts"
import * as MemoryAddressBook from "./MemoryAddressBook.ts"
import { StoredAddresses } from "./StoredAddresses.ts"

/** Keeps the book in that directory, which is made when there is something to write. */
export const layer = (options: {
  readonly dataDir: string
}): Layer.Layer<AddressBook, never, FileSystem.FileSystem | Path.Path | MasternodeRegistry | NodeConfig> =>
  Layer.effect(
    AddressBook,
    Effect.gen(function* () {
      const file = yield* DataFile.make(options.dataDir, "addresses.json", StoredAddresses)
      const { book, revision, snapshot } = yield* MemoryAddressBook.make(Option.getOrNull(yield* file.read))
      let written = yield* revision
      const save = Effect.gen(function* () {
        const now = yield* revision
        if (now === written) return
        yield* file.write(yield* snapshot)
        written = now
      })
      // Registered before the fiber, so that it runs after that has ended: there is one writer at a time.
      yield* Effect.addFinalizer(() => save)
      yield* Effect.forkScoped(Effect.schedule(save, Schedule.spaced(SAVE_INTERVAL)))
      return book
    })
  )

// --- internal ---

/** What is lost when the process dies: some minutes of gossip. */
const SAVE_INTERVAL = "5 minutes"
