/**
 * Whether 32 bytes are a public key: whether they decompress to a point of edwards25519, as ed25519-dalek decides it.
 *
 * The bytes are y, little-endian, with the sign of x in the top bit. There is an x if x² = (y² − 1) / (d·y² + 1) has a
 * root modulo p = 2^255 − 19, that is, if (y² − 1)·(d·y² + 1) is zero or a square. Neither the root nor its sign is
 * needed: y may be p or more, and x may be "minus zero". So the question is one Jacobi symbol, and a peer that sends
 * thousands of keys gets it answered in microseconds.
 *
 * Numbers are 11 limbs of 24 bits in doubles, the least significant first: products of limbs, and sums of a dozen of
 * them, stay below 2^53 and are exact.
 */

/** Whether the 32 bytes are a key. Constant for equal bytes; not constant in time, as keys are public. */
export const isCurvePoint = (bytes: Uint8Array): boolean => {
  loadKey(bytes)
  multiply(ySquared, y, y)
  multiply(v, D, ySquared)
  v[0]! += 1
  for (let i = 0; i < LIMBS; i++) u[i] = ySquared[i]! + P_MINUS_ONE[i]!
  multiply(product, u, v)
  return isSquare(product)
}

// --- internal: the field ---

const LIMBS = 11
const LIMB = 2 ** 24
const PER_LIMB = 2 ** -24
/** 2^264, the first bit beyond the limbs, is 2^9 · 2^255, and 2^255 is 19. */
const FOLD = 19 * 2 ** 9
/** Bits of the last limb below 2^255. */
const TOP = 2 ** 15

const toLimbs = (value: bigint): Float64Array =>
  Float64Array.from({ length: LIMBS }, (_, i) => Number((value >> BigInt(24 * i)) & 0xff_ffffn))

const fromLimbs = (limbs: Float64Array): bigint => limbs.reduceRight((value, limb) => (value << 24n) + BigInt(limb), 0n)

const PRIME = 2n ** 255n - 19n
const P = toLimbs(PRIME)
const P_MINUS_ONE = toLimbs(PRIME - 1n)
const D = toLimbs(0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n)

// Work space: nothing here calls back, so one of each is enough.
const y = new Float64Array(LIMBS)
const ySquared = new Float64Array(LIMBS)
const u = new Float64Array(LIMBS)
const v = new Float64Array(LIMBS)
const product = new Float64Array(LIMBS)
const wide = new Float64Array(2 * LIMBS)

const loadKey = (bytes: Uint8Array): void => {
  for (let i = 0; i < LIMBS - 1; i++) y[i] = bytes[3 * i]! | (bytes[3 * i + 1]! << 8) | (bytes[3 * i + 2]! << 16)
  y[LIMBS - 1] = bytes[30]! | ((bytes[31]! & 0x7f) << 8)
}

/** `out` = `a`·`b` modulo p, a little above 2^255 at most. The limbs of one factor may have 25 bits. */
const multiply = (out: Float64Array, a: Float64Array, b: Float64Array): void => {
  wide.fill(0)
  for (let i = 0; i < LIMBS; i++) {
    const factor = a[i]!
    for (let j = 0; j < LIMBS; j++) wide[i + j]! += factor * b[j]!
  }
  let carry = 0
  for (let i = 0; i < 2 * LIMBS; i++) {
    const sum = wide[i]! + carry
    carry = Math.floor(sum * PER_LIMB)
    wide[i] = sum - carry * LIMB
  }
  carry = 0
  for (let i = 0; i < LIMBS; i++) {
    const sum = wide[i]! + FOLD * wide[i + LIMBS]! + carry
    carry = Math.floor(sum * PER_LIMB)
    out[i] = sum - carry * LIMB
  }
  const last = out[LIMBS - 1]! + carry * LIMB
  const excess = Math.floor(last / TOP)
  out[LIMBS - 1] = last - excess * TOP
  carry = 19 * excess
  for (let i = 0; carry > 0; i++) {
    const sum = out[i]! + carry
    carry = Math.floor(sum * PER_LIMB)
    out[i] = sum - carry * LIMB
  }
}

// --- internal: the Jacobi symbol ---

/**
 * Euclid's algorithm on a and b also computes the Jacobi symbol of one over the other, if for every quotient q in
 * a ← a − q·b it is noted what that does to the symbol. This depends on three bits of each number:
 *
 * - one of them, the lower, is odd; say it is b: then (a/b) = (a − q·b / b);
 * - if it is a and b is odd, too, then (b/a) = ±(a/b) by reciprocity, and the same follows;
 * - if it is a and b is even, then (b/a) and (b / a − q·b) differ at most by what 2 and the odd half of b contribute,
 *   and not even by that if 4 divides b.
 *
 * A state is a·64 + b·8 (modulo 8 each), plus 512 if the lower is b, plus 1024 if the sign is minus. The table gives, for
 * a state and a quotient modulo 8, the state after the step and the exchange of a and b that follows it.
 */
