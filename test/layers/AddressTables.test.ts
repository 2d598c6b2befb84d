import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type AddressEntry, AddressTables } from "../../src/layers/AddressTables.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { networkGroup } from "../../src/protocol/NetworkGroup.ts"
import type { PeerAddress, PeerId } from "../../src/protocol/PeerId.ts"

const DAY = 24 * 60 * 60_000
const at = (peer: string, port = 1): PeerAddress => ({ peer: peer as PeerId, port })
/** An address of a group of its own for each of the first 15,360 numbers. */
const numbered = (n: number): PeerAddress =>
  at(`${20 + (n % 60)}.${Math.floor(n / 60) % 256}.${Math.floor(n / 15_360) & 255}.${1 + Math.floor(n / 3_932_160)}`)
/** An address of one group for each of the first 65,536 numbers. */
const sameGroup = (n: number): PeerAddress => at(`9.9.${(n >> 8) & 255}.${n & 255}`)

const key = (n: number) => new Uint8Array(32).fill(n)
const count = (tables: AddressTables, where: (entry: AddressEntry) => boolean) =>
  [...tables.values()].filter(where).length
const isNew = ({ table }: AddressEntry) => table === "new"
const isTried = ({ table }: AddressEntry) => table === "tried"

const NEW_PLACES = Limits.NEW_BUCKETS * Limits.ADDRESSES_PER_BUCKET

/** A book with what honest peers of many groups named, and some of it reached. */
const honest = (seed: number) => {
  const tables = new AddressTables(key(seed))
  for (let n = 0; n < 600; n++) {
    tables.add(numbered(n), `81.${n % 50}`, 0)
    if (n % 3 === 0) tables.reached(numbered(n), 0)
  }
  return { tables, before: new Map(Array.from(tables.values(), ({ peer, table }) => [peer, table])) }
}

/** How many of the honest addresses that were never reached are gone. None that was may be. */
const lost = ({ before, tables }: ReturnType<typeof honest>): number => {
  let gone = 0
  for (const [peer, table] of before) {
    if (table === "tried") assert.strictEqual(tables.get(peer)?.table, "tried")
    else if (!tables.has(peer)) gone++
  }
  return gone
}

describe("a flood", () => {
  it("of 100,000 addresses of all groups, named by the peers of one, gets a sixteenth of `new` and displaces nothing", () => {
    const book = honest(1)
    for (let n = 0; n < 100_000; n++) book.tables.add(numbered(1_000 + n), "66.6", 1_000 + n)
    const got = count(book.tables, ({ source }) => source === "66.6")
    assert.isAtMost(got, NEW_PLACES / 16)
    assert.isAbove(got, NEW_PLACES / 32)
    assert.strictEqual(lost(book), 0)
  })

  it("of all addresses of one group, named by a peer, gets one bucket", () => {
    const book = honest(2)
    for (let n = 0; n < 20_000; n++) book.tables.add(sameGroup(n), "66.6", n)
    assert.isAtMost(
      count(book.tables, ({ group }) => group === "9.9"),
      Limits.ADDRESSES_PER_BUCKET
    )
    assert.strictEqual(lost(book), 0)
  })

  it("of addresses of one group that answer gets a sixteenth of `tried`, and displaces none that answers", () => {
    const book = honest(3)
    for (let n = 0; n < 5_000; n++) book.tables.reached(sameGroup(n), n)
    assert.isAtMost(
      count(book.tables, (entry) => isTried(entry) && entry.group === "9.9"),
      (Limits.TRIED_BUCKETS * Limits.ADDRESSES_PER_BUCKET) / 16
    )
    assert.strictEqual(lost(book), 0)
  })

  it("gets the places of what looks dead, and those alone", () => {
    const dead = honest(4)
    const failing = [...dead.before].filter(([, table]) => table === "new").map(([peer]) => peer)
    for (const peer of failing) for (let time = 0; time < 3; time++) dead.tables.failed(peer, 1_000, 10, 0.5)
    dead.tables.reached(numbered(0), 2_000)
    for (let n = 0; n < 5_000; n++) dead.tables.add(numbered(1_000 + n), `66.${n % 250}`, 3_000)
    const old = honest(4)
    for (let n = 0; n < 5_000; n++) old.tables.add(numbered(1_000 + n), `66.${n % 250}`, 31 * DAY)
    const alive = honest(4)
    for (let n = 0; n < 5_000; n++) alive.tables.add(numbered(1_000 + n), `66.${n % 250}`, 29 * DAY)
    assert.strictEqual(lost(alive), 0)
    assert.isAbove(lost(dead), 100)
    assert.isAbove(lost(old), 100)
  })
})

