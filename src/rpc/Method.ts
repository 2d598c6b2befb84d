/**
 * What a method of the RPC server is: one value from which the dispatch, the checks of parameters and the description
 * for people and programs derive.
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { StoreError } from "../services/ChainStore.ts"
import type { Call } from "./Envelope.ts"
import { type RpcError, rpcError, type RpcErrorName } from "./RpcError.ts"

/** Parameters in the order of their positions; each says in its `description` annotation what it expects. */
export type ParamFields = Readonly<Record<string, Schema.Codec<unknown, unknown>>>

type ParamsOf<Fields extends ParamFields> = { readonly [Name in keyof Fields]: Fields[Name]["Type"] }

export interface Method<out R> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
  readonly params: ParamFields
  readonly result: Schema.Schema<unknown>
  /** Errors of its own, beside those that any call may end with. */
  readonly errors: ReadonlyArray<RpcErrorName>
  /** Checks the parameters and runs. */
  readonly call: (params: Call["params"]) => Result.Result<Effect.Effect<unknown, RpcError | StoreError, R>, RpcError>
}

/** Defines a method; `run` gets parameters that were checked, and must give what `result` says. */
export const defineMethod = <const Fields extends ParamFields, A, R>(definition: {
  readonly name: string
  readonly summary: string
  readonly params: Fields
  readonly result: Schema.Schema<A>
  readonly errors: ReadonlyArray<RpcErrorName>
  readonly run: (params: ParamsOf<Fields>) => Effect.Effect<A, RpcError | StoreError, R>
}): Method<R> => {
  const { run, ...description } = definition
  const decode = Schema.decodeUnknownOption(Schema.Struct(definition.params), { onExcessProperty: "error" })
  const names = Object.keys(definition.params)
  const refused = rpcError("InvalidParams", `Invalid params: expected ${expectation(definition.params)}`)
  return {
    ...description,
    call: (params) =>
      Option.match(Option.flatMap(byName(names, params), decode), {
        onNone: () => Result.fail(refused),
        onSome: (checked) => Result.succeed(run(checked as ParamsOf<Fields>))
      })
  }
}

// --- internal ---

const byName = (names: ReadonlyArray<string>, params: Call["params"]): Option.Option<unknown> => {
  if (!Array.isArray(params)) return Option.some(params)
  if (params.length > names.length) return Option.none()
  return Option.some(Object.fromEntries(params.map((value, index) => [names[index], value])))
}

const expectation = (params: ParamFields): string => {
  const each = Object.entries(params).map(([name, schema]) => {
    const description = Schema.resolveAnnotations(schema)?.description
    return description === undefined ? name : `${name} (${description})`
  })
  return each.length === 0 ? "none" : each.join(", ")
}
