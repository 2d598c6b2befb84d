/**
 * A file that holds a secret: for its owner's eyes alone, and replaced whole.
 *
 * New content is on disk, name included, when a write returns, so that a crash leaves the old file or the new one. A file
 * that others may read is not read here: whoever could has the secret, and the operator must know.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SECRET_FILE_BYTES } from "../protocol/Limits.ts"
import { makeDirectory } from "./DataDirectory.ts"

/** The file was not read or written; `Exists` of one that was to be made. A retry helps once the operator has mended it. */
export class SecretFileError extends Schema.TaggedError<SecretFileError>()("SecretFileError", {
  file: Schema.String,
  reason: Schema.Literals(["Exposed", "Exists", "TooLarge", "Failed"]),
  detail: Schema.String
}) {}

/** The bytes of the file; null when there is none. */
export const read = (file: string): Effect.Effect<Uint8Array | null, SecretFileError> =>
  attempt(file, () => {
    const opened = open(file)
    if (opened === undefined) return null
    return withOpen(opened, () => {
      const { mode, size } = fs.fstatSync(opened)
      if ((mode & 0o077) !== 0) {
        const detail = `others may read it (mode ${(mode & 0o777).toString(8)}); chmod 600 it, and if anybody could have, move the money`
        throw new SecretFileError({ file, reason: "Exposed", detail })
      }
      if (size > SECRET_FILE_BYTES) {
        throw new SecretFileError({ file, reason: "TooLarge", detail: `${size} bytes are too many` })
      }
      return new Uint8Array(fs.readFileSync(opened))
    })
  })

/** Makes the file, and its directory; one that is there is left as it is. */
export const create = (file: string, bytes: Uint8Array): Effect.Effect<void, SecretFileError> =>
  attempt(file, () => {
    makeDirectory(dirname(file))
    publish(file, bytes, (fresh) => {
      try {
        // A second name, unlike a new one, is never given to a file in the place of another.
        fs.linkSync(fresh, file)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
        throw new SecretFileError({ file, reason: "Exists", detail: "it is there already, and is never overwritten" })
      }
    })
  })

/** Puts the bytes in the place of what the file held. */
export const replace = (file: string, bytes: Uint8Array): Effect.Effect<void, SecretFileError> =>
  attempt(file, () => publish(file, bytes, (fresh) => fs.renameSync(fresh, file)))

// --- internal ---

const attempt = <A>(file: string, run: () => A): Effect.Effect<A, SecretFileError> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      cause instanceof SecretFileError
        ? cause
        : new SecretFileError({
            file,
            reason: "Failed",
            detail: cause instanceof Error ? cause.message : String(cause)
          })
  })

const open = (file: string): number | undefined => {
  try {
    return fs.openSync(file, "r")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Writes a file beside it, has it named, and sees to it that both are on disk and nothing else stays. */
const publish = (file: string, bytes: Uint8Array, name: (fresh: string) => void): void => {
  const fresh = `${file}.new-${randomBytes(6).toString("hex")}`
  try {
    const opened = fs.openSync(fresh, "wx", 0o600)
    withOpen(opened, () => {
      fs.writeFileSync(opened, bytes)
      fs.fsyncSync(opened)
    })
    name(fresh)
  } finally {
    fs.rmSync(fresh, { force: true })
  }
  const folder = fs.openSync(dirname(file), "r")
  withOpen(folder, () => fs.fsyncSync(folder))
}

const withOpen = <A>(opened: number, run: () => A): A => {
  try {
    return run()
  } finally {
    fs.closeSync(opened)
  }
}
