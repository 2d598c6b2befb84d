/**
 * Bincode 1.3 with fixed-width little-endian integers: the bytes that the network hashes and signs.
 *
 * Encoders are derived from the same schemas, and the same `wire` annotations, as the wire codec, so that a type is
 * described once. Values are trusted to be of their type: what comes from a peer was checked by the codec.
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { WireType } from "./WireType.ts"

/** Makes the encoder of a schema. Throws at once for a schema that has no bincode form: that is a programming error. */
export const encoder = <S extends Schema.Top>(schema: S): ((value: S["Type"]) => Uint8Array) => {
  const write = writeOf(schema.ast)
  return (value) => {
    length = 0
    write(value)
    const bytes = scratch.slice(0, length)
    if (scratch.length > SCRATCH_KEPT) resize(SCRATCH_KEPT)
    return bytes
  }
}

// --- internal ---

// One buffer serves all encoders: encoding is synchronous and never re-enters. A buffer that a large block made grow is
// let go afterwards.
const SCRATCH_KEPT = 64 * 1024
let scratch: Uint8Array
let view: DataView
let length = 0
resize(SCRATCH_KEPT)

function resize(size: number): void {
  scratch = new Uint8Array(size)
  view = new DataView(scratch.buffer)
}

const reserve = (size: number): number => {
  const start = length
  length += size
  if (length > scratch.length) {
    const full = scratch
    resize(Math.max(length, 2 * full.length))
    scratch.set(full)
  }
  return start
}

// Each writer takes the one type of its schema, which the tree of schemas does not carry in its own type.
// oxlint-disable-next-line typescript/no-explicit-any
type Write = (value: any) => void

const u8 = (value: number): void => {
  const at = reserve(1)
  scratch[at] = value
}

const u32 = (value: number): void => {
  const at = reserve(4)
  view.setUint32(at, value, true)
}

const u64 = (value: bigint): void => {
  const at = reserve(8)
  view.setBigUint64(at, value, true)
}

const i64 = (value: bigint): void => {
  const at = reserve(8)
  view.setBigInt64(at, value, true)
}

/** A count, which is a u64 but always a safe integer here. */
const count = (value: number): void => {
  const at = reserve(8)
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

const bytes = (value: Uint8Array): void => {
  const at = reserve(value.length)
  scratch.set(value, at)
}

const byteVector = (value: Uint8Array): void => {
  count(value.length)
  bytes(value)
}

const utf8 = new TextEncoder()
const string = (value: string): void => byteVector(utf8.encode(value))

const boolean = (value: boolean): void => u8(value ? 1 : 0)

const writeOf = (ast: SchemaAST.AST): Write => {
  const wire = SchemaAST.resolve(ast)?.["wire"] as WireType | undefined
  switch (wire?.kind) {
    case "u32":
      return u32
    case "u64":
      return u64
    case "i64":
      return i64
    case "bytes":
      return wire.length === null ? byteVector : bytes
    case "publicKey":
      // dalek serialises keys as a byte vector and signatures as an array.
      return byteVector
    default:
      return writeOfShape(ast)
  }
}

const writeOfShape = (ast: SchemaAST.AST): Write => {
  if (SchemaAST.isString(ast)) return string
  if (SchemaAST.isBoolean(ast)) return boolean
  if (SchemaAST.isArrays(ast)) return list(writeOf(ast.rest[0]!))
  if (SchemaAST.isObjects(ast)) return struct(ast)
  if (SchemaAST.isUnion(ast)) return union(ast)
  throw new Error(`no bincode form for a schema of kind ${ast._tag}`)
}

const list =
  (item: Write): Write =>
  (values: ReadonlyArray<unknown>) => {
    count(values.length)
    for (let i = 0; i < values.length; i++) item(values[i])
  }

const struct = (ast: SchemaAST.Objects): Write => {
  const names = ast.propertySignatures.map(({ name }) => name).filter((name) => name !== "_tag")
  const writes = ast.propertySignatures.filter(({ name }) => name !== "_tag").map(({ type }) => writeOf(type))
  return (value) => {
    for (let i = 0; i < names.length; i++) writes[i]!(value[names[i]!])
  }
}

/** An option, an enum without content, or an enum of cases; the index of a case is its place in the union. */
const union = (ast: SchemaAST.Union): Write => {
  const [first, second] = ast.types
  if (ast.types.length === 2 && second !== undefined && SchemaAST.isNull(second)) {
    const some = writeOf(first!)
    return (value) => {
      u8(value === null ? 0 : 1)
      if (value !== null) some(value)
    }
  }
  if (ast.types.every(SchemaAST.isLiteral)) {
    const indices = new Map(ast.types.map((type, index) => [type.literal, index]))
    return (value) => u32(indices.get(value)!)
  }
  const cases = new Map(ast.types.map((type, index) => [tagOf(type), { index, write: writeOf(type) }]))
  return (value) => {
    const found = cases.get(value._tag)!
    u32(found.index)
    found.write(value)
  }
}

const tagOf = (ast: SchemaAST.AST): unknown => {
  const tag = SchemaAST.isObjects(ast) ? ast.propertySignatures.find(({ name }) => name === "_tag")?.type : undefined
  if (tag === undefined || !SchemaAST.isLiteral(tag)) throw new Error("a case of a union needs a literal _tag")
  return tag.literal
}
