import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { DatabaseSync } from "node:sqlite"
import { SqliteSums, type SummedTable } from "../../src/layers/SqliteSums.ts"
import { ended, scratch, startTimenode, timenode } from "../support/timenode.ts"

const VECTOR = join(import.meta.dirname, "../vectors/chain/testnet-2601.jsonl.gz")
const lines = gunzipSync(readFileSync(VECTOR)).toString().trimEnd().split("\n")
const blocks = (from: number, to: number): string =>
  lines
    .slice(from, to + 1)
    .map((line) => `${line}\n`)
    .join("")

const TIP = "eae4eb1d4b732f62028a5cd7e5ad0287692770338298a82789d3d54feb6d6fa0"
const UTXO_HASH = "055de8a8f873d51520d0943a42586e3c9416bc047c776628793ec88b42358104"

/** A home directory with a chain up to a height in its default place. */
const withChain = (height: number) =>
  Effect.gen(function* () {
    const home = yield* scratch
    const { code, stderr } = yield* timenode(home, ["chain", "import", "-"], { stdin: blocks(0, height) })
    assert.strictEqual(code, 0, stderr)
    return { home, file: join(home, ".timecoin/timenode/testnet/chain.db") }
  })

/**
 * Changes the closed file by SQL. Sums of the tables named are made to fit, as if the program had written it that way.
 * Returns the bytes that are there now.
 */
const plant = (file: string, sql: string, summed: ReadonlyArray<SummedTable> = []): Buffer => {
  const db = new DatabaseSync(file)
  db.exec(sql)
  for (const table of summed) {
    db.exec(`DELETE FROM checksum WHERE name = '${table}'`)
    const sums = new SqliteSums(db)
    const rows = db.prepare(`SELECT * FROM ${table}`)
    rows.setReadBigInts(true)
    for (const row of rows.all()) sums.add(table, ...(Object.values(row) as Array<bigint | Uint8Array>))
    sums.write()
  }
  db.close()
  return readFileSync(file)
}

describe("timenode chain", { concurrent: true }, () => {
  it.live("a whole chain goes in, is described, is sound, and comes out byte for byte", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const imported = yield* timenode(home, ["chain", "import", VECTOR])
      assert.strictEqual(imported.code, 0, imported.stderr)
      assert.match(imported.stderr, /imported 2601 blocks up to height 2601, \d+ blocks\/s\n$/)

      const info = yield* timenode(home, ["chain", "info"])
      assert.strictEqual(
        info.stdout,
        `network: testnet\nheight: 2601\ntip: ${TIP}\nutxo-count: 10405\nutxo-hash: ${UTXO_HASH}\n`
      )

      const verified = yield* timenode(home, ["chain", "verify"])
      assert.strictEqual(verified.code, 0, verified.stderr)
      assert.strictEqual(verified.stdout, `ok: height 2601, tip ${TIP}, utxo-hash ${UTXO_HASH}\n`)
      assert.deepStrictEqual(
        readdirSync(join(home, ".timecoin/timenode/testnet")).filter((name) => !name.startsWith("chain.db")),
        []
      )

      const exported = yield* timenode(home, ["chain", "export"])
      assert.isTrue(exported.stdout === blocks(0, 2601))
      assert.match(exported.stderr, /^exported 2602 blocks up to height 2601, \d+ blocks\/s\n$/)
    })
  )

  it.live("parts can be exported, imported again, and continued", () =>
    Effect.gen(function* () {
      const { home } = yield* withChain(5)
      const part = yield* timenode(home, ["chain", "export", "--from", "3", "--to", "4"])
      assert.strictEqual(part.stdout, blocks(3, 4))
      const beyond = yield* timenode(home, ["chain", "export", "--to", "6"])
      assert.strictEqual(beyond.code, 2)
      assert.strictEqual(beyond.stderr, "timenode: there are no blocks 0 to 6: the chain ends at height 5\n")

      const file = join(home, "more.gz")
      writeFileSync(file, gzipSync(blocks(0, 12)))
      const more = yield* timenode(home, ["chain", "import", file])
      assert.strictEqual(more.stderr, more.stderr.replace(/imported \d+/, "imported 7"))
      assert.match(more.stderr, /up to height 12,/)
    })
  )

  it.live("an export ends quietly when its reader goes away", () =>
    Effect.gen(function* () {
      const { home } = yield* withChain(400)
      const child = yield* startTimenode(home, ["chain", "export"])
      child.stdout.once("data", () => child.stdout.destroy())
      const { code, stderr } = yield* ended(child)
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
    })
  )
})

