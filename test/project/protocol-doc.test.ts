/**
 * `docs/protocol.md` says what the code does, as far as a table can be compared: messages and types with their fields,
 * exchanges, limits, timers, block rules, offences, genesis blocks. Its rules have ids, and what is cited exists.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { BlockRejection, severity } from "../../src/consensus/BlockRejection.ts"
import { createdOutputs } from "../../src/consensus/BlockRules.ts"
import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import * as Policies from "../../src/peer/Policies.ts"
import { CommitSignature } from "../../src/protocol/Bft.ts"
import { Block, BlockHeader, MasternodeReward } from "../../src/protocol/Block.ts"
import { correlation, Exchange, requestTags, type RequestTag } from "../../src/protocol/Exchange.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { SignedHeartbeat, WitnessAttestation } from "../../src/protocol/Heartbeat.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { MasternodeRecord, MasternodeTier } from "../../src/protocol/Masternode.ts"
import { Message, messageTags, OutPointState, Subscription } from "../../src/protocol/Message.ts"
import { mainnet, testnet } from "../../src/protocol/Network.ts"
import { limitNames, PeerBudget } from "../../src/protocol/PeerBudget.ts"
import { peerId } from "../../src/protocol/PeerId.ts"
import { OutPoint, Transaction, TxInput, TxOutput } from "../../src/protocol/Transaction.ts"
import { Utxo, UtxoState, UtxoStateChange } from "../../src/protocol/Utxo.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { Vote } from "../../src/protocol/Vote.ts"
import { type Case, type EnumShape, type Field, type Shape, shapeOf } from "../../src/protocol/wire/Shape.ts"
import { decode } from "../../src/protocol/wire/Wire.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { type Offence, PeerGuard } from "../../src/services/PeerGuard.ts"
import { messages } from "../protocol/wire/Vectors.ts"
import { root } from "./Project.ts"

const text = readFileSync(join(root, "docs/protocol.md"), "utf8")
const lines = text.split("\n")

type Row = ReadonlyArray<string>

const cellsOf = (line: string): Row =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim())

/** The rows of all tables whose heading begins with these cells. Code quotes are taken off cells that are all code. */
const rowsUnder = (...heading: Row): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  lines.forEach((line, index) => {
    const isHeading = line.startsWith("|") && lines[index + 1]?.startsWith("|---") === true
    if (!isHeading || heading.some((cell, column) => cellsOf(line)[column] !== cell)) return
    for (let at = index + 2; lines[at]?.startsWith("|") === true; at++) {
      rows.push(cellsOf(lines[at]!).map((cell) => cell.replace(/^`([^`]*)`$/, "$1")))
    }
  })
  assert.isAbove(rows.length, 0, `no table with the heading ${heading.join(", ")}`)
  return rows
}

const NONE = "—"

// --- shapes, in the document's notation ---

const enums: Readonly<Record<string, Shape>> = {
  UtxoState: shapeOf(UtxoState),
  MasternodeTier: shapeOf(MasternodeTier)
}
const structs: Readonly<Record<string, Shape>> = Object.fromEntries(
  Object.entries({
    OutPoint,
    TxInput,
    TxOutput,
    Transaction,
    BlockHeader,
    MasternodeReward,
    Block,
    Utxo,
    UtxoStateChange,
    OutPointState,
    Subscription,
    Vote,
    SignedHeartbeat,
    WitnessAttestation,
    MasternodeRecord,
    CommitSignature
  }).map(([name, schema]) => [name, shapeOf(schema)])
)
const names = new Map(Object.entries({ ...enums, ...structs }).map(([name, shape]) => [shape, name]))

const notation = (shape: Shape): string => names.get(shape) ?? spelledOut(shape)

const spelledOut = (shape: Shape): string => {
  switch (shape.kind) {
    case "u32":
    case "u64":
    case "i64":
    case "string":
      return shape.kind
    case "boolean":
      return "bool"
    case "publicKey":
      return "key"
    case "bytes":
      return shape.length === null ? "bytes" : (BYTES[shape.length] ?? `bytes(${shape.length})`)
    case "nullable":
      return `${notation(shape.item)}?`
    case "list":
      return `${notation(shape.item)}[]`
    case "struct":
      return shape.form === "tuple" ? `[${fieldList(shape.fields)}]` : `{${fieldList(shape.fields)}}`
    case "enum":
      return assert.fail("an enum without a name")
  }
}

const BYTES: Readonly<Record<number, string>> = { 32: "hash", 64: "signature" }

const fieldList = (fields: ReadonlyArray<Field>): string =>
  fields.map(({ key, shape }) => `${key}: ${notation(shape)}`).join(", ")

const content = ({ fields, form }: Case): string => {
  switch (form) {
    case "unit":
      return NONE
    case "newtype":
      return notation(fields[0]!.shape)
    case "tuple":
      return `[${fieldList(fields)}]`
    case "struct":
      return `{${fieldList(fields)}}`
  }
}

const casesOf = (shape: Shape): ReadonlyArray<Case> => (shape as EnumShape).cases

// --- amounts, as the document writes them ---

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 * 1024, ms: 1, s: 1_000 }

const amount = (cell: string): number => {
  const [, digits, unit] = /^([0-9,.]+) ?(|KiB|MiB|ms|s)$/.exec(cell) ?? assert.fail(`not an amount: ${cell}`)
  return Number(digits!.replaceAll(",", "")) * UNITS[unit!]!
}

const policy = (name: string): unknown =>
  name.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], Policies)

/** The value of a policy: milliseconds, or a count. */
const policyAmount = (name: string): number => {
  const value = policy(name)
  if (typeof value === "number") return value
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  return Duration.toMillis((value as { readonly timeout: Duration.Duration }).timeout)
}

describe("docs/protocol.md", () => {
  it("lists all messages in the network's order, with their contents and answers", () => {
    const expected = casesOf(shapeOf(Message)).map((shape, index) => [
      String(index),
      shape.tag,
      content(shape),
      shape.fields.map(({ name }) => name).join(", "),
      Object.hasOwn(Exchange, shape.tag) ? Exchange[shape.tag as RequestTag].response : NONE
    ])
    const rows = rowsUnder("#", "message", "content", "fields in TypeScript", "answer")
    assert.deepStrictEqual(
      rows.map((row) => row.slice(0, 5)),
      expected
    )
    assert.deepStrictEqual(
      rows.map((row) => row[1]),
      [...messageTags]
    )
  })

  it("says who sends a message in the terms it explains", () => {
    for (const [, tag, , , answer, timed, timenode] of rowsUnder("#", "message")) {
      for (const senders of [timed!, timenode!]) assert.match(senders, /^(D|A|D A|R|G|—)$/, tag)
      const isAnswer = requestTags.some((request) => Exchange[request].response === tag)
      if (isAnswer) assert.strictEqual(timenode, "R", tag)
      if (answer !== NONE) assert.notStrictEqual(timenode, "R", tag)
    }
  })

  it("lists all types with their fields", () => {
    const rows = rowsUnder("type", "on the wire")
    assert.deepStrictEqual(
      rows.map(([name, wire]) => [name, wire]),
      Object.entries(structs).map(([name, shape]) => [name, spelledOut(shape)])
    )
    const contents = [...rows.map((row) => row[1]!), ...rowsUnder("#", "message").map((row) => row[2]!)]
    for (const name of names.values()) {
      assert.isTrue(
        contents.some((wire) => wire.split(/\W+/).includes(name)),
        `${name} is part of nothing`
      )
    }
    assert.deepStrictEqual(
      rowsUnder("state", "content"),
      casesOf(shapeOf(UtxoState)).map((shape) => [shape.tag, content(shape)])
    )
    const tiers = casesOf(shapeOf(MasternodeTier)).map(({ tag }) => `\`"${tag}"\``)
    assert.include(text, `\`MasternodeTier\` is ${tiers.slice(0, -1).join(", ")} or ${tiers.at(-1)}`)
  })

  it("has the table of exchanges", () => {
    const samples = messages().map(({ line }) => decode(Buffer.from(line)))
    const matchedBy = (tag: RequestTag): string => {
      const sample = samples.find(({ _tag }) => _tag === tag)
      if (sample === undefined || sample._tag === "WireError") return assert.fail(`no recorded ${tag}`)
      return correlation(sample) === undefined ? "order" : "nonce" in sample ? "nonce" : "height"
    }
    const limits = new Map(Object.entries(Limits).filter(([name]) => name.startsWith("LINE_")))
    const rows = rowsUnder("request", "response")
    assert.deepStrictEqual(
      rows.map((row) => row.map((cell, column) => (column === 5 ? limits.get(cell) : cell))),
      requestTags.map((tag) => {
        const { answerLimit, answeredBy, cost, inline, response, timeout } = Exchange[tag]
        return [tag, response, matchedBy(tag), answeredBy, timeout, answerLimit, inline ? "yes" : "", String(cost)]
      })
    )
    assert.deepStrictEqual(
      requestTags.filter((tag) => !Exchange[tag].idempotent),
      ["Handshake"]
    )
  })

  it("gives limits and timers their values", () => {
    for (const [name, value] of rowsUnder("constant", "value")) {
      assert.strictEqual(amount(value!), (Limits as Record<string, number>)[name!], name)
    }
    for (const [name, value] of rowsUnder("policy", "value")) {
      assert.strictEqual(amount(value!), policyAmount(name!), name)
    }
  })

  it("lists what a peer may do as getlimits does", () => {
    const scale = { bytes: 1, milliseconds: 1, microseconds: 1_000, count: 1 }
    assert.deepStrictEqual(
      rowsUnder("limit", "value", "of").map(([name, value, of]) => [name, amount(value!), of]),
      limitNames.map((name) => {
        const { of, unit, value } = PeerBudget[name]
        assert.strictEqual(value, (Limits as Record<string, number>)[name], name)
        return [name, value / scale[unit], of]
      })
    )
  })

  it("lists every reason to refuse a block, and whom it blames", () => {
    const severities = BlockRejection.members.map(({ fields }) => {
      const tag = fields._tag.schema.literal
      return [tag, severity({ _tag: tag } as BlockRejection)]
    })
    assert.sameDeepMembers(
      rowsUnder("id", "rejection", "kind").map(([, tag, kind]) => [tag, kind]),
      severities
    )
  })

  it.effect("gives offences their points", () =>
    Effect.gen(function* () {
      const guard = yield* PeerGuard
      for (const [index, [id, offence, points]] of rowsUnder("id", "offence", "points").entries()) {
        const peer = peerId(`203.0.113.${index}`)!
        yield* guard.report(peer, offence as Offence)
        assert.strictEqual(yield* guard.score(peer), amount(points!), id)
      }
    }).pipe(Effect.provide(MemoryPeerGuard.layer.pipe(Layer.provide(NodeConfig.layerTest()))))
  )

  it("has the genesis of both networks", () => {
    const columns = [testnet, mainnet].map((network) => {
      const { block, hash, txids } = genesis(network)
      const setHash = utxoSetHash(createdOutputs(block, txids))
      return [
        ["time", String(network.genesisTime)],
        ["reward", String(network.genesisReward)],
        ["txid", toHex(txids[0]!)],
        ["hash", toHex(hash)],
        ["UTXO-set hash", toHex(setHash)],
        ["P2P port", String(network.p2pPort)],
        ["RPC port", String(network.rpcPort)]
      ] as const
    })
    assert.deepStrictEqual(
      rowsUnder("", "testnet", "mainnet"),
      columns[0]!.map(([name, value], row) => [name, value, columns[1]![row]![1]])
    )
  })

  it("gives each rule an id of its own, in the section of its letter, and cites only rules that exist", () => {
    const defined: Array<string> = []
    for (const section of text.split(/^## /m).slice(1)) {
      const letter =
        "WMCRHBSD"[Number(section[0]) - 1] ?? assert.fail(`a section without a letter: ${section.slice(0, 40)}`)
      const ids = [...section.matchAll(/^(?:- \*\*|\| )([A-Z]-\d+)\b/gm)].map(([, id]) => id!)
      assert.isAbove(ids.length, 0, letter)
      for (const id of ids) assert.strictEqual(id[0], letter, id)
      defined.push(...ids)
    }
    assert.strictEqual(new Set(defined).size, defined.length, "an id is given twice")
    const known = new Set(defined)
    for (const [id] of text.matchAll(/\b[WMCRHBSD]-\d+\b/g)) assert.isTrue(known.has(id), `${id} is cited`)
    for (const path of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts")) continue
      for (const [, id] of readFileSync(join(root, "src", path), "utf8").matchAll(/docs\/protocol\.md, ([A-Z]-\d+)/g)) {
        assert.isTrue(known.has(id!), `${path} cites ${id}`)
      }
    }
  })
})