const LOWER_IS_B = 512
const MINUS = 1024

const NEXT_STATE = Uint16Array.from({ length: 16384 }, (_, index) => {
  const state = index >> 3
  const a = (state >> 6) & 7
  const b = (state >> 3) & 7
  const rest = (a - b * (index & 7)) & 7
  const sign = state & MINUS
  const next = (b << 6) | (rest << 3)
  if ((state & LOWER_IS_B) !== 0) return next | sign
  if ((b & 1) === 1) return next | (sign ^ ((a & b & 2) === 0 ? 0 : MINUS))
  const ofTwo = (n: number): number => ((n >> 1) ^ (n >> 2)) & 1
  const changes = ofTwo(a) ^ ofTwo(rest) ^ (((a ^ rest) >> 1) & (b >> 2) & 1)
  return next | LOWER_IS_B | (sign ^ ((b & 3) === 2 && changes === 1 ? MINUS : 0))
})

const high = new Float64Array(LIMBS)
const low = new Float64Array(LIMBS)

/** Whether the number is zero or a square modulo p. It may be a little above p. */
const isSquare = (number: Float64Array): boolean => {
  const isBelowP = isLess(number, P)
  high.set(isBelowP ? P : number)
  low.set(isBelowP ? number : P)
  let state = ((high[0]! & 7) << 6) | ((low[0]! & 7) << 3) | (isBelowP ? 0 : LOWER_IS_B)
  let top = LIMBS - 1
  while (top > 1) {
    if (high[top] === 0) top--
    else state = lehmerSteps(top, state)
  }
  let a = high[1]! * LIMB + high[0]!
  let b = low[1]! * LIMB + low[0]!
  while (b > 0) {
    const quotient = Math.floor(a / b)
    const rest = a - quotient * b
    state = NEXT_STATE[(state << 3) | (quotient % 8)]!
    a = b
    b = rest
  }
  return (state & MINUS) === 0
}

/**
 * Lehmer's way of doing many steps on the 48 leading bits of both numbers, and then one linear combination of the whole
 * numbers: high ← ±(u0·high − v0·low), low ← ∓(u1·high − v1·low). What is cut off changes a remainder by less than its
 * v, the larger coefficient, so a quotient is certain while the remainder keeps that distance from zero and from the
 * divisor.
 */
const lehmerSteps = (top: number, before: number): number => {
  const shift = Math.clz32(high[top]!) - 8
  let a = leadingBits(high, top, shift)
  let b = leadingBits(low, top, shift)
  let [u0, v0, u1, v1] = [1, 0, 0, 1]
  let sign = 1
  let state = before
  while (b > 0) {
    const quotient = Math.floor(a / b)
    const rest = a - quotient * b
    const v2 = v0 + quotient * v1
    if (rest < v2 || b - rest < v2 + v1) break
    const u2 = u0 + quotient * u1
    state = NEXT_STATE[(state << 3) | (quotient & 7)]!
    a = b
    b = rest
    u0 = u1
    u1 = u2
    v0 = v1
    v1 = v2
    sign = -sign
  }
  if (v0 === 0) return wholeStep(before)
  combine(top, sign * u0, sign * v0, -sign * u1, -sign * v1)
  return state
}

const leadingBits = (limbs: Float64Array, top: number, shift: number): number =>
  (limbs[top]! * LIMB + limbs[top - 1]!) * (1 << shift) + (limbs[top - 2]! >> (24 - shift))

const combine = (top: number, a0: number, b0: number, a1: number, b1: number): void => {
  let carry0 = 0
  let carry1 = 0
  for (let i = 0; i <= top; i++) {
    const a = high[i]!
    const b = low[i]!
    const sum0 = a0 * a - b0 * b + carry0
    const sum1 = a1 * a - b1 * b + carry1
    carry0 = Math.floor(sum0 * PER_LIMB)
    carry1 = Math.floor(sum1 * PER_LIMB)
    high[i] = sum0 - carry0 * LIMB
    low[i] = sum1 - carry1 * LIMB
  }
}

/** One step on the whole numbers, for the rare quotient that the leading bits cannot tell. */
const wholeStep = (state: number): number => {
  const a = fromLimbs(high)
  const b = fromLimbs(low)
  // With b at zero the symbol is known; a is left as one limb, to end the loop.
  const quotient = b === 0n ? 0n : a / b
  high.set(low)
  if (b === 0n) low.fill(0)
  else low.set(toLimbs(a - quotient * b))
  return b === 0n ? state : NEXT_STATE[(state << 3) | Number(quotient & 7n)]!
}

const isLess = (a: Float64Array, b: Float64Array): boolean => {
  for (let i = LIMBS - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i]! < b[i]!
  return false
}
