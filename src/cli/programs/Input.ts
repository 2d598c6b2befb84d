/**
 * The bytes of a file that a command was given.
 */
import { createReadStream, fstatSync } from "node:fs"
import { pipeline } from "node:stream"
import { createGunzip } from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import type * as Stream from "effect/Stream"

export interface Input {
  readonly bytes: Stream.Stream<Uint8Array, { readonly message: string }>
  /** The part that was read so far, from 0 to 1; undefined of what comes through a pipe. */
  readonly share: () => number | undefined
}

/** `-` is standard input; a name that ends in .gz is of a compressed file. */
export const openInput = (file: string): Effect.Effect<Input, never, Stdio.Stdio> =>
  file === "-"
    ? Effect.map(Stdio.Stdio, ({ stdin }) => ({ bytes: stdin, share: () => undefined }))
    : Effect.sync(() => {
        let share: Input["share"] = () => undefined
        const bytes = NodeStream.fromReadable<Uint8Array, Error>({
          evaluate: () => {
            const source = createReadStream(file)
            source.once("open", (descriptor) => {
              const { size } = fstatSync(descriptor)
              if (size > 0) share = () => source.bytesRead / size
            })
            return file.endsWith(".gz") ? pipeline(source, createGunzip(), () => {}) : source
          },
          onError: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
        })
        return { bytes, share: () => share() }
      })

/** The bytes alone. */
export const readInput = (file: string): Effect.Effect<Input["bytes"], never, Stdio.Stdio> =>
  Effect.map(openInput(file), ({ bytes }) => bytes)
