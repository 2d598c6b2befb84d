/**
 * Reads a line exactly as serde_json reads it into the Rust node's types.
 *
 * This is the codec's judge: what it accepts is accepted, what it refuses is refused, and the compiled reader only gets
 * lines right that this one would get right too. It takes fields in any order, blanks, escapes, unknown fields, structs
 * written as arrays, and refuses `1.0`, `-0`, repeated fields and lost digits. Where serde_json stops inside a bad value
 * is kept as well, because one reader of the Rust node swallows an error and reads on (see `publicKey`).
 *
 * Only values that are skipped can be nested at will, and those are skipped without recursion.
 */
import { isPublicKey } from "../KeyVerdicts.ts"
import { MAX_I64, MAX_U32, MAX_U64, MIN_I64 } from "../Integer.ts"
import { growScratch, scratch, takeScratch } from "./ByteScratch.ts"
import { JsonReader } from "./JsonReader.ts"
import type { Case, EnumShape, Field, Shape, StructShape } from "./Shape.ts"
import { firstInvalidByte } from "./Utf8.ts"
import { WireError } from "./WireError.ts"

/** The value that `buffer[start, end)` spells, or why there is none. Never throws. */
export const readStrict = (shape: Shape, buffer: Buffer, start: number, end: number): unknown => {
  const invalid = firstInvalidByte(buffer, start, end)
  if (invalid >= 0) return new WireError("InvalidUtf8", "", invalid - start, "UTF-8")
  const reader = new StrictReader(buffer, start, end)
  try {
    return reader.document(shape)
  } catch (error) {
    if (error instanceof WireError) return error
    throw error
  }
}

// --- internal ---

// Made once: a number is expected far more often than it is missing.
const A_BYTE = "an integer from 0 to 255"
const A_U32 = `an integer from 0 to ${MAX_U32}`
const A_U64 = `an integer from 0 to ${MAX_U64}`
const AN_I64 = `an integer from ${MIN_I64} to ${MAX_I64}`

class StrictReader extends JsonReader {
  /** Keys are checked when everything else is known to be right: a check costs as much as reading a transaction. */
  private readonly keys: Array<{ readonly bytes: Uint8Array; readonly path: string; readonly at: number }> = []

  document(shape: Shape): unknown {
    const value = this.value(shape)
    if (this.peekToken() >= 0) this.malformed("the end of the line")
    for (const key of this.keys) {
      if (!isPublicKey(key.bytes)) throw new WireError("InvalidValue", key.path, key.at, "a point of the curve")
    }
    return value
  }

  private value(shape: Shape): unknown {
    switch (shape.kind) {
      case "u32":
        return this.small(MAX_U32, A_U32)
      case "u64":
        return this.big(0n, MAX_U64, A_U64)
      case "i64":
        return this.big(MIN_I64, MAX_I64, AN_I64)
      case "boolean":
        return this.boolean()
      case "string":
        return this.string()
      case "bytes":
        return this.bytes(shape.length)
      case "publicKey":
        return this.publicKey()
      case "nullable":
        if (this.peekToken() !== 0x6e) return this.value(shape.item)
        this.word("null")
        return null
      case "list":
        return this.list(shape.item, shape.maxItems)
      case "struct":
        return this.struct(shape)
      case "enum":
        return this.enum(shape)
    }
  }

  // -- numbers --

  private big(minimum: bigint, maximum: bigint, expected: string): bigint {
    this.number(expected)
    if (!this.isFloat) {
      const value = this.exact()
      if (value >= minimum && value <= maximum) return value
    }
    return this.invalidNumber(expected)
  }

  /** The integer read last; one of too many digits is only known to be out of range. */
  private exact(): bigint {
    if (this.numeral > 2 ** 65) return MAX_U64 + 1n
    if (this.numeral > Number.MAX_SAFE_INTEGER) return BigInt(this.numberText())
    return BigInt(this.isNegative ? -this.numeral : this.numeral)
  }

  private boolean(): boolean {
    switch (this.peekToken()) {
      case 0x74:
        this.word("true")
        return true
      case 0x66:
        this.word("false")
        return false
      default:
        return this.wrongType("true or false")
    }
  }

  // -- arrays --

  private bytes(length: number | null): Uint8Array {
    this.open(0x5b, "an array of bytes")
    const limit = length ?? Infinity
    let count = 0
    while (this.nextItem(count === 0)) {
      if (count === limit) this.invalid(`an array of ${length} bytes`)
      count = this.plainBytes(count, limit - 1)
      const byte = this.small(255, A_BYTE)
      if (count === scratch.bytes.length) growScratch()
      scratch.bytes[count++] = byte
    }
    if (length !== null && count !== length) this.invalid(`an array of ${length} bytes`)
    return takeScratch(count)
  }

  private list(item: Shape, maxItems: number | null): Array<unknown> {
    this.open(0x5b, "an array")
    const items: Array<unknown> = []
    while (this.nextItem(items.length === 0)) {
      if (items.length === maxItems) throw this.error("TooManyItems", `at most ${maxItems} items`)
      this.enter(items.length)
      items.push(this.value(item))
      this.leave()
    }
    return items
  }

