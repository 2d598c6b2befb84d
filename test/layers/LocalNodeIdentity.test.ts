import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { statSync } from "node:fs"
import { join } from "node:path"
import packageJson from "../../package.json" with { type: "json" }
import * as LocalNodeIdentity from "../../src/layers/LocalNodeIdentity.ts"
import { type Seed, SigningKey } from "../../src/protocol/Ed25519.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { NodeConfig, type NodeConfigValues } from "../../src/services/NodeConfig.ts"
import { NodeIdentity } from "../../src/services/NodeIdentity.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)
const masternode = { enabled: true, tier: "Free", rewardAddress: "" } as const

/** The identity of a node that starts now. */
const start = (config: Partial<NodeConfigValues>) =>
  NodeIdentity.pipe(
    Effect.provide(LocalNodeIdentity.layer.pipe(Layer.provide([NodeConfig.layerTest(config), platform])), {
      local: true
    })
  )

const inTemporaryDirectory = <A, E>(run: (directory: string) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* run(yield* fs.makeTempDirectoryScoped())
  }).pipe(Effect.provide(platform))

describe("LocalNodeIdentity", () => {
  it("has the version of the package", () => {
    assert.strictEqual(LocalNodeIdentity.VERSION, packageJson.version)
  })

  it.effect("is another node id at every start, and no key for a node that is no masternode", () =>
    inTemporaryDirectory((dataDir) =>
      Effect.gen(function* () {
        const first = yield* start({ dataDir, externalAddress: peerId("1.1.1.1")! })
        const second = yield* start({ dataDir })
        assert.match(first.nodeId, /^[0-9a-f]{32}$/)
        assert.notStrictEqual(first.nodeId, second.nodeId)
        assert.deepStrictEqual([first.key, first.externalAddress], [null, "1.1.1.1"])
        const fs = yield* FileSystem.FileSystem
        assert.deepStrictEqual(yield* fs.readDirectory(dataDir), [])
      })
    )
  )

  it.effect("is the same key at every start of a masternode, in a file that its owner alone can read", () =>
    inTemporaryDirectory((parent) =>
      Effect.gen(function* () {
        const dataDir = join(parent, "not", "there", "yet")
        const first = yield* start({ dataDir, masternode })
        const second = yield* start({ dataDir, masternode })
        assert.isNotNull(first.key)
        assert.deepStrictEqual(second.key?.publicKey, first.key?.publicKey)
        const file = join(dataDir, "masternode.key")
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        const fs = yield* FileSystem.FileSystem
        const seed = new Uint8Array(Buffer.from((yield* fs.readFileString(file)).trim(), "hex")) as Seed
        assert.deepStrictEqual(new SigningKey(seed).publicKey, first.key?.publicKey)
      })
    )
  )

  it.effect("is another key in another data directory, and a fleeting one without", () =>
    inTemporaryDirectory((parent) =>
      Effect.gen(function* () {
        const keys: Array<string> = []
        for (const dataDir of [join(parent, "a"), join(parent, "b"), null, null]) {
          keys.push(toHex((yield* start({ dataDir, masternode })).key!.publicKey))
        }
        assert.strictEqual(new Set(keys).size, 4)
      })
    )
  )

  for (const [what, content] of [
    ["is empty", ""],
    ["is short", "ab".repeat(31)],
    ["is long", "ab".repeat(33)],
    ["holds no hex", "zz".repeat(32)]
  ] as const) {
    it.effect(`refuses a key file that ${what}, and leaves it as it is`, () =>
      inTemporaryDirectory((dataDir) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const file = join(dataDir, "masternode.key")
          yield* fs.writeFileString(file, content)
          const error = yield* Effect.flip(start({ dataDir, masternode }))
          assert.strictEqual(error._tag, "IdentityError")
          assert.strictEqual(error.file, file)
          assert.isFalse(error.message.includes("abab") || error.detail.includes("abab"), "the secret shows")
          assert.strictEqual(yield* fs.readFileString(file), content)
        })
      )
    )
  }

  it.effect("refuses a data directory that cannot be one", () =>
    inTemporaryDirectory((parent) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const dataDir = join(parent, "file")
        yield* fs.writeFileString(dataDir, "")
        const error = yield* Effect.flip(start({ dataDir, masternode }))
        assert.strictEqual(error._tag, "IdentityError")
      })
    )
  )
})
