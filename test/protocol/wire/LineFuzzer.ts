/**
 * Makes lines of the peer protocol that are right, odd or wrong, the same ones for the same seed.
 *
 * Lines are made from the shape of `Message` in every form serde_json takes (blanks, escapes, other orders, structs as
 * arrays, unknown fields), or taken from a corpus, and then damaged with increasing violence.
 */
import { Message } from "../../../src/protocol/Message.ts"
import { type Case, type Field, type Shape, shapeOf } from "../../../src/protocol/wire/Shape.ts"

/** A line that is not made by hand never contains an LF. */
export interface LineFuzzer {
  readonly next: () => Buffer
}

/** Draws from one seeded sequence. */
export class Dice {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** An integer from 0 to `sides` - 1. */
  below(sides: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = this.state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * sides)
  }

  oneIn(odds: number): boolean {
    return this.below(odds) === 0
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]!
  }
}

export const makeLineFuzzer = (seed: number, corpus: ReadonlyArray<string>): LineFuzzer => {
  const dice = new Dice(seed)
  const message = shapeOf(Message)
  return {
    next: () => {
      const oddness = dice.pick([0, 0, 60, 20])
      const line = dice.oneIn(3) ? dice.pick(corpus) : spell(dice, message, oddness)
      return damage(dice, Buffer.from(line))
    }
  }
}

/** A value of the shape as JSON; one in `oddness` of its parts has an unusual form, none if that is 0. */
export const spell = (dice: Dice, shape: Shape, oddness: number): string => {
  const odd = (): boolean => oddness > 0 && dice.oneIn(oddness)
  const blank = (): string => (odd() ? dice.pick([" ", "\t", "\r", "  ", " \r\t"]) : "")
  const array = (items: ReadonlyArray<string>): string =>
    `[${blank()}${items.map((item) => `${item}${blank()}`).join(`,${blank()}`)}]`

  const text = (): string => {
    const length = dice.pick([0, 1, 2, 8, 15])
    const characters = Array.from({ length }, () => dice.pick(oddness > 0 ? CHARACTERS : PLAIN_CHARACTERS))
    return `"${characters.join("")}"`
  }
  const name = (plain: string): string => {
    if (!odd()) return `"${plain}"`
    const at = dice.below(plain.length)
    const escaped = `\\u${plain.charCodeAt(at).toString(16).padStart(4, "0")}`
    return `"${plain.slice(0, at)}${dice.oneIn(2) ? escaped.toUpperCase().replace("\\U", "\\u") : escaped}${plain.slice(at + 1)}"`
  }
  const integer = (plain: ReadonlyArray<string>): string => (odd() ? dice.pick(NUMBERS) : dice.pick(plain))
  const bytes = (length: number): string =>
    array(Array.from({ length }, () => (odd() ? dice.pick(NUMBERS) : String(dice.below(256)))))
  const key = (): string => {
    if (odd()) {
      return dice.pick([
        () => `"${"k".repeat(32)}"`,
        () => `"${Array.from({ length: 32 }, () => dice.pick(CHARACTERS)).join("")}"`,
        () => bytes(32),
        () => `[${dice.pick(KEYS)},${dice.pick(TRAILERS)}]`
      ])()
    }
    return dice.oneIn(8) ? bytes(32) : `[${dice.pick(KEYS)}]`
  }
  const fields = (list: ReadonlyArray<Field>, form: "object" | "tuple"): string => {
    if (form === "tuple" || odd()) return array(list.map((field) => of(field.shape)))
    const members = list
      .filter(() => !odd())
      .map((field) => `${name(field.key)}${blank()}:${blank()}${of(field.shape)}${blank()}`)
    if (odd()) members.push(`${dice.pick(['"extra"', '"__proto__"', '"\\ud800"', '"constructor"'])}:${junk(dice, 3)}`)
    if (odd() && members.length > 0) members.push(dice.pick(members))
    if (odd()) members.reverse()
    return `{${blank()}${members.join(`,${blank()}`)}}`
  }
  const enumCase = ({ tag, form, fields: list }: Case): string => {
    if (form === "unit") return odd() ? `{${name(tag)}:null}` : name(tag)
    const content = form === "newtype" ? of(list[0]!.shape) : fields(list, form === "tuple" ? "tuple" : "object")
    return `{${blank()}${name(tag)}${blank()}:${content}${blank()}}`
  }
  const of = (shape: Shape): string => {
    switch (shape.kind) {
      case "u32":
        return integer(["0", "1", "10", "99", "100", "4294967295", String(dice.below(0x1_0000_0000))])
      case "u64":
        return integer([
          "0",
          "7",
          "999999999999999",
          "1000000000000000",
          "9007199254740993",
          "18446744073709551615",
          digits(dice)
        ])
      case "i64":
        return integer(["0", "-1", "1765900000", "-9223372036854775808", "9223372036854775807", `-${digits(dice)}`])
      case "boolean":
        return dice.pick(["true", "false"])
      case "string":
        return text()
      case "bytes":
        return bytes(shape.length ?? dice.pick([0, 1, 5, 38]))
      case "publicKey":
        return key()
      case "nullable":
        return dice.oneIn(3) ? "null" : of(shape.item)
      case "list":
        return array(Array.from({ length: dice.pick([0, 0, 1, 1, 2, 3]) }, () => of(shape.item)))
      case "struct":
        return fields(shape.fields, shape.form)
      case "enum":
        return enumCase(dice.pick(shape.cases))
    }
  }
  return of(shape)
}

