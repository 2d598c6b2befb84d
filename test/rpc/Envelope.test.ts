import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readBody, type RpcId, writeAnswer, writeBody } from "../../src/rpc/Envelope.ts"
import { rpcError } from "../../src/rpc/RpcError.ts"
import * as RpcJson from "../../src/rpc/RpcJson.ts"
import { RPC_BATCH } from "../../src/protocol/Limits.ts"

const only = (text: string) => {
  const { entries, isBatch } = readBody(text)
  assert.isFalse(isBatch)
  assert.strictEqual(entries.length, 1)
  return entries[0]!
}

describe("reading a body", () => {
  it("reads what time-cli sends", () => {
    assert.deepStrictEqual(only('{"jsonrpc":"2.0","id":"time-cli","method":"getblock","params":[7]}'), {
      id: "time-cli",
      method: "getblock",
      params: [7]
    })
  })

  for (const params of ["", ',"params":null', ',"params":[]']) {
    it(`takes no parameters from ${params || "nothing"}`, () => {
      assert.deepStrictEqual(only(`{"jsonrpc":"2.0","id":1,"method":"m"${params}}`), { id: 1, method: "m", params: [] })
    })
  }

  it("knows a notification by its missing id, not by null", () => {
    assert.notProperty(only('{"jsonrpc":"2.0","method":"m"}'), "id")
    assert.propertyVal(only('{"jsonrpc":"2.0","method":"m","id":null}'), "id", null)
  })

  const refused: ReadonlyArray<readonly [text: string, code: number, id: RpcId]> = [
    ["", -32700, null],
    ["{", -32700, null],
    ['{"jsonrpc":"2.0","id":"x","method":"m"', -32700, null],
    ["[".repeat(100_000), -32700, null],
    ["[]", -32600, null],
    ["1", -32600, null],
    ['{"id":5}', -32600, 5],
    ['{"jsonrpc":2,"id":"a","method":"m"}', -32600, "a"],
    ['{"jsonrpc":"2.0","id":"a","method":1}', -32600, "a"],
    ['{"jsonrpc":"2.0","id":"a","method":"m","params":7}', -32600, "a"],
    ['{"jsonrpc":"2.0","id":{},"method":"m"}', -32600, null],
    ['{"jsonrpc":"2.0","id":[1],"method":"m"}', -32600, null],
    [
      `[${Array(RPC_BATCH + 1)
        .fill(1)
        .join(",")}]`,
      -32600,
      null
    ]
  ]
  for (const [text, code, id] of refused) {
    it(`answers ${text.slice(0, 40) || "nothing"} with ${code}`, () => {
      const entry = only(text)
      if (!("error" in entry)) return assert.fail("was taken for a call")
      assert.strictEqual(entry.error.code, code)
      assert.strictEqual(entry.id, id)
    })
  }

  it("keeps good and bad entries of a batch in their places", () => {
    const { entries, isBatch } = readBody('[1,{"jsonrpc":"2.0","method":"m","id":2},[]]')
    assert.isTrue(isBatch)
    assert.deepStrictEqual(
      entries.map((entry) => "error" in entry),
      [true, false, true]
    )
  })
})

describe("writing a body", () => {
  it.effect.prop(
    "any scalar id comes back as it came",
    [Schema.Union([Schema.String, Schema.Int, Schema.Boolean, Schema.Null, Schema.BigInt])],
    ([id]) =>
      Effect.sync(() => {
        const call = only(`{"jsonrpc":"2.0","method":"m","id":${RpcJson.write(id)}}`)
        assert.propertyVal(call, "id", typeof id === "bigint" && Number.isSafeInteger(Number(id)) ? Number(id) : id)
        assert.strictEqual(
          writeAnswer(call.id!, Result.succeed(1)),
          `{"jsonrpc":"2.0","id":${RpcJson.write(id)},"result":1}`
        )
      })
  )

  it("writes errors in the order of timed", () => {
    assert.strictEqual(
      writeAnswer("x", Result.fail(rpcError("NotFound", 'no "block"'))),
      '{"jsonrpc":"2.0","id":"x","error":{"code":-5,"message":"no \\"block\\""}}'
    )
  })

  it("has nothing to say to notifications alone", () => {
    assert.isUndefined(writeBody(true, []))
    assert.strictEqual(writeBody(true, ["1"]), "[1]")
  })
})

describe("JSON", () => {
  it("keeps integers beyond 2^53 and sorts members", () => {
    const text = '{"a":[18446744073709551615,-9007199254740993,1.5],"b":{"c":null,"d":true}}'
    const value = Result.getOrThrow(
      RpcJson.parse('{"b":{"d":true,"c":null},"a":[18446744073709551615,-9007199254740993,1.5]}')
    )
    assert.strictEqual(RpcJson.write(value), text)
  })

  it("writes amounts with eight decimals, exactly", () => {
    assert.strictEqual(
      RpcJson.write({ b: RpcJson.timeAmount(9_007_199_254_740_993n), a: undefined }),
      '{"b":90071992.54740993}'
    )
  })

  it("reads a member named __proto__ as any other", () => {
    const value = Result.getOrThrow(RpcJson.parse('{"__proto__":{"polluted":1}}'))
    assert.isUndefined((value as Record<string, unknown>)["polluted"])
  })
})