describe("an import stops", { concurrent: true }, () => {
  const bad: ReadonlyArray<readonly [name: string, stdin: string, stderr: RegExp, height: number]> = [
    [
      "at a block that breaks a rule",
      blocks(0, 119) + lines[120]!.replace('"version":1', '"version":7') + "\n" + blocks(121, 150),
      /\ntimenode: standard input: block 120 \([0-9a-f]{64}\) breaks a rule: header version 7, expected 1\n$/,
      119
    ],
    [
      "at a line that is no block",
      `${blocks(0, 3)}"GetPeers"\n${blocks(4, 5)}`,
      /\ntimenode: standard input, line 5 is not a block: .+\n$/,
      3
    ],
    [
      "at a block without its parent",
      blocks(0, 2) + blocks(4, 5),
      /\ntimenode: standard input, line 4: the parent of block 4 is not the end of this chain, .+\n$/,
      2
    ]
  ]
  for (const [name, stdin, expected, height] of bad) {
    it.live(`${name}, and keeps what came before`, () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* timenode(yield* scratch, ["chain", "import", "-"], { stdin })
        assert.match(stderr, expected)
        assert.include(stderr, ` up to height ${height},`)
        assert.strictEqual(code, 1)
      })
    )
  }

  it.live("before it has begun, when the file cannot be read", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* timenode(yield* scratch, ["chain", "import", "/nowhere.gz"])
      assert.strictEqual(code, 1)
      assert.match(stderr, /^timenode: cannot read \/nowhere\.gz: ENOENT.*\n$/)
    })
  )
})

describe("a data directory", { concurrent: true }, () => {
  it.live("without a chain is left alone", () =>
    Effect.gen(function* () {
      const home = yield* scratch
      const { code, stderr } = yield* timenode(home, ["chain", "info", "--data-dir", join(home, "empty")])
      assert.strictEqual(code, 1)
      assert.match(stderr, /^timenode: there is no chain in .*empty; /)
      assert.isFalse(existsSync(join(home, "empty")))
    })
  )

  it.live("of another network, damaged, or with other coins than its blocks leave, exits with 5", () =>
    Effect.gen(function* () {
      const { file, home } = yield* withChain(50)
      const foreign = yield* timenode(home, ["chain", "info", "--network", "mainnet", "--data-dir", join(file, "..")])
      assert.match(foreign.stderr, /^timenode: .* holds another network /)
      assert.strictEqual(foreign.code, 5)

      const before = readFileSync(file)
      const damage = plant(file, "UPDATE utxo SET value = value + 1 WHERE key = (SELECT max(key) FROM utxo)", ["utxo"])
      const coins = yield* timenode(home, ["chain", "verify"])
      assert.match(
        coins.stderr,
        /timenode: the set of unspent outputs in .* is damaged: .*; timenode chain verify --repair /
      )
      assert.strictEqual(coins.stdout, "")
      assert.strictEqual(coins.code, 5)
      assert.isTrue(damage.equals(readFileSync(file)))
      assert.isFalse(damage.equals(before))

      writeSync(openSync(file, "r+"), "no database any more", 0)
      const damaged = yield* timenode(home, ["chain", "info"])
      assert.match(damaged.stderr, /^timenode: the chain in .* is damaged \(.*\); timenode chain verify --repair /)
      assert.strictEqual(damaged.code, 5)
    })
  )
})

