/**
 * Arbitrary messages, the same for the same seed: values of every shape with their edges, made from the shape.
 */
import { Message } from "../../../src/protocol/Message.ts"
import { type Field, type Shape, shapeOf } from "../../../src/protocol/wire/Shape.ts"
import { Dice } from "./LineFuzzer.ts"

export const randomMessage = (seed: number): Message => valueOf(new Dice(seed), shapeOf(Message)) as Message

// --- internal ---

const U64_EDGES = [
  0n,
  1n,
  10n ** 15n - 1n,
  10n ** 15n,
  10n ** 16n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 1n
]
const I64_EDGES = [0n, -1n, 1n, -(2n ** 53n) - 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -(10n ** 15n)]
const STRINGS = [
  "",
  "a",
  "TIME0abc",
  "é\u2028\ufeff😀",
  '"\\/\b\f\n\r\t\u0000\u001f\u007f\u0080',
  "x".repeat(300),
  "\ud7ff\ue000\uffff"
]
const KEYS = [0, 1, 0xed].map((first) =>
  Uint8Array.from([first, ...new Array<number>(30).fill(first === 0xed ? 255 : 0), first === 0xed ? 127 : 0])
)

const bits = (dice: Dice, count: number): bigint => {
  let value = 0n
  for (let i = 0; i < count; i += 8) value = (value << 8n) | BigInt(dice.below(256))
  return value >> BigInt(dice.below(count))
}

const valueOf = (dice: Dice, shape: Shape): unknown => {
  switch (shape.kind) {
    case "u32":
      return dice.pick([0, 1, 9, 10, 255, 0xffff_ffff, dice.below(0x1_0000_0000)])
    case "u64":
      return dice.oneIn(2) ? dice.pick(U64_EDGES) : bits(dice, 64)
    case "i64":
      return dice.oneIn(2) ? dice.pick(I64_EDGES) : bits(dice, 64) - 2n ** 63n
    case "boolean":
      return dice.oneIn(2)
    case "string":
      return dice.pick(STRINGS)
    case "bytes":
      return Uint8Array.from({ length: shape.length ?? dice.pick([0, 1, 38, 64]) }, () => dice.below(256))
    case "publicKey":
      return dice.pick(KEYS)
    case "nullable":
      return dice.oneIn(3) ? null : valueOf(dice, shape.item)
    case "list":
      return Array.from({ length: dice.pick([0, 0, 1, 2, 3]) }, () => valueOf(dice, shape.item))
    case "struct":
      return fieldsOf(dice, shape.fields)
    case "enum": {
      const { tag, fields } = dice.pick(shape.cases)
      return shape.bare ? tag : { _tag: tag, ...fieldsOf(dice, fields) }
    }
  }
}

const fieldsOf = (dice: Dice, fields: ReadonlyArray<Field>): Record<string, unknown> =>
  Object.fromEntries(fields.map(({ name, shape }) => [name, valueOf(dice, shape)]))
