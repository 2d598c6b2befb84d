/**
 * Reads the configuration of a command from the machine it runs on.
 */
import { homedir } from "node:os"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import { flagValues, type NodeFlagValues, type StorageFlagValues } from "./Flags.ts"
import { type ResolvedConfig, resolveConfig } from "./ResolveConfig.ts"

/** The file is the one of `--config`, or of TIME_CONFIG; without either there is none. */
export const readConfig: (
  flags: StorageFlagValues & Partial<NodeFlagValues>
) => Effect.Effect<ResolvedConfig, CommandFailure, FileSystem.FileSystem> = Effect.fnUntraced(function* (flags) {
  const env = process.env
  const path = Option.getOrElse(flags.config, () => env["TIME_CONFIG"] ?? "")
  const file = path === "" ? null : { path, text: yield* readText(path) }
  const resolved = resolveConfig({ flags: flagValues(flags), env, file, home: homedir() })
  if (Result.isFailure(resolved)) {
    return yield* failure("usage", resolved.failure.map(({ message }) => message).join("\n"))
  }
  return resolved.success
})

// --- internal ---

const readText = (path: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((files) => files.readFileString(path)),
    Effect.mapError(({ reason }) =>
      failure("usage", `cannot read the configuration ${path}: ${reasons[reason._tag] ?? "it is no readable file"}`)
    )
  )

const reasons: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "permission denied"
}
