/**
 * A snapshot of a stored chain, into a file or onto standard output.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Snapshot, snapshotOf } from "../../layers/SnapshotWriter.ts"
import { toHex } from "../../protocol/Hash.ts"
import type { Height } from "../../protocol/Height.ts"
import { failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { printAll } from "./Output.ts"
import { readStoppedChain } from "./StoppedChain.ts"

/** Writes the snapshot at a height, or the highest there can be; `-` is standard output. Says what it is on the other. */
export const saveSnapshot = (flags: StorageFlagValues, file: string, at: Option.Option<Height>) =>
  readStoppedChain(
    flags,
    Effect.fnUntraced(function* ({ network }, { store }) {
      const snapshot = yield* snapshotOf(store, network, Option.getOrUndefined(at)).pipe(
        Effect.catchTag("SnapshotError", ({ detail }) => Effect.fail(failure("failed", `no snapshot: ${detail}`)))
      )
      const { base } = snapshot
      yield* Console.error(`saving the snapshot at height ${base.height}: ${base.utxoCount} unspent outputs`)
      if (file === "-") yield* printAll(snapshot.bytes)
      else yield* writeFile(file, snapshot)
      yield* (file === "-" ? Console.error : Console.log)(
        [
          `height: ${base.height}`,
          `block: ${toHex(base.hash)}`,
          `utxo-count: ${base.utxoCount}`,
          `utxo-hash: ${toHex(base.utxoHash)}`,
          `snapshot-hash: ${toHex(snapshot.hash())}`
        ].join("\n")
      )
    })
  )

// --- internal ---

/** The whole file, on disk, or none of it: it gets its name at the end. */
const writeFile = (file: string, { bytes }: Snapshot) => {
  const part = `${file}.part`
  const attempt = <A>(run: () => A) =>
    Effect.try({
      try: run,
      catch: (cause) => failure("failed", `cannot write ${file}: ${cause instanceof Error ? cause.message : cause}`)
    })
  return Effect.gen(function* () {
    const descriptor = yield* Effect.acquireRelease(
      attempt(() => openSync(part, "w", 0o644)),
      (descriptor) => Effect.sync(() => closeSync(descriptor))
    )
    yield* Stream.runForEach(bytes, (chunk) => attempt(() => writeAll(descriptor, chunk)))
    yield* attempt(() => {
      fsyncSync(descriptor)
      renameSync(part, file)
      const folder = openSync(dirname(file), "r")
      fsyncSync(folder)
      closeSync(folder)
    })
  }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => rmSync(part, { force: true }))))
}

const writeAll = (descriptor: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
}