  /**
   * A key may also be a string of 32 bytes. As an array it is read by code of ed25519-dalek that tries for a byte more
   * and takes any failure to read one as the end of the array: `[…32 bytes…,300]` is a key to the Rust node.
   */
  private publicKey(): Uint8Array {
    const start = this.at
    const bytes = this.peekToken() === 0x22 ? this.rawString() : this.keyBytes()
    if (bytes.length !== 32) this.invalid("32 bytes")
    this.keys.push({ bytes, path: this.path(), at: start - this.start })
    return bytes
  }

  private keyBytes(): Uint8Array {
    const expected = "an array of 32 bytes"
    this.open(0x5b, expected)
    const bytes = new Uint8Array(32)
    for (let i = 0; i < 32; i++) {
      if (!this.nextItem(i === 0)) this.invalid(expected)
      bytes[i] = this.small(255, A_BYTE)
    }
    if (this.readsAnotherByte()) this.invalid(expected)
    this.close(0x5d)
    return bytes
  }

  private readsAnotherByte(): boolean {
    try {
      if (!this.nextItem(false)) return this.stepBack()
      this.small(255, A_BYTE)
      return true
    } catch (error) {
      if (error instanceof WireError) return false
      throw error
    }
  }

  /** The bracket that `nextItem` took is still to be taken by `close`. */
  private stepBack(): false {
    this.at--
    return false
  }

  // -- structs --

  private struct(shape: StructShape): Record<string, unknown> {
    return assemble(undefined, shape.fields, this.fields(shape.fields, shape.form === "tuple"))
  }

  /** The values of the fields, in order: from an object, or from an array as for tuples and, just as well, structs. */
  private fields(fields: ReadonlyArray<Field>, arrayOnly: boolean): ReadonlyArray<unknown> {
    const token = this.peekToken()
    if (token === 0x5b) return this.positional(fields)
    if (token === 0x7b && !arrayOnly) return this.named(fields)
    return this.wrongType(arrayOnly ? "an array" : "an object")
  }

  private positional(fields: ReadonlyArray<Field>): ReadonlyArray<unknown> {
    this.open(0x5b, "an array")
    const values: Array<unknown> = []
    for (const field of fields) {
      if (!this.nextItem(values.length === 0)) this.invalid(`an array of ${fields.length} values`)
      values.push(this.field(field))
    }
    this.close(0x5d)
    return values
  }

  private named(fields: ReadonlyArray<Field>): ReadonlyArray<unknown> {
    this.open(0x7b, "an object")
    const values = new Array<unknown>(fields.length).fill(undefined)
    let next = 0
    for (let first = true; this.nextKey(first); first = false) {
      const index = this.keyOf(fields, next)
      this.colon()
      if (index < 0) this.skipValue()
      else if (values[index] !== undefined) this.invalid(`${fields[index]!.key} only once`)
      else values[index] = this.field(fields[index]!)
      next = index + 1
    }
    fields.forEach((field, index) => {
      if (values[index] !== undefined) return
      if (field.shape.kind !== "nullable") this.invalid(`a field ${field.key}`)
      values[index] = null
    })
    return values
  }

  /** Which field the key at hand names, or -1; most often it is the next one in order. */
  private keyOf(fields: ReadonlyArray<Field>, next: number): number {
    if (next < fields.length && this.takesKey(fields[next]!.key)) return next
    const key = this.string()
    return fields.findIndex((field) => field.key === key)
  }

  private field(field: Field): unknown {
    this.enter(field.key)
    const value = this.value(field.shape)
    this.leave()
    return value
  }

  // -- enums --

  private enum(shape: EnumShape): unknown {
    switch (this.peekToken()) {
      case 0x22: {
        const { tag, form } = this.caseOf(shape)
        if (form !== "unit") this.invalid(`{"${tag}":…}`)
        return shape.bare ? tag : { _tag: tag }
      }
      case 0x7b: {
        this.open(0x7b, "an object")
        if (this.peekToken() !== 0x22) this.wrongType("the name of a variant")
        const found = this.caseOf(shape)
        this.colon()
        this.enter(found.tag)
        const value = this.content(found, shape.bare)
        this.leave()
        this.close(0x7d)
        return value
      }
      default:
        return this.malformed("the name of a variant, or an object around it")
    }
  }

  private caseOf(shape: EnumShape): Case {
    const start = this.at
    const tag = this.string()
    const found = shape.cases.find((candidate) => candidate.tag === tag)
    if (found !== undefined) return found
    this.at = start
    throw this.error("UnknownVariant", `one of ${shape.cases.map((candidate) => candidate.tag).join(", ")}`)
  }

  private content({ tag, form, fields }: Case, bare: boolean): unknown {
    switch (form) {
      case "unit":
        if (this.peekToken() !== 0x6e) this.wrongType("null")
        this.word("null")
        return bare ? tag : { _tag: tag }
      case "newtype":
        return assemble(tag, fields, [this.value(fields[0]!.shape)])
      case "tuple":
      case "struct":
        return assemble(tag, fields, this.fields(fields, form === "tuple"))
    }
  }
}

/** Properties come from the schema in its order, never from the line. */
const assemble = (
  tag: string | undefined,
  fields: ReadonlyArray<Field>,
  values: ReadonlyArray<unknown>
): Record<string, unknown> => {
  const target: Record<string, unknown> = tag === undefined ? {} : { _tag: tag }
  for (let i = 0; i < fields.length; i++) target[fields[i]!.name] = values[i]
  return target
}
