/**
 * The bytes of a file that a command was given.
 */
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream"
import { createGunzip } from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import type * as Stream from "effect/Stream"

/** `-` is standard input; a name that ends in .gz is of a compressed file. */
export const readInput = (
  file: string
): Effect.Effect<Stream.Stream<Uint8Array, { readonly message: string }>, never, Stdio.Stdio> =>
  file === "-"
    ? Effect.map(Stdio.Stdio, ({ stdin }) => stdin)
    : Effect.succeed(
        NodeStream.fromReadable<Uint8Array, Error>({
          evaluate: () => {
            const bytes = createReadStream(file)
            return file.endsWith(".gz") ? pipeline(bytes, createGunzip(), () => {}) : bytes
          },
          onError: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
        })
      )
