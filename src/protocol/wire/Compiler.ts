/**
 * Compiles a shape to a function that reads its canonical form.
 *
 * Canonical is what serde_json writes: no blanks, fields in declaration order. The compiled function knows that text by
 * heart: it compares what must be there, byte by byte, and calls a reader of `Cursor.ts` for each value. Anything else
 * bails. It accepts nothing that the strict reader would refuse, and gives the same value.
 *
 * One JavaScript function is generated for each struct and enum, so that every function sees one type of value.
 */
import * as Cursor from "./Cursor.ts"
import type { Case, EnumShape, Field, Shape } from "./Shape.ts"

/** Reads a value at the cursor, or throws `BAIL`. */
export type Read = (cursor: Cursor.Cursor) => unknown

/** A reader of the shape, or `undefined` where code generation is forbidden. */
export const compileReader = (shape: Shape): Read | undefined => {
  const source = new Source()
  const root = source.reader(shape)
  const text = `"use strict"\nconst { ${Object.keys(Cursor).join(", ")} } = runtime\n${source.text}return ${root}`
  try {
    return new Function("runtime", text)(Cursor) as Read
  } catch (error) {
    if (error instanceof EvalError) return undefined
    throw error
  }
}

// --- internal ---

/** The code so far: a function for every shape that was asked for. */
class Source {
  text = ""
  private readonly names = new Map<Shape, string>()

  /** An expression for a function that reads the shape. */
  reader(shape: Shape): string {
    switch (shape.kind) {
      case "u32":
        return "readU32"
      case "u64":
        return "readU64"
      case "i64":
        return "readI64"
      case "boolean":
        return "readBoolean"
      case "string":
        return "readString"
      case "publicKey":
        return "readPublicKey"
      case "bytes":
        return shape.length === null ? "readByteVector" : this.once(shape, () => `return readBytes(c, ${shape.length})`)
      case "nullable":
        return this.once(shape, () => this.nullable(shape.item))
      case "list":
        return this.once(shape, () => this.list(shape.item, shape.maxItems))
      case "struct":
        return this.once(shape, () => this.fields("", shape.fields, shape.form === "object" ? "{}" : "[]", undefined))
      case "enum":
        return this.once(shape, () => this.enum(shape))
    }
  }

  private once(shape: Shape, body: () => string): string {
    const known = this.names.get(shape)
    if (known !== undefined) return known
    const name = `read${this.names.size}`
    this.names.set(shape, name)
    const code = body()
    this.text += `function ${name}(c) {\n${code}\n}\n`
    return name
  }

  private nullable(item: Shape): string {
    return `
      const b = c.bytes
      if (b[c.at] !== 0x6e) return ${this.reader(item)}(c)
      ${expect("null")}
      return null`
  }

  private list(item: Shape, maxItems: number | null): string {
    return `
      const b = c.bytes, items = []
      if (b[c.at++] !== 0x5b) bail()
      if (b[c.at] === 0x5d) { c.at++; return items }
      do {
        items.push(${this.reader(item)}(c))
        ${maxItems === null ? "" : `if (items.length > ${maxItems}) bail()`}
      } while (b[c.at++] === 0x2c)
      if (b[c.at - 1] !== 0x5d) bail()
      return items`
  }

  /** Reads all fields, after `before` and in brackets, and returns the object of them. */
  private fields(
    before: string,
    fields: ReadonlyArray<Field>,
    brackets: string,
    tag: string | undefined,
    after = ""
  ): string {
    const named = brackets === "{}"
    const reads = fields.map(({ key, shape }, index) => {
      const opening = index === 0 ? before + brackets.charAt(0) : ","
      return `${expect(named ? `${opening}"${key}":` : opening)}\nconst v${index} = ${this.reader(shape)}(c)`
    })
    const properties = fields.map(({ name }, index) => `${name}: v${index}`)
    if (tag !== undefined) properties.unshift(`_tag: "${tag}"`)
    return `const b = c.bytes\n${reads.join("\n")}\n${expect(brackets.charAt(1) + after)}\nreturn { ${properties.join(", ")} }`
  }

  /** Decides on the byte that tells most cases apart, as often as it takes; each case then compares its whole text. */
  private enum({ bare, cases }: EnumShape): string {
    const found = cases.map((item) => ({ start: startOf(item), code: this.case(item, bare) }))
    return `const b = c.bytes, p = c.at\n${decide(found)}`
  }

  private case(item: Case, bare: boolean): string {
    const { tag, form, fields } = item
    const start = startOf(item)
    switch (form) {
      case "unit":
        return `{ ${expect(start)}\nreturn ${bare ? `"${tag}"` : `{ _tag: "${tag}" }`} }`
      case "newtype":
        return `{ ${this.fields(start, fields, "", tag, "}")} }`
      default:
        return `{ ${this.fields(start, fields, form === "tuple" ? "[]" : "{}", tag, "}")} }`
    }
  }
}

const startOf = ({ tag, form }: Case): string => (form === "unit" ? `"${tag}"` : `{"${tag}":`)

/** Code that steps over the text, which must be there. */
const expect = (text: string): string => {
  const bytes = [...Buffer.from(text)]
  if (bytes.length === 0) return ""
  const tests = bytes.map((byte, index) => `b[c.at + ${index}] !== ${byte}`)
  return `if (${tests.join(" || ")}) bail()\nc.at += ${bytes.length}`
}

interface Branch {
  readonly start: string
  readonly code: string
}

const decide = (branches: ReadonlyArray<Branch>): string => {
  if (branches.length === 1) return branches[0]!.code
  const longest = Math.max(...branches.map(({ start }) => start.length))
  const groupings = Array.from({ length: longest }, (_, index) => ({
    index,
    groups: Map.groupBy(branches, ({ start }) => (index < start.length ? start.charCodeAt(index) : -1))
  }))
  // A byte beyond the end of a case's text would belong to its value, which may be anything.
  const usable = groupings.filter(({ groups }) => !groups.has(-1))
  const { index, groups } = usable.reduce((best, next) => (next.groups.size > best.groups.size ? next : best))
  const cases = [...groups].map(([byte, group]) => `case ${byte}: ${decide(group)}`)
  return `switch (b[p + ${index}]) {\n${cases.join("\n")}\ndefault: bail()\n}`
}
