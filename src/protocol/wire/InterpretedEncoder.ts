/**
 * The encoder that walks a shape anew for every value: for places that refuse `new Function`, and as the plain
 * statement of what the compiled one must write.
 */
import type { Case, Field, Shape } from "./Shape.ts"
import {
  type EncoderOf,
  INTEGER_BOUND,
  bytesBound,
  stringBound,
  writeAscii,
  writeBigInteger,
  writeBoolean,
  writeBytes,
  writeInteger,
  writeString
} from "./Writer.ts"

export const interpretEncoder = (shape: Shape): EncoderOf<never> => ({
  bound: (value) => bound(shape, value),
  write: (buffer, at, value) => write(shape, buffer, at, value)
})

// --- internal ---

type Properties = Readonly<Record<string, unknown>>

const bound = (shape: Shape, value: unknown): number => {
  switch (shape.kind) {
    case "u32":
    case "u64":
    case "i64":
    case "boolean":
      return INTEGER_BOUND
    case "string":
      return stringBound(value as string)
    case "bytes":
    case "publicKey":
      return bytesBound(value as Uint8Array)
    case "nullable":
      return value === null ? 4 : bound(shape.item, value)
    case "list":
      return (value as ReadonlyArray<unknown>).reduce<number>((sum, item) => sum + bound(shape.item, item) + 1, 2)
    case "struct":
      return fieldsBound(shape.fields, value as Properties)
    case "enum": {
      const found = caseOf(shape.cases, value)
      return found.tag.length + 5 + fieldsBound(found.fields, value as Properties)
    }
  }
}

const fieldsBound = (fields: ReadonlyArray<Field>, value: Properties): number =>
  fields.reduce((sum, { name, key, shape }) => sum + key.length + 4 + bound(shape, value[name]), 2)

const write = (shape: Shape, buffer: Buffer, at: number, value: unknown): number => {
  switch (shape.kind) {
    case "u32":
      return writeInteger(buffer, at, value as number)
    case "u64":
    case "i64":
      return writeBigInteger(buffer, at, value as bigint)
    case "boolean":
      return writeBoolean(buffer, at, value as boolean)
    case "string":
      return writeString(buffer, at, value as string)
    case "bytes":
    case "publicKey":
      return writeBytes(buffer, at, value as Uint8Array)
    case "nullable":
      return value === null ? writeAscii(buffer, at, "null") : write(shape.item, buffer, at, value)
    case "list":
      return writeAll(buffer, at, "[]", value as ReadonlyArray<unknown>, (item, at) =>
        write(shape.item, buffer, at, item)
      )
    case "struct":
      return writeFields(shape.fields, shape.form === "object", buffer, at, value as Properties)
    case "enum":
      return writeCase(caseOf(shape.cases, value), buffer, at, value as Properties)
  }
}

const writeCase = ({ tag, form, fields }: Case, buffer: Buffer, start: number, value: Properties): number => {
  if (form === "unit") return writeAscii(buffer, start, `"${tag}"`)
  const at = writeAscii(buffer, start, `{"${tag}":`)
  const end =
    form === "newtype"
      ? write(fields[0]!.shape, buffer, at, value[fields[0]!.name])
      : writeFields(fields, form === "struct", buffer, at, value)
  return writeAscii(buffer, end, "}")
}

const writeFields = (
  fields: ReadonlyArray<Field>,
  named: boolean,
  buffer: Buffer,
  at: number,
  value: Properties
): number =>
  writeAll(buffer, at, named ? "{}" : "[]", fields, ({ name, key, shape }, at) =>
    write(shape, buffer, named ? writeAscii(buffer, at, `"${key}":`) : at, value[name])
  )

const writeAll = <A>(
  buffer: Buffer,
  start: number,
  brackets: string,
  items: ReadonlyArray<A>,
  writeItem: (item: A, at: number) => number
): number => {
  let at = writeAscii(buffer, start, brackets.charAt(0))
  items.forEach((item, index) => {
    at = writeItem(item, index === 0 ? at : writeAscii(buffer, at, ","))
  })
  return writeAscii(buffer, at, brackets.charAt(1))
}

const caseOf = (cases: ReadonlyArray<Case>, value: unknown): Case => {
  const tag = typeof value === "string" ? value : (value as { readonly _tag: string })._tag
  return cases.find((candidate) => candidate.tag === tag)!
}
