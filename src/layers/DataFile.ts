/**
 * A small file of the data directory: read whole at start, replaced whole when what it holds has changed.
 *
 * The new text is on disk before it takes the file's name, so that a crash leaves the old one or the new one. What such
 * a file holds can be gathered anew: one that cannot be read is put aside for the operator, and the node starts without.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { makeDirectory } from "./DataDirectory.ts"

export interface DataFile<A> {
  /** What was written last; none when nothing was, or when it cannot be read any more. */
  readonly read: Effect.Effect<Option.Option<A>>
  /** Replaces the file. Failures are logged: the node goes on with what it has in memory. */
  readonly write: (value: A) => Effect.Effect<void>
  /** Replaces the file, for what must be on disk before the node goes on. */
  readonly store: (value: A) => Effect.Effect<void, DataFileError>
}

/** The file could not be replaced; what it held stands. A retry helps once the disk has room again, or is mended. */
export class DataFileError extends Schema.TaggedError<DataFileError>()("DataFileError", {
  file: Schema.String,
  detail: Schema.String
}) {}

/** Whoever writes does so one write after the other. */
export const make = Effect.fnUntraced(function* <A>(dataDir: string, name: string, schema: Schema.Codec<A, unknown>) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(dataDir, name)
  const json = Schema.fromJsonString(schema)
  const decode = Schema.decodeEffect(json)
  const encode = Schema.encodeEffect(json)

  const putAside = (cause: { readonly message: string }) =>
    fs.rename(file, `${file}.damaged`).pipe(
      Effect.matchEffect({
        onFailure: () => Effect.logWarning(`${file} cannot be read; starting without it: ${cause.message}`),
        onSuccess: () =>
          Effect.logWarning(`${file} cannot be read and is now ${file}.damaged; starting without it: ${cause.message}`)
      }),
      Effect.as(Option.none<A>())
    )

  const replace = Effect.fnUntraced(function* (text: string) {
    yield* Effect.try({ try: () => makeDirectory(dataDir), catch: (cause) => cause as Error })
    yield* Effect.scoped(
      Effect.gen(function* () {
        const fresh = yield* fs.open(`${file}.new`, { flag: "w", mode: 0o600 })
        yield* fresh.writeAll(new TextEncoder().encode(text))
        yield* fresh.sync
      })
    )
    yield* fs.rename(`${file}.new`, file)
  })

  const put = (value: A) =>
    encode(value).pipe(
      Effect.flatMap(replace),
      Effect.mapError(({ message }) => new DataFileError({ file, detail: message }))
    )

  // Where a directory can be opened, its new entry is made to last as well.
  const syncName = Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(dataDir, { flag: "r" }), ({ sync }) => sync)))

  return {
    read: fs.readFileString(file).pipe(
      Effect.flatMap(decode),
      Effect.asSome,
      Effect.catch((error) =>
        error._tag === "PlatformError" && error.reason._tag === "NotFound" ? Effect.succeedNone : putAside(error)
      )
    ),
    write: (value) =>
      Effect.catch(put(value), ({ detail }) => Effect.logWarning(`${file} cannot be written: ${detail}`)),
    store: (value) => Effect.andThen(put(value), syncName)
  } satisfies DataFile<A>
})
