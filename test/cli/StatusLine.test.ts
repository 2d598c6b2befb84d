/**
 * The line that is drawn, as a terminal shows it: in a real one of util-linux's `script`, where that is there.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"

const PROGRAM = join(import.meta.dirname, "../support/drawing.ts")
const COLUMNS = 44

const hasScript = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true

/** What a program leaves on a terminal of so many columns. */
const screenOf = (program: string): ReadonlyArray<string> => {
  const command = `stty cols ${COLUMNS} && exec ${process.execPath} ${program}`
  const { stdout } = spawnSync("script", ["--quiet", "--command", command, "/dev/null"], {
    env: { PATH: process.env["PATH"], TERM: "xterm", SHELL: "/bin/sh" },
    encoding: "utf8",
    timeout: 30_000
  })
  return rowsOf(stdout)
}

/** The rows of a terminal that was sent this; what is longer than a row goes on in the next. */
const rowsOf = (sent: string): ReadonlyArray<string> => {
  const rows = [""]
  let column = 0
  const put = (character: string): void => {
    if (column === COLUMNS) {
      rows.push("")
      column = 0
    }
    const row = rows.pop()!
    rows.push(row.slice(0, column) + character + row.slice(column + 1))
    column++
  }
  sent.split("\u001b[K").forEach((text, index) => {
    if (index > 0) rows.push(rows.pop()!.slice(0, column))
    for (const character of stripVTControlCharacters(text)) {
      if (character === "\r") column = 0
      else if (character === "\n") rows.push("")
      else put(character)
    }
  })
  return rows
}

describe.skipIf(!hasScript)("a line drawn on a terminal", () => {
  it("is not torn by what is printed meanwhile, and stands below it, short enough for a row", () => {
    const rows = screenOf(PROGRAM)
    assert.strictEqual(rows.at(-1), "Syncing 9/9  100 %  1 blocks/s  7 peers")
    const above = rows.slice(0, -1).join("")
    assert.deepStrictEqual(
      above.match(/log line [0-9]+/g),
      [1, 2, 3, 4, 5, 6, 7, 8].map((height) => `log line ${height}`)
    )
    assert.match(above, /log line 8"?printed$/)
    assert.notInclude(above, "Syncing")
  })
})
