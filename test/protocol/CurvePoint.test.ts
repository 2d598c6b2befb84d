/**
 * The fast test of public keys against its definition, and against what the Rust node takes for keys.
 */
import { assert, describe, it } from "@effect/vitest"
import { isCurvePoint } from "../../src/protocol/CurvePoint.ts"
import { isPublicKey } from "../../src/protocol/KeyVerdicts.ts"
import { KEY_CACHE } from "../../src/protocol/Limits.ts"
import { sha256 } from "../../src/protocol/Hash.ts"

const P = 2n ** 255n - 19n
/** −121665/121666, from its definition. */
const D = ((P - 121_665n) * power(121_666n, P - 2n)) % P

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base % P
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P
    square = (square * square) % P
  }
  return result
}

/** Whether x² = (y² − 1) / (d·y² + 1) has a solution, by Euler's criterion. */
const isPointByDefinition = (bytes: Uint8Array): boolean => {
  const y = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`) % 2n ** 255n
  const square = (y * y) % P
  const ratio = ((square + P - 1n) * power(D * square + 1n, P - 2n)) % P
  return ratio === 0n || power(ratio, (P - 1n) / 2n) === 1n
}

const littleEndian = (value: bigint): Uint8Array =>
  new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse())

const random = (seed: number): Uint8Array => sha256(Buffer.from(`key ${seed}`))

describe("isCurvePoint", () => {
  it("is what the definition says for random keys", () => {
    for (let seed = 0; seed < 1_000; seed++) {
      const key = random(seed)
      assert.strictEqual(isCurvePoint(key), isPointByDefinition(key), `seed ${seed}`)
    }
  })

  it("is what the definition says at the edges of the field and of the limbs", () => {
    const values = [0n, P, 2n ** 255n].flatMap((middle) =>
      Array.from({ length: 41 }, (_, i) => middle + BigInt(i) - 20n)
    )
    for (let bit = 0n; bit < 256n; bit++) values.push(2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n, 2n ** 256n - 2n ** bit)
    for (const value of values) {
      const key = littleEndian((value + 2n ** 256n) % 2n ** 256n)
      assert.strictEqual(isCurvePoint(key), isPointByDefinition(key), value.toString(16))
    }
  })

  it("lets through minus zero, y beyond the field, and small order", () => {
    const minusZero = littleEndian(1n + 2n ** 255n)
    const beyond = littleEndian(P + 1n)
    const orderFour = littleEndian(0n)
    for (const key of [minusZero, beyond, orderFour]) assert.isTrue(isCurvePoint(key))
  })
})

describe("isPublicKey", () => {
  it("remembers no wrong verdict, with any number of keys", () => {
    const keys = Array.from({ length: KEY_CACHE + 500 }, (_, seed) => random(seed))
    const verdicts = keys.map(isCurvePoint)
    for (let round = 0; round < 2; round++) assert.deepStrictEqual(keys.map(isPublicKey), verdicts)
  })
})
