/**
 * For every variant, lines of its greatest allowed length that should take long to decode.
 */
import { Exchange, requestAnsweredBy, unaskedLimit } from "../../src/protocol/Exchange.ts"
import { Message, type MessageTag } from "../../src/protocol/Message.ts"
import { type Case, type Field, type Shape, shapeOf } from "../../src/protocol/wire/Shape.ts"

export interface WorstLine {
  readonly what: string
  /** The line and its LF. */
  readonly line: Buffer
}

export const worstLines = (tag: MessageTag): ReadonlyArray<WorstLine> => {
  const request = requestAnsweredBy(tag)
  const limit = Math.max(unaskedLimit(tag), request === undefined ? 0 : Exchange[request].answerLimit)
  const item = messageCase(tag)
  if (item.form === "unit") return [{ what: "blanks", line: toLine(`"${tag}"${" ".repeat(limit - tag.length - 2)}`) }]
  const canonical = `{"${tag}":${inflated(item, limit - 2 * tag.length - 500)}}`
  const last = canonical.lastIndexOf("}") - 1
  return [
    { what: "longest value", line: toLine(canonical) },
    { what: "longest value, then wrong", line: toLine(`${canonical.slice(0, last)}!`) },
    { what: "longest value, after a blank", line: toLine(` ${canonical}`) },
    {
      what: "skipped arrays",
      line: toLine(`{"${tag}":{"a":${"[".repeat(limit / 2 - 100)}${"]".repeat(limit / 2 - 100)}}}`)
    }
  ]
}

// --- internal ---

const toLine = (text: string): Buffer => Buffer.from(`${text}\n`)

const messageCase = (tag: MessageTag): Case => {
  const shape = shapeOf(Message)
  return shape.kind === "enum" ? shape.cases.find((item) => item.tag === tag)! : { tag, form: "unit", fields: [] }
}

/** The content of a case, all of the bytes given to the one field that takes most time. */
const inflated = ({ form, fields }: Case, budget: number): string =>
  form === "newtype" ? inflate(fields[0]!.shape, budget) : inflateFields(fields, form === "struct", budget)

const inflate = (shape: Shape, budget: number): string => {
  switch (shape.kind) {
    case "u32":
    case "u64":
    case "i64":
      return "7"
    case "boolean":
      return "true"
    case "string":
      return `"${"é".repeat(Math.max(budget, 0) / 2)}"`
    case "publicKey":
      return `[1${",0".repeat(31)}]`
    case "bytes":
      return `[${new Array(shape.length ?? Math.max(Math.floor(budget / 2), 0)).fill("7").join(",")}]`
    case "nullable":
      return budget > 0 ? inflate(shape.item, budget) : "null"
    case "list": {
      if (budget <= 0) return "[]"
      const item = inflate(shape.item, 0)
      const count = Math.min(Math.floor(budget / (item.length + 1)), shape.maxItems ?? Infinity)
      return `[${new Array(count).fill(item).join(",")}]`
    }
    case "struct":
      return inflateFields(shape.fields, shape.form === "object", budget)
    case "enum": {
      const smallest = shape.cases[0]!
      return smallest.form === "unit" ? `"${smallest.tag}"` : `{"${smallest.tag}":${inflated(smallest, 0)}}`
    }
  }
}

const inflateFields = (fields: ReadonlyArray<Field>, named: boolean, budget: number): string => {
  const greedy = fields.reduce(
    (best, field) => (appetite(field.shape) > appetite(best.shape) ? field : best),
    fields[0]!
  )
  const members = fields.map((field) => {
    const value = inflate(field.shape, field === greedy ? budget - 1000 : 0)
    return named ? `"${field.key}":${value}` : value
  })
  return named ? `{${members.join(",")}}` : `[${members.join(",")}]`
}

/** Which of the shapes can use most of a line, and takes longest for it. */
const appetite = (shape: Shape): number => {
  switch (shape.kind) {
    case "list":
      return 3
    case "bytes":
      return shape.length === null ? 2 : 0
    case "string":
      return 1
    case "nullable":
      return appetite(shape.item)
    case "struct":
      return Math.max(...shape.fields.map((field) => appetite(field.shape)))
    default:
      return 0
  }
}