describe("timenode chain verify --repair", { concurrent: true }, () => {
  const damages: ReadonlyArray<readonly [name: string, damage: (file: string) => unknown, kept: number, says: RegExp]> =
    [
      [
        "a missing block",
        (file) => plant(file, "DELETE FROM body WHERE height = 20", ["body"]),
        19,
        /lost: blocks 20 to 30 /
      ],
      [
        "a block that is none",
        (file) => plant(file, "UPDATE body SET bytes = x'7b7d' WHERE height = 11"),
        10,
        /lost: blocks 11 to 30 \(block 11: it cannot be read: /
      ],
      [
        "a wrong coin",
        (file) => plant(file, "UPDATE utxo SET value = value + 1 WHERE key = (SELECT max(key) FROM utxo)", ["utxo"]),
        30,
        /lost: nothing, /
      ],
      [
        "a wrong tip",
        (file) => plant(file, "UPDATE block SET hash = zeroblob(32) WHERE height = 30", ["block"]),
        30,
        /lost: nothing, /
      ],
      [
        "a page of garbage",
        (file) => writeSync(openSync(file, "r+"), Buffer.alloc(4_096, 0xa5), 0, 4_096, 3 * 4_096),
        -1,
        /lost: /
      ],
      [
        "no database at all",
        (file) => writeFileSync(file, "garbage ".repeat(9_000)),
        0,
        /lost: what came after block 0 /
      ]
    ]
  for (const [name, damage, kept, says] of damages) {
    it.live(`keeps what is sound of ${name}`, () =>
      Effect.gen(function* () {
        const { file, home } = yield* withChain(30)
        damage(file)
        const damaged = readFileSync(file)
        const verified = yield* timenode(home, ["chain", "verify"])
        assert.strictEqual(verified.code, 5)
        assert.include(verified.stderr, "timenode chain verify --repair")
        assert.isTrue(damaged.equals(readFileSync(file)))

        const { code, stderr, stdout } = yield* timenode(home, ["chain", "verify", "--repair"])
        assert.strictEqual(code, 0, stderr)
        assert.match(stderr, /^damaged: the chain: |^damaged: the set of unspent outputs: |\ndamaged: the /)
        assert.match(stdout, says)
        const height = Number(/^repaired: height (\d+), .*chain\.db\.damaged-1$/m.exec(stdout)?.[1])
        if (kept >= 0) assert.strictEqual(height, kept)
        assert.isTrue(damaged.equals(readFileSync(`${file}.damaged-1`)))
        assert.deepStrictEqual(readdirSync(join(file, "..")).sort(), ["chain.db", "chain.db.damaged-1"])

        const again = yield* timenode(home, ["chain", "verify"])
        assert.match(again.stdout, new RegExp(`^ok: height ${height}, `))
      })
    )
  }

  it.live("finishes a repair that was cut short, and until then nothing else opens the chain", () =>
    Effect.gen(function* () {
      const { file, home } = yield* withChain(5)
      const sound = readFileSync(file)
      writeFileSync(`${file}.rebuilt`, sound)
      writeFileSync(file, "garbage")
      writeFileSync(`${file}-wal`, "more of it")
      const info = yield* timenode(home, ["chain", "info"])
      assert.strictEqual(info.code, 5)
      assert.match(info.stderr, /a repair of it was cut short .*; timenode chain verify --repair /)
      assert.strictEqual(readFileSync(`${file}-wal`, "utf8"), "more of it")

      const { code, stdout } = yield* timenode(home, ["chain", "verify", "--repair"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^repaired: height 5, .*chain\.db\.damaged-1$/m)
      assert.isTrue(sound.equals(readFileSync(file)))
      assert.strictEqual(readFileSync(`${file}.damaged-1`, "utf8"), "garbage")
      assert.strictEqual(readFileSync(`${file}.damaged-1-wal`, "utf8"), "more of it")
      assert.isFalse(existsSync(`${file}.rebuilt`))
    })
  )

  it.live("leaves a sound chain as it is", () =>
    Effect.gen(function* () {
      const { file, home } = yield* withChain(3)
      const before = readFileSync(file)
      const { code, stdout } = yield* timenode(home, ["chain", "verify", "--repair"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^ok: height 3, /)
      assert.isTrue(before.equals(readFileSync(file)))
      assert.isFalse(existsSync(`${file}.damaged-1`))
    })
  )
})
