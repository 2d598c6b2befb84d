/**
 * Makes encoders of shapes, compiled where code generation is allowed.
 *
 * Two functions are generated for each struct, enum and list: one adds up a bound of the length, one writes. Constant
 * text (brackets, keys, tags) is part of the code.
 */
import { interpretEncoder } from "./InterpretedEncoder.ts"
import type { Case, EnumShape, Field, Shape } from "./Shape.ts"
import * as Writer from "./Writer.ts"

export const makeEncoder = <A>(shape: Shape): Writer.EncoderOf<A> =>
  (compileEncoder(shape) ?? interpretEncoder(shape)) as Writer.EncoderOf<A>

/** An encoder of the shape, or `undefined` where code generation is forbidden. */
export const compileEncoder = (shape: Shape): Writer.EncoderOf<never> | undefined => {
  const source = new Source()
  const root = `return { bound: (v) => ${source.bound(shape, "v")}, write: (b, p, v) => ${source.write(shape, "v")} }`
  const text = `"use strict"\nconst { ${Object.keys(Writer).join(", ")} } = runtime\n${source.text}${root}`
  try {
    return new Function("runtime", text)(Writer) as Writer.EncoderOf<never>
  } catch (error) {
    if (error instanceof EvalError) return undefined
    throw error
  }
}

// --- internal ---

/**
 * The code so far. `bound` and `write` give expressions for a value that `v` names: of the bound of its length, and of
 * the position after writing it to `b` at `p`.
 */
class Source {
  text = ""
  private readonly names = new Map<Shape, string>()

  bound(shape: Shape, v: string): string {
    switch (shape.kind) {
      case "u32":
      case "u64":
      case "i64":
      case "boolean":
        return "INTEGER_BOUND"
      case "string":
        return `stringBound(${v})`
      case "bytes":
      case "publicKey":
        return `bytesBound(${v})`
      default:
        return `${this.once(shape)}Bound(${v})`
    }
  }

  write(shape: Shape, v: string): string {
    switch (shape.kind) {
      case "u32":
        return `writeInteger(b, p, ${v})`
      case "u64":
      case "i64":
        return `writeBigInteger(b, p, ${v})`
      case "boolean":
        return `writeBoolean(b, p, ${v})`
      case "string":
        return `writeString(b, p, ${v})`
      case "bytes":
      case "publicKey":
        return `writeBytes(b, p, ${v})`
      default:
        return `${this.once(shape)}Write(b, p, ${v})`
    }
  }

  private once(
    shape: Exclude<Shape, { kind: "u32" | "u64" | "i64" | "boolean" | "string" | "bytes" | "publicKey" }>
  ): string {
    const known = this.names.get(shape)
    if (known !== undefined) return known
    const name = `s${this.names.size}`
    this.names.set(shape, name)
    const { bound, write } = this.body(shape)
    this.text += `function ${name}Bound(v) {\n${bound}\n}\nfunction ${name}Write(b, p, v) {\n${write}\nreturn p\n}\n`
    return name
  }

  private body(shape: Parameters<Source["once"]>[0]): Code {
    switch (shape.kind) {
      case "nullable":
        return {
          bound: `return v === null ? 4 : ${this.bound(shape.item, "v")}`,
          write: `if (v === null) { ${put("null")} } else { p = ${this.write(shape.item, "v")} }`
        }
      case "list":
        return {
          bound: `let n = 2 + v.length\nfor (const item of v) n += ${this.bound(shape.item, "item")}\nreturn n`,
          write: `${put("[")}
            for (let i = 0; i < v.length; i++) {
              if (i > 0) { ${put(",")} }
              p = ${this.write(shape.item, "v[i]")}
            }
            ${put("]")}`
        }
      case "struct":
        return this.fields("", shape.fields, shape.form === "object" ? "{}" : "[]", "")
      case "enum":
        return this.enum(shape)
    }
  }

  private fields(before: string, fields: ReadonlyArray<Field>, brackets: string, after: string): Code {
    const named = brackets === "{}"
    let constant = 0
    const text = (content: string): string => {
      constant += content.length
      return put(content)
    }
    const writes = fields.map(({ name, key, shape }, index) => {
      const opening = index === 0 ? before + brackets.charAt(0) : ","
      return `${text(named ? `${opening}"${key}":` : opening)}\np = ${this.write(shape, `v.${name}`)}`
    })
    writes.push(text((fields.length === 0 ? before : "") + brackets.charAt(1) + after))
    const bounds = fields.map(({ name, shape }) => this.bound(shape, `v.${name}`))
    return { bound: `return ${[constant, ...bounds].join(" + ")}`, write: writes.join("\n") }
  }

  private enum({ bare, cases }: EnumShape): Code {
    const parts = cases.map((item) => ({ tag: item.tag, code: this.case(item) }))
    const choose = (code: (part: (typeof parts)[number]) => string): string =>
      `switch (${bare ? "v" : "v._tag"}) {\n${parts.map((part) => `case "${part.tag}": ${code(part)}`).join("\n")}\n}`
    return {
      bound: choose(({ code }) => code.bound),
      write: choose(({ code }) => `{ ${code.write}\nbreak }`)
    }
  }

  private case({ tag, form, fields }: Case): Code {
    switch (form) {
      case "unit":
        return this.fields(`"${tag}"`, [], "", "")
      case "newtype":
        return this.fields(`{"${tag}":`, fields, "", "}")
      default:
        return this.fields(`{"${tag}":`, fields, form === "tuple" ? "[]" : "{}", "}")
    }
  }
}

/** Statements: `bound` returns, `write` moves `p`. */
interface Code {
  readonly bound: string
  readonly write: string
}

/** Code that writes constant text. */
const put = (text: string): string => {
  const bytes = [...Buffer.from(text)]
  if (bytes.length === 0) return ""
  return `${bytes.map((byte, index) => `b[p + ${index}] = ${byte}`).join("; ")}; p += ${bytes.length}`
}
