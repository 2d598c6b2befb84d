import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { NodeFileSystem } from "@effect/platform-node"
import { join } from "node:path"
import { scratch, timenode } from "../support/timenode.ts"

describe("usage", { concurrent: true }, () => {
  it.live("help is a result", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* timenode(yield* scratch, ["start", "--help"])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      const flags =
        "config network data-dir listen external-address peer rpc-listen max-peers max-inbound " +
        "no-discovery log-level log-format"
      for (const flag of flags.split(" ")) assert.include(stdout, `--${flag} `)
    })
  )

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, stderr: RegExp]> = [
    [[], /timenode needs a command; see timenode --help\n$/],
    [["start", "--lisen", "1.2.3.4"], /^timenode: Unrecognized flag: --lisen .*--listen; see timenode start --help\n$/],
    [["chain", "import"], /^timenode: Missing required argument: FILE; see timenode chain import --help\n$/],
    [
      ["chain", "export", "--from", "-1"],
      /^timenode: Invalid value for flag --from: .* a height; see timenode chain export/
    ]
  ]
  for (const [args, expected] of wrong) {
    it.live(`timenode ${args.join(" ")}`, () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* timenode(yield* scratch, args)
        assert.strictEqual(code, 2)
        assert.strictEqual(stdout, "")
        assert.match(stderr, expected)
      })
    )
  }
})

describe("configuration", { concurrent: true }, () => {
  it.live("errors of all sources are a line each and exit with 2", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const files = yield* FileSystem.FileSystem
      const file = join(home, "config.toml")
      yield* files.writeFileString(file, "[network]\nmax_peer = 3\n")
      const env = { TIME_CONFIG: file, TIME_RPC_LISTEN: "0.0.0.0:1" }
      const { code, stderr, stdout } = yield* timenode(home, ["start", "--log-level", "loud"], { env })
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      const lines = stderr.trimEnd().split("\n")
      assert.strictEqual(lines[0], `timenode: ${file}:2: unknown key network.max_peer; did you mean network.max_peers?`)
      assert.match(lines[1]!, /^timenode: TIME_RPC_LISTEN: .*token/)
      assert.match(lines[2]!, /^timenode: --log-level: expected trace, /)
      assert.strictEqual(lines.length, 3)
      assert.isFalse(yield* files.exists(join(home, ".timecoin")))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("a file that is not there is an error", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* timenode(yield* scratch, ["chain", "info", "--config", "/nowhere/config.toml"])
      assert.strictEqual(code, 2)
      assert.strictEqual(
        stderr,
        "timenode: cannot read the configuration /nowhere/config.toml: there is no such file\n"
      )
    })
  )
})
