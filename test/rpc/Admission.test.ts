import { assert, describe, it } from "@effect/vitest"
import { refusal } from "../../src/rpc/Admission.ts"

const json = { "content-type": "application/json", host: "127.0.0.1:24101" }
const head = (headers: Record<string, string | undefined>, method = "POST", path = "/") => ({
  method,
  path,
  headers: { ...json, ...headers }
})

describe("admission", () => {
  for (const host of [
    "127.0.0.1",
    "127.0.0.1:24101",
    "localhost:1",
    "LOCALHOST",
    "[::1]",
    "[::1]:24101",
    "192.168.1.7:80"
  ]) {
    it(`lets in Host: ${host}`, () => assert.isUndefined(refusal(head({ host }))))
  }

  for (const host of [
    undefined,
    "",
    "example.com",
    "example.com:24101",
    "127.0.0.1.example.com",
    "localhost.example.com:24101",
    "::1",
    "127.0.0.1:24101:1"
  ]) {
    it(`refuses Host: ${host}`, () => assert.strictEqual(refusal(head({ host }))?.status, 403))
  }

  for (const origin of ["null", "https://example.com", "http://localhost:3000", "http://127.0.0.1:24102"]) {
    it(`refuses Origin: ${origin}`, () => assert.strictEqual(refusal(head({ origin }))?.status, 403))
  }

  it("lets in a page that the node itself served", () => {
    assert.isUndefined(refusal(head({ origin: "http://127.0.0.1:24101" })))
  })

  for (const type of [undefined, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
    it(`refuses Content-Type: ${type}`, () => {
      assert.strictEqual(refusal(head({ "content-type": type }))?.status, 415)
    })
  }

  for (const type of ["application/json", "Application/JSON; charset=utf-8"]) {
    it(`lets in Content-Type: ${type}`, () => assert.isUndefined(refusal(head({ "content-type": type }))))
  }

  it("refuses other methods and paths", () => {
    assert.strictEqual(refusal(head({}, "GET"))?.status, 405)
    assert.strictEqual(refusal(head({}, "OPTIONS"))?.status, 405)
    assert.strictEqual(refusal(head({}, "POST", "/rpc"))?.status, 404)
    assert.isUndefined(refusal(head({}, "POST", "/?x=1")))
  })
})
