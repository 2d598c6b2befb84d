/**
 * A new chain out of a snapshot.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SnapshotError } from "../../layers/SnapshotError.ts"
import { loadSnapshot } from "../../layers/SnapshotLoader.ts"
import { type Hash256, toHex } from "../../protocol/Hash.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import type { StorageFlagValues } from "../config/Flags.ts"
import { readInput } from "./Input.ts"
import { storedChain, storeFailure } from "./StoppedChain.ts"

/** Loads the snapshot of a file; `-` is standard input. Without a hash to compare, says that it has to be trusted. */
export const loadSnapshotFile = (flags: StorageFlagValues, file: string, expected: Option.Option<Hash256>) =>
  Effect.gen(function* () {
    const chain = yield* storedChain(flags)
    const name = file === "-" ? "standard input" : file
    let printedAt = yield* Clock.currentTimeMillis
    const onProgress = (coins: bigint, of: bigint) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (now - printedAt < INTERVAL) return Effect.void
        printedAt = now
        return Console.error(`loaded ${coins} of ${of} unspent outputs`)
      })
    const { base, hash, tip } = yield* loadSnapshot(
      { chain, expected: Option.getOrUndefined(expected), onProgress },
      yield* readInput(file)
    ).pipe(
      Effect.catchTags({
        SnapshotError: (error) => Effect.fail(loadFailure(name, error)),
        StoreError: (error) => Effect.fail(storeFailure(chain.dataDir, error))
      })
    )
    yield* Console.log(
      [
        `height: ${tip.height}`,
        `tip: ${toHex(tip.hash)}`,
        `snapshot-height: ${base.height}`,
        `utxo-hash: ${toHex(base.utxoHash)}`,
        `snapshot-hash: ${toHex(hash)}`
      ].join("\n")
    )
    if (Option.isNone(expected)) {
      yield* Console.error(
        "warning: compare the snapshot-hash with one that you have from elsewhere, or give --hash; it is trusted until the " +
          "node has checked the blocks before it"
      )
    }
  })

// --- internal ---

const INTERVAL = 2_000

const loadFailure = (name: string, { detail, reason }: SnapshotError): CommandFailure => {
  switch (reason) {
    case "NotEmpty":
      return failure("dataDirectory", `${detail}; remove its chain.db, or choose another --data-dir`)
    case "WrongNetwork":
      return failure("failed", `${name} is of another network: ${detail}; check --network`)
    case "OtherHash":
      return failure("failed", `${name} is not the snapshot that was asked for: ${detail}`)
    case "Unreadable":
      return failure("failed", `cannot read ${name}: ${detail}`)
    case "Failed":
      return failure("failed", `the snapshot cannot be loaded: ${detail}`)
    case "OtherFormat":
    case "NoSnapshot":
      return failure("failed", `${name} is no snapshot that this program can read: ${detail}`)
    default:
      return failure("failed", `${name} is damaged: ${detail}; nothing was written, get it again`)
  }
}
