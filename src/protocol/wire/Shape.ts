/**
 * The wire form of a schema as a small tree: what is left of a schema once names are in snake_case and annotations are
 * read.
 *
 * All parts of the codec work on this tree and on nothing else, so that the compiled reader, the strict reader and the
 * encoder cannot disagree about a field. One schema gives one tree, shared wherever the schema is used.
 */
import * as SchemaAST from "effect/SchemaAST"
import type { WireType } from "../WireType.ts"

export type Shape =
  | { readonly kind: "u32" | "u64" | "i64" | "boolean" | "string" | "publicKey" }
  /** An array of integers 0–255; of any length when `length` is null. */
  | { readonly kind: "bytes"; readonly length: number | null }
  | { readonly kind: "nullable"; readonly item: Shape }
  | { readonly kind: "list"; readonly item: Shape; readonly maxItems: number | null }
  | StructShape
  | EnumShape

/** Named fields: an object, or an array where the Rust side has a tuple. */
export interface StructShape {
  readonly kind: "struct"
  readonly form: "object" | "tuple"
  readonly fields: ReadonlyArray<Field>
}

/** One of several cases, told apart by a tag. Bare enums are strings in memory, the others objects with a `_tag`. */
export interface EnumShape {
  readonly kind: "enum"
  readonly bare: boolean
  readonly cases: ReadonlyArray<Case>
}

export interface Case {
  readonly tag: string
  readonly form: "unit" | "newtype" | "tuple" | "struct"
  readonly fields: ReadonlyArray<Field>
}

export interface Field {
  /** The property in memory. */
  readonly name: string
  /** The key on the wire. */
  readonly key: string
  readonly shape: Shape
}

/** The tree of a schema. Throws for a schema the wire has no form for: that is a mistake in `Message`, not in a peer. */
export const shapeOf = (schema: { readonly ast: SchemaAST.AST }): Shape => fromAst(schema.ast)

// --- internal ---

const shapes = new WeakMap<SchemaAST.AST, Shape>()

const fromAst = (ast: SchemaAST.AST): Shape => {
  const known = shapes.get(ast)
  if (known !== undefined) return known
  const shape = build(ast)
  shapes.set(ast, shape)
  return shape
}

const wireTypeOf = (ast: SchemaAST.AST): WireType | undefined =>
  SchemaAST.resolve(ast)?.["wire"] as WireType | undefined

const build = (ast: SchemaAST.AST): Shape => {
  const wire = wireTypeOf(ast)
  switch (wire?.kind) {
    case "u32":
    case "u64":
    case "i64":
    case "publicKey":
      return { kind: wire.kind }
    case "bytes":
      return { kind: "bytes", length: wire.length }
  }
  if (SchemaAST.isString(ast)) return { kind: "string" }
  if (SchemaAST.isBoolean(ast)) return { kind: "boolean" }
  if (SchemaAST.isArrays(ast) && ast.elements.length === 0 && ast.rest.length === 1) {
    return { kind: "list", item: fromAst(ast.rest[0]!), maxItems: wire?.kind === "list" ? wire.maxItems : null }
  }
  if (SchemaAST.isObjects(ast) && ast.indexSignatures.length === 0) {
    return { kind: "struct", form: wire?.kind === "tuple" ? "tuple" : "object", fields: fieldsOf(ast) }
  }
  if (SchemaAST.isUnion(ast)) return buildUnion(ast)
  throw new Error(`no wire form for a schema of kind ${ast._tag}`)
}

const buildUnion = (ast: SchemaAST.Union): Shape => {
  const present = ast.types.filter((type) => !SchemaAST.isNull(type))
  if (present.length === 1 && ast.types.length === 2) return { kind: "nullable", item: fromAst(present[0]!) }
  if (ast.types.every(SchemaAST.isLiteral)) {
    return { kind: "enum", bare: true, cases: ast.types.map((type) => unit(String(type.literal))) }
  }
  return { kind: "enum", bare: false, cases: ast.types.map(caseOf) }
}

const unit = (tag: string): Case => ({ tag, form: "unit", fields: [] })

const caseOf = (ast: SchemaAST.AST): Case => {
  const wire = wireTypeOf(ast)
  if (!SchemaAST.isObjects(ast) || wire?.kind !== "case")
    throw new Error("a member of a union is not annotated as a case")
  const tag = ast.propertySignatures.find(({ name }) => name === "_tag")?.type
  if (tag === undefined || !SchemaAST.isLiteral(tag)) throw new Error("a case has no literal _tag")
  return { tag: String(tag.literal), form: wire.form, fields: fieldsOf(ast) }
}

const fieldsOf = (ast: SchemaAST.Objects): ReadonlyArray<Field> =>
  ast.propertySignatures
    .filter(({ name }) => name !== "_tag")
    .map(({ name, type }) => ({ name: String(name), key: snakeCase(String(name)), shape: fromAst(type) }))

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