/** Any JSON, or nearly JSON, of a certain depth. */
const junk = (dice: Dice, depth: number): string => {
  if (depth === 0 || dice.oneIn(3)) return dice.pick(TOKENS)
  if (dice.oneIn(200)) return "[".repeat(300) + "]".repeat(300)
  const items = Array.from({ length: dice.below(4) }, () => junk(dice, depth - 1))
  return dice.oneIn(2) ? `[${items.join(",")}]` : `{${items.map((item) => `${dice.pick(STRINGS)}:${item}`).join(",")}}`
}

const digits = (dice: Dice): string =>
  String(1 + dice.below(9)) + Array.from({ length: dice.below(20) }, () => dice.below(10)).join("")

/** A third of the lines stay as they are; of the others most have one fault, some a few. */
const damage = (dice: Dice, line: Buffer): Buffer => {
  let damaged = line
  for (let faults = dice.pick([0, 0, 1, 1, 1, 3]); faults > 0; faults--) damaged = dice.pick(FAULTS)(dice, damaged)
  return damaged.includes(0x0a) ? Buffer.from(damaged.filter((byte) => byte !== 0x0a)) : damaged
}

const splice = (line: Buffer, start: number, end: number, insert: Buffer | string): Buffer =>
  Buffer.concat([line.subarray(0, start), Buffer.from(insert), line.subarray(end)])

/** Where tokens start and end. */
const tokensOf = (line: Buffer): Array<{ readonly start: number; readonly end: number }> =>
  [...line.toString("latin1").matchAll(/"(?:[^"\\]|\\.)*"|[-+.\w]+|\S/g)].map(({ index, 0: token }) => ({
    start: index,
    end: index + token.length
  }))

const atToken =
  (fault: (dice: Dice, line: Buffer, token: { readonly start: number; readonly end: number }) => Buffer) =>
  (dice: Dice, line: Buffer): Buffer => {
    const tokens = tokensOf(line)
    return tokens.length === 0 ? line : fault(dice, line, dice.pick(tokens))
  }

const FAULTS: ReadonlyArray<(dice: Dice, line: Buffer) => Buffer> = [
  // Bytes: one flipped, replaced, inserted, removed; the end cut off; a part repeated.
  (dice, line) => {
    const copy = Buffer.from(line)
    if (copy.length > 0) copy[dice.below(copy.length)]! ^= 1 << dice.below(8)
    return copy
  },
  (dice, line) =>
    splice(line, 0, 0, "").fill(dice.below(256), dice.below(line.length), line.length - dice.below(line.length)),
  (dice, line) => {
    const at = dice.below(line.length + 1)
    return splice(line, at, at, Buffer.from([dice.below(256)]))
  },
  (dice, line) => {
    const at = dice.below(line.length)
    return splice(line, at, at + 1 + dice.below(3), "")
  },
  (dice, line) => line.subarray(0, dice.below(line.length + 1)),
  (dice, line) => {
    const at = dice.below(line.length)
    return splice(line, at, at, line.subarray(at, at + dice.below(40)))
  },
  // Tokens: another one instead, before or after; removed; repeated; swapped with another.
  atToken((dice, line, { start, end }) => splice(line, start, end, dice.pick(TOKENS))),
  atToken((dice, line, { start, end }) => splice(line, start, end, dice.pick(NUMBERS))),
  atToken((dice, line, { start, end }) => splice(line, start, end, dice.pick(STRINGS))),
  atToken((dice, line, { start }) => splice(line, start, start, dice.pick(TOKENS))),
  atToken((dice, line, { end }) => splice(line, end, end, `,${dice.pick(TOKENS)}`)),
  atToken((_, line, { start, end }) => splice(line, start, end, "")),
  atToken((_, line, { start, end }) => splice(line, end, end, line.subarray(start, end))),
  atToken((dice, line, first) => {
    const second = dice.pick(tokensOf(line))
    if (second.start < first.end) return line
    const moved = splice(line, second.start, second.end, line.subarray(first.start, first.end))
    return splice(moved, first.start, first.end, line.subarray(second.start, second.end))
  }),
  // Structure: blanks, other fields in an object, more items in an array, values wrapped.
  atToken((dice, line, { start }) =>
    splice(line, start, start, dice.pick([" ", "\t", "\r", "\f", "\u00a0", "\ufeff"]))
  ),
  (dice, line) => atSymbol(dice, line, "{", `${dice.pick(STRINGS)}:${junk(dice, 3)},`),
  (dice, line) => atSymbol(dice, line, "[", `${junk(dice, 1)},`),
  (dice, line) => atSymbol(dice, line, ",", junk(dice, 2)),
  atToken((dice, line, { start, end }) => {
    const token = line.toString("latin1", start, end)
    return splice(line, start, end, Buffer.from(dice.pick([`[${token}]`, `{"a":${token}}`, `"${token}"`]), "latin1"))
  })
]