describe("where an address goes", () => {
  it("depends on the secret key", () => {
    const kept = [1, 2].map((seed) => {
      const tables = new AddressTables(key(seed))
      for (let n = 0; n < 2_000; n++) tables.add(numbered(n), "66.6", 0)
      return new Set(Array.from(tables.values(), ({ peer }) => peer))
    })
    assert.isAbove([...kept[0]!].filter((peer) => !kept[1]!.has(peer)).length, 20)
  })

  it("is `tried` once it was reached, with the port that was", () => {
    const tables = new AddressTables(key(1))
    tables.add(at("8.8.8.8", 1), "66.6", 0)
    tables.reached(at("8.8.8.8", 2), 5)
    assert.deepInclude(tables.get("8.8.8.8" as PeerId), { table: "tried", port: 2, lastConnected: 5, failures: 0 })
    assert.isFalse(tables.add(at("8.8.8.8", 3), "66.6", 0))
    assert.strictEqual(tables.get("8.8.8.8" as PeerId)?.port, 2)
  })
})

// Few groups and sources, so that buckets are full, and seldom a month, so that some of them look dead.
const Step = Schema.Struct({
  what: Schema.Literals(["add", "add", "add", "reached", "reached", "failed", "remove", "wait", "restore"]),
  group: Schema.Literals([1, 2, 3]),
  from: Schema.Literals([0, 10, 40]),
  span: Schema.Literals([1, 15, 30]),
  source: Schema.Literals(["66.1", "66.2"])
})

/** What the model knows of an address: enough to say whether it may be given up. */
interface Model {
  table: "configured" | "new" | "tried"
  touched: number
  failures: number
}

describe("AddressTables", () => {
  it.prop(
    "keep every bound, lose an address only for a reason, one for one, and never a configured one",
    [Schema.Array(Step)],
    ([steps]) => {
      const tables = new AddressTables(key(7))
      const model = new Map<PeerId, Model>()
      const configured = at("1.1.0.0")
      tables.configure(configured, 0)
      model.set(configured.peer, { table: "configured", touched: 0, failures: 0 })
      let now = 0

      /** Compares with the model; `subject` was acted upon, and may have taken the place of one that looked dead. */
      const check = (subject: PeerId) => {
        const gone = [...model].filter(([peer]) => peer !== subject && !tables.has(peer))
        assert.isAtMost(gone.length, 1)
        for (const [peer, { failures, table, touched }] of gone) {
          assert.notStrictEqual(table, "configured")
          assert.isTrue(failures >= 3 || now - touched > 30 * DAY, `${peer} was given up`)
          assert.isTrue(tables.has(subject))
          model.delete(peer)
        }
        for (const { peer } of tables.values()) assert.isTrue(model.has(peer))
      }

      for (const { from, group, source, span, what } of steps) {
        if (what === "wait") now += span * DAY
        for (let n = from; what !== "wait" && n < from + span; n++) {
          now++
          const address = at(`1.${group}.0.${n}`)
          const before = model.get(address.peer)
          if (what === "add" || what === "restore") {
            if (what === "add") {
              const added = tables.add(address, source, now)
              assert.strictEqual(added, before === undefined && tables.has(address.peer))
            } else {
              tables.restore(
                { ...address, source, tried: n % 2 === 0, since: now, lastConnected: now, failures: 0 },
                now
              )
            }
            if (before === undefined && tables.has(address.peer)) {
              model.set(address.peer, { table: tables.get(address.peer)!.table, touched: now, failures: 0 })
            }
          } else if (what === "reached") {
            tables.reached(address, now)
            const { table } = tables.get(address.peer) ?? {}
            if (before !== undefined || table !== undefined) {
              assert.isDefined(table)
              assert.isTrue(before?.table !== "tried" || table === "tried")
              model.set(address.peer, { table: table!, touched: now, failures: 0 })
            }
          } else if (what === "failed") {
            tables.failed(address.peer, now, 10, 0.5)
            if (before !== undefined) before.failures++
            if (!tables.has(address.peer)) {
              assert.isTrue(before === undefined || (before.table !== "configured" && before.failures >= 10))
              model.delete(address.peer)
            }
          } else if (address.peer !== configured.peer) {
            tables.remove(address.peer)
            assert.isFalse(tables.has(address.peer))
            model.delete(address.peer)
          }
          check(address.peer)
        }
        const ofGroup = (group: string, where: (entry: AddressEntry) => boolean) =>
          count(tables, (entry) => where(entry) && entry.group === group)
        for (const { lastConnected, table } of tables.values()) if (table === "tried") assert.isNotNull(lastConnected)
        for (const group of ["1.1", "1.2", "1.3"]) {
          assert.isAtMost(ofGroup(group, isTried), Limits.TRIED_BUCKETS_PER_GROUP * Limits.ADDRESSES_PER_BUCKET)
          for (const from of ["66.1", "66.2", group]) {
            assert.isAtMost(
              ofGroup(group, (entry) => isNew(entry) && entry.source === from),
              Limits.ADDRESSES_PER_BUCKET
            )
          }
        }
        assert.strictEqual(tables.size, model.size)
      }
    },
    { arbitrary: { runs: 60, seed: 1 } }
  )

  it("count addresses by their own group where nobody named them", () => {
    const tables = new AddressTables(key(1))
    tables.reached(at("8.8.8.8"), 0)
    assert.strictEqual(tables.get("8.8.8.8" as PeerId)?.source, networkGroup("8.8.8.8" as PeerId))
  })
})
