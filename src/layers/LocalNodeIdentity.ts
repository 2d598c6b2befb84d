/**
 * The identity of a running node: a random id at every start, and the key of a masternode, which stays.
 *
 * The key lies in `masternode.key` in the data directory, 64 hex digits of its seed, readable by its owner alone. It is
 * made when a masternode first starts; a node that is none has no key.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { type Seed, SigningKey } from "../protocol/Ed25519.ts"
import { toHex } from "../protocol/Hash.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { NodeIdentity } from "../services/NodeIdentity.ts"
import { makeDirectory } from "./DataDirectory.ts"

/** What `Version` and the command line call this program. */
export const VERSION = "0.1.0"

/** The key file cannot be read or made, or is not one. A retry helps once the operator has mended it. */
export class IdentityError extends Schema.TaggedError<IdentityError>()("IdentityError", {
  file: Schema.String,
  detail: Schema.String
}) {}

export const layer = Layer.effect(
  NodeIdentity,
  Effect.gen(function* () {
    const { dataDir, externalAddress, masternode } = yield* NodeConfig
    return {
      nodeId: toHex(randomBytes(16)),
      version: VERSION,
      externalAddress,
      key: masternode.enabled ? yield* masternodeKey(dataDir) : null
    }
  })
)

// --- internal ---

const masternodeKey = Effect.fnUntraced(function* (dataDir: string | null) {
  if (dataDir === null) return new SigningKey(new Uint8Array(randomBytes(32)) as Seed)
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(dataDir, "masternode.key")
  const failed = (cause: { readonly message: string }) => new IdentityError({ file, detail: cause.message })

  if (!(yield* fs.exists(file).pipe(Effect.mapError(failed)))) {
    yield* Effect.try({ try: () => makeDirectory(dataDir), catch: (cause) => failed(cause as Error) })
    // Written whole before it gets its name: a key file that was cut short would never be a key again.
    const seed = toHex(randomBytes(32))
    yield* fs.writeFileString(`${file}.new`, `${seed}\n`, { mode: 0o600 }).pipe(Effect.mapError(failed))
    yield* fs.rename(`${file}.new`, file).pipe(Effect.mapError(failed))
  }
  const text = (yield* fs.readFileString(file).pipe(Effect.mapError(failed))).trim()
  if (!/^[0-9a-f]{64}$/.test(text)) {
    return yield* new IdentityError({ file, detail: "expected 64 hex digits; restore it from a back-up" })
  }
  return new SigningKey(new Uint8Array(Buffer.from(text, "hex")) as Seed)
})