const atSymbol = (dice: Dice, line: Buffer, symbol: string, insert: string): Buffer => {
  const places = [...line.toString("latin1").matchAll(new RegExp(`\\${symbol}`, "g"))]
  if (places.length === 0) return line
  const at = dice.pick(places).index + 1
  return splice(line, at, at, insert)
}

const PLAIN_CHARACTERS = [..."abcXYZ019.:-_ ", "TIME"]

const CHARACTERS = [
  ...PLAIN_CHARACTERS,
  ..."é€\u2028\ufeff\u007f\u0080😀",
  ...String.raw`\n \t \b \f \r \/ \" \\ \u0000 \u001f \u00e9 \u20AC \ud83d\ude00`.split(" ")
]

const NUMBERS = [
  ..."0 1 9 10 99 100 127 128 255 256 300 999 1000 65536 4294967295 4294967296 9007199254740991 9007199254740992".split(
    " "
  ),
  ..."9007199254740993 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616".split(" "),
  ..."18446744073709551609 18446744073709551620 99999999999999999999 10000000000000000000 184467440737095516150".split(
    " "
  ),
  ..."-0 -1 -9223372036854775808 -9223372036854775809 -9007199254740993 00 01 -01 1.0 1. .5 0.0 1e0 1e3 1E+2 1e-2 1e".split(
    " "
  ),
  ..."-1e1 0e99999999999 1e99999999999 1e400 1e-99999999999 - + +1 0x10 1_000 NaN Infinity 123456789012345 1234567890123456".split(
    " "
  )
]

const STRINGS = [
  ...String.raw`"" "a" "Ping" "nonce" "header" "__proto__" "é" "\u0041" "\n" "\x41" "\u12" "abc "\ "Free" "Unspent"`.split(
    " "
  ),
  ...String.raw`"\ud800" "\udc00" "\ud800\ud800" "\ud83d\ude00" "\ud800\n" "\ud800x" "\u0000" "GetPeers"`.split(" "),
  ...String.raw`"\ud800\u0041" "\uD83D\uDE0"`.split(" "),
  '"\u0001"',
  `"${"x".repeat(32)}"`
]

const TOKENS = [
  ...'null true false nul nullx tru True { } [ ] : , [] {} [[]] [null] {"a":1} {"a":[1,{"b":null}]} {"a":1,} [1,] \'a\' // \\'.split(
    " "
  ),
  ...NUMBERS,
  ...STRINGS
]

/** What may stand after the 32 bytes of a key. */
const TRAILERS = [...TOKENS, ...NUMBERS, "", " ", "300,1", "300 ", "nx", "1e", "1.", "-x", '"\u0001', '"a', "[", "300,"]

const KEYS = [
  "78,1,32,229,108,73,131,47,117,99,174,79,201,64,248,158,115,59,216,241,52,118,161,99,35,136,57,212,25,132,36,166",
  `1${",0".repeat(31)}`,
  `0${",0".repeat(31)}`,
  `1${",0".repeat(30)},128`,
  `237${",255".repeat(30)},127`,
  `238${",255".repeat(30)},127`,
  `255${",255".repeat(31)}`,
  `236${",255".repeat(30)},255`,
  `88${",102".repeat(31)}`
]
