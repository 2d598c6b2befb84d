import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exchange, finishExchange, isExchanging } from "../../src/layers/ChainExchange.ts"

describe("an exchange of a chain's file", () => {
  const inFolder = (run: (file: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), "timenode-exchange-"))
    try {
      run(join(folder, "chain.db"))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const contents = (file: string) =>
    Object.fromEntries(
      readdirSync(join(file, "..")).map((name) => [name, readFileSync(join(file, "..", name), "utf8")])
    )

  const begin = (file: string): void => {
    writeFileSync(file, "old")
    writeFileSync(`${file}-wal`, "old log")
    writeFileSync(`${file}-shm`, "index of it")
    writeFileSync(`${file}.damaged-1`, "older")
    writeFileSync(`${file}.damaged-1-wal`, "older log")
  }
  const END = {
    "chain.db": "new",
    "chain.db.damaged-1": "older",
    "chain.db.damaged-1-wal": "older log",
    "chain.db.damaged-2": "old",
    "chain.db.damaged-2-wal": "old log"
  }

  it("keeps the old file and its log under a free name", () =>
    inFolder((file) => {
      begin(file)
      writeFileSync(`${file}.beside`, "new")
      assert.strictEqual(exchange(file, `${file}.beside`), `${file}.damaged-2`)
      assert.deepStrictEqual(contents(file), END)
      assert.isFalse(isExchanging(file))
    }))

  // In the order in which they are made.
  const steps: ReadonlyArray<readonly [after: string, step: (file: string) => void]> = [
    ["the new file has its first name", (file) => writeFileSync(`${file}.rebuilt`, "new")],
    ["the log is moved", (file) => renameSync(`${file}-wal`, `${file}.damaged-2-wal`)],
    ["the index of the log is gone", (file) => rmSync(`${file}-shm`)],
    ["the old file is moved", (file) => renameSync(file, `${file}.damaged-2`)]
  ]
  for (const [index, [after]] of steps.entries()) {
    it(`ends as it would have, cut short when ${after}`, () =>
      inFolder((file) => {
        begin(file)
        for (const [, step] of steps.slice(0, index + 1)) step(file)
        assert.isTrue(isExchanging(file))
        assert.strictEqual(finishExchange(file), `${file}.damaged-2`)
        assert.deepStrictEqual(contents(file), END)
      }))
  }
})
