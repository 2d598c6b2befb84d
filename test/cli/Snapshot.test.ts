import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Cause } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { run } from "../../src/cli/Cli.ts"
import { CommandFailure } from "../../src/cli/CommandFailure.ts"
import { encodeBlock } from "../../src/protocol/wire/Wire.ts"
import { spendingChain } from "../fixtures/SpendingChain.ts"
import { temporaryFolder } from "../fixtures/TemporaryFolder.ts"
import { dueMillis } from "../peer/Fixture.ts"
import { startTimenode } from "../support/timenode.ts"

const LAST = 130

/** Runs a command in this process: its last words, or what it wrote. */
const timenode = (dataDir: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const [outBefore, errBefore] = [(yield* TestConsole.logLines).length, (yield* TestConsole.errorLines).length]
    const exit = yield* Effect.exit(run([...args, "--network", "testnet", "--data-dir", dataDir]))
    const out = (yield* TestConsole.logLines).slice(outBefore).join("\n")
    const err = (yield* TestConsole.errorLines).slice(errBefore).join("\n")
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return { out, err, reason: error instanceof CommandFailure ? error.reason : error }
  }).pipe(Effect.provide(NodeServices.layer))

/** Succeeds. */
const output = (...args: Parameters<typeof timenode>) =>
  Effect.map(timenode(...args), ({ err, out, reason }) => {
    assert.isUndefined(reason, err)
    return { out, err }
  })

/** A folder with a whole chain, `whole`, and a snapshot of it. */
const withSnapshot = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* TestClock.setTime(dueMillis(LAST + 1))
  const lines = spendingChain(LAST + 1).map((block) => `${Buffer.from(encodeBlock(block)).toString()}\n`)
  writeFileSync(join(folder, "blocks"), lines.join(""))
  const [whole, file] = [join(folder, "whole"), join(folder, "snapshot")]
  yield* output(whole, "chain", "import", join(folder, "blocks"))
  const { out } = yield* output(whole, "chain", "snapshot", "save", file)
  const hash = /^snapshot-hash: ([0-9a-f]{64})$/m.exec(out)?.[1] ?? assert.fail(out)
  return { folder, whole, file, saved: out, hash }
})

describe("timenode chain snapshot", () => {
  it.effect("is saved, loaded, described, and refused for what it cannot be used for", () =>
    Effect.gen(function* () {
      const { file, folder, hash, saved, whole } = yield* withSnapshot
      assert.match(saved, /^height: 30\nblock: [0-9a-f]{64}\nutxo-count: \d+\n/)
      assert.deepStrictEqual(readdirSync(folder).sort(), ["blocks", "snapshot", "whole"])

      const high = yield* timenode(whole, "chain", "snapshot", "save", "--height", "31", file)
      assert.strictEqual(high.reason, "failed")
      assert.include(high.err, "there can be one at the heights 1 to 30, not at 31")

      const dataDir = join(folder, "new")
      const other = yield* timenode(dataDir, "chain", "snapshot", "load", "--hash", "0".repeat(64), file)
      assert.strictEqual(other.reason, "failed")
      assert.include(other.err, "is not the snapshot that was asked for")
      const loaded = yield* output(dataDir, "chain", "snapshot", "load", "--hash", hash, file)
      assert.notInclude(loaded.err, "warning")
      assert.include(loaded.out, `height: ${LAST}\n`)
      const again = yield* timenode(dataDir, "chain", "snapshot", "load", file)
      assert.strictEqual(again.reason, "dataDirectory")
      assert.include(again.err, "remove its chain.db, or choose another --data-dir")
      const trusting = yield* output(join(folder, "trusting"), "chain", "snapshot", "load", file)
      assert.include(trusting.err, "warning: compare the snapshot-hash")

      const described = (yield* output(whole, "chain", "info")).out
      const snapshotLine = "snapshot: not verified, 0 of 30 blocks before it were checked"
      assert.strictEqual((yield* output(dataDir, "chain", "info")).out, `${described}\n${snapshotLine}`)

      const chain = join(dataDir, "chain.db")
      const before = readFileSync(chain)
      for (const args of [["verify"], ["verify", "--repair"]]) {
        const verified = yield* timenode(dataDir, "chain", ...args)
        assert.strictEqual(verified.reason, "failed")
        assert.include(verified.err, "blocks 1 to 30 are not here, so that it cannot be verified")
      }
      const exported = yield* timenode(dataDir, "chain", "export")
      assert.strictEqual(exported.reason, "failed")
      assert.include(exported.err, "--from 31 writes what comes after")
      assert.isTrue(before.equals(readFileSync(chain)))

      const db = new DatabaseSync(chain)
      db.exec("UPDATE utxo SET value = value + 1 WHERE key = (SELECT max(key) FROM utxo)")
      db.close()
      const damaged = readFileSync(chain)
      const repaired = yield* timenode(dataDir, "chain", "verify", "--repair")
      assert.strictEqual(repaired.reason, "dataDirectory")
      assert.include(repaired.err, "began with a snapshot at height 30, without the blocks that a repair begins with")
      assert.isTrue(damaged.equals(readFileSync(chain)))
      // Reading leaves an empty log beside it.
      assert.deepStrictEqual(
        readdirSync(dataDir).filter((name) => !name.startsWith("chain.db-")),
        ["chain.db"]
      )
    })
  )

  it.effect("whose loading is killed leaves no chain, and can be loaded again", () =>
    Effect.gen(function* () {
      const { file, folder } = yield* withSnapshot
      const dataDir = join(folder, "new")
      const child = yield* startTimenode(folder, ["chain", "snapshot", "load", "-", "--data-dir", dataDir])
      child.stdin.on("error", () => {})
      const bytes = readFileSync(file)
      child.stdin.write(bytes.subarray(0, bytes.length - 1))
      const loading = join(dataDir, "snapshot.loading/chain.db")
      yield* Effect.promise(async () => {
        while (!existsSync(loading) && child.exitCode === null) await new Promise((resume) => setTimeout(resume, 5))
        const exit = once(child, "exit")
        child.kill("SIGKILL")
        await exit
      })
      assert.strictEqual(child.signalCode, "SIGKILL")
      assert.deepStrictEqual(readdirSync(dataDir), ["snapshot.loading"])
      assert.strictEqual((yield* timenode(dataDir, "chain", "info")).reason, "failed")
      yield* output(dataDir, "chain", "snapshot", "load", file)
      assert.deepStrictEqual(readdirSync(dataDir), ["chain.db"])
    })
  )
})
