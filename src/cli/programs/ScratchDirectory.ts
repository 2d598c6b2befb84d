/**
 * A directory beside a chain, for a copy of it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { failure } from "../CommandFailure.ts"

/** On the disk that has room for the chain, and gone with the scope. */
export const scratchDirectory = (dataDir: string, prefix: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((files) => files.makeTempDirectoryScoped({ directory: dataDir, prefix })),
    Effect.mapError(({ message }) => failure("failed", `there must be room for a copy of the chain: ${message}`))
  )
