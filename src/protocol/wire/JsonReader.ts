/**
 * JSON tokens as serde_json reads them, byte by byte.
 *
 * Every method leaves `at` where serde_json would have stopped, also when it throws: `StrictReader` depends on it.
 */
import { growScratch, scratch } from "./ByteScratch.ts"
import { WireError, type WireErrorReason } from "./WireError.ts"

export class JsonReader {
  protected readonly buffer: Buffer
  protected readonly start: number
  protected readonly end: number
  /** Position of the next byte. */
  protected at: number

  /** The number read last: where its text is, its size without the sign (inexact beyond 2^53), and what it is. */
  protected numeral = 0
  protected isNegative = false
  protected isFloat = false
  private numberStart = 0

  private readonly trail: Array<string | number> = []

  constructor(buffer: Buffer, start: number, end: number) {
    this.buffer = buffer
    this.start = start
    this.end = end
    this.at = start
  }

  // -- errors --

  protected enter(segment: string | number): void {
    this.trail.push(segment)
  }

  protected leave(): void {
    this.trail.pop()
  }

  protected path(): string {
    let path = ""
    for (const segment of this.trail) {
      path += typeof segment === "number" ? `[${segment}]` : path === "" ? segment : `.${segment}`
    }
    return path
  }

  protected error(reason: WireErrorReason, expected: string): WireError {
    return new WireError(reason, this.path(), this.at - this.start, expected)
  }

  protected malformed(expected: string): never {
    throw this.error("Malformed", expected)
  }

  protected invalid(expected: string): never {
    throw this.error("InvalidValue", expected)
  }

  protected invalidNumber(expected: string): never {
    throw new WireError("InvalidValue", this.path(), this.numberStart - this.start, expected)
  }

  /** Refuses a value of another type, after reading as much of it as serde_json does. */
  protected wrongType(expected: string): never {
    const start = this.at
    switch (this.peek()) {
      case 0x6e:
        this.word("null")
        break
      case 0x74:
        this.word("true")
        break
      case 0x66:
        this.word("false")
        break
      case 0x22:
        this.string()
        break
      case 0x5b:
      case 0x7b:
        break
      default:
        if (this.peek() !== 0x2d && !isDigit(this.peek())) this.malformed(expected)
        this.number(expected)
    }
    throw new WireError("InvalidValue", this.path(), start - this.start, expected)
  }

  // -- structure --

  /** The next byte, or -1 at the end. */
  protected peek(): number {
    return this.at < this.end ? this.buffer[this.at]! : -1
  }

  /** The next byte that is not a blank, or -1 at the end. */
  protected peekToken(): number {
    const { buffer, end } = this
    let at = this.at
    while (at < end) {
      const byte = buffer[at]!
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x09 && byte !== 0x0d)) {
        this.at = at
        return byte
      }
      at++
    }
    this.at = at
    return -1
  }

  protected open(bracket: number, expected: string): void {
    if (this.peekToken() !== bracket) this.wrongType(expected)
    this.at++
  }

  protected close(bracket: number): void {
    const token = this.peekToken()
    if (token === bracket) {
      this.at++
      return
    }
    if (token === 0x2c) this.at++
    this.malformed(`a closing ${String.fromCharCode(bracket)}`)
  }

  protected colon(): void {
    if (this.peekToken() !== 0x3a) this.malformed("a colon")
    this.at++
  }

  /** Steps to the next item of an array; false, with the closing bracket taken, when there is none. */
  protected nextItem(first: boolean): boolean {
    const token = this.peekToken()
    if (token === 0x5d) {
      this.at++
      return false
    }
    if (first && token >= 0) return true
    if (token !== 0x2c) this.malformed("a comma or the end of the array")
    this.at++
    const next = this.peekToken()
    if (next < 0 || next === 0x5d) this.malformed("an item after the comma")
    return true
  }

  /** Steps to the next key of an object; false, with the closing brace taken, when there is none. */
  protected nextKey(first: boolean): boolean {
    const token = this.peekToken()
    if (token === 0x7d) {
      this.at++
      return false
    }
    if (!first) {
      if (token !== 0x2c) this.malformed("a comma or the end of the object")
      this.at++
    }
    if (this.peekToken() !== 0x22) this.malformed("a key")
    return true
  }

  protected word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.at === this.end) this.malformed(word)
      if (this.buffer[this.at++] !== word.charCodeAt(i)) this.malformed(word)
    }
  }

  // -- numbers --

  /** Reads a number of any form. */
  protected number(expected: string): void {
    const token = this.peekToken()
    if (token !== 0x2d && !isDigit(token)) this.wrongType(expected)
    this.numberStart = this.at
    this.isNegative = token === 0x2d
    if (this.isNegative) this.at++
    this.integerPart()
    let isZero = this.numeral === 0
    // Minus zero is a float to serde_json, which has no integer for it.
    this.isFloat = isZero && this.isNegative
    if (this.peek() === 0x2e) {
      isZero = this.fraction() && isZero
      this.isFloat = true
    }
    if (this.peek() === 0x65 || this.peek() === 0x45) {
      this.exponent(isZero)
      this.isFloat = true
    }
  }

  /** An integer from 0 to a maximum below 2^53. */
  protected small(maximum: number, expected: string): number {
    this.number(expected)
    if (this.isFloat || this.isNegative || this.numeral > maximum) this.invalidNumber(expected)
    return this.numeral
  }

  /**
   * Collects items of an array of bytes into the scratch, up to `max` there, as long as they are plain digits right
   * behind each other. The item at which it stops is the last one, or one to look at closely. Returns the new count.
   */
  protected plainBytes(count: number, max: number): number {
    const { buffer, end } = this
    let collected = scratch.bytes
    let length = count
    let at = this.at
    while (length < max) {
      let value = buffer[at]! - 0x30
      let comma = at + 1
      if (value > 0 && isDigit(buffer[comma]!)) {
        value = value * 10 + (buffer[comma++]! - 0x30)
        if (isDigit(buffer[comma]!)) value = value * 10 + (buffer[comma++]! - 0x30)
      }
      const isPlainItem = value >= 0 && value <= 255 && comma + 1 < end && buffer[comma] === 0x2c
      if (!isPlainItem || !isDigit(buffer[at]!) || !isDigit(buffer[comma + 1]!)) break
      if (length === collected.length) collected = growScratch()
      collected[length++] = value
      at = comma + 1
    }
    this.at = at
    return length
  }

  protected numberText(): string {
    return this.buffer.toString("latin1", this.numberStart, this.at)
  }

  private integerPart(): void {
    if (this.at === this.end) this.malformed("a digit")
    const first = this.buffer[this.at++]!
    if (!isDigit(first)) this.malformed("a digit")
    this.numeral = first - 0x30
    if (first === 0x30) {
      if (isDigit(this.peek())) this.malformed("a number without leading zeros")
      return
    }
    while (isDigit(this.peek())) this.numeral = this.numeral * 10 + (this.buffer[this.at++]! - 0x30)
  }

  /** Returns whether all digits were zeros. */
  private fraction(): boolean {
    this.at++
    const digits = this.at
    let isZero = true
    while (isDigit(this.peek())) if (this.buffer[this.at++] !== 0x30) isZero = false
    if (this.at === digits) this.malformed("a digit after the point")
    return isZero
  }

  /** An exponent beyond 32 bits stops the reading, unless the number is zero whatever the exponent. */
  private exponent(isZero: boolean): void {
    this.at++
    const sign = this.peek()
    if (sign === 0x2b || sign === 0x2d) this.at++
    if (this.at === this.end) this.malformed("a digit of the exponent")
    const first = this.buffer[this.at++]!
    if (!isDigit(first)) this.malformed("a digit of the exponent")
    let exponent = first - 0x30
    while (isDigit(this.peek())) {
      exponent = exponent * 10 + (this.buffer[this.at++]! - 0x30)
      if (exponent > MAX_I32 && sign !== 0x2d && !isZero) this.malformed("a number in range")
    }
  }

  // -- strings --

  protected string(): string {
    if (this.peekToken() !== 0x22) this.wrongType("a string")
    const { buffer, end } = this
    const start = this.at + 1
    let at = start
    while (at < end && isPlain(buffer[at]!)) at++
    if (at === end || buffer[at] !== 0x22) return utf8.decode(this.stringBytes(true))
    this.at = at + 1
    return start === at ? "" : buffer.toString("latin1", start, at)
  }

  /** Takes the key if it is exactly what comes next. */
  protected takesKey(key: string): boolean {
    const { buffer, end } = this
    const start = this.at + 1
    const quote = start + key.length
    if (quote >= end || buffer[quote] !== 0x22) return false
    for (let i = 0; i < key.length; i++) if (buffer[start + i] !== key.charCodeAt(i)) return false
    this.at = quote + 1
    return true
  }

  /** The bytes of a string that need not be text: control characters and lone surrogates are let through. */
  protected rawString(): Uint8Array {
    return this.stringBytes(false)
  }

  private stringBytes(text: boolean): Uint8Array {
    if (this.peekToken() !== 0x22) this.wrongType("a string")
    const { buffer, end } = this
    const start = this.at + 1
    let at = start
    for (; at < end; at++) {
      const byte = buffer[at]!
      if (byte === 0x5c || byte === 0x22 || (byte < 0x20 && text)) break
    }
    this.at = at
    if (at === end) this.malformed("the end of the string")
    if (buffer[at] === 0x5c) return this.escapedBytes(start, text)
    this.at++
    if (buffer[at] !== 0x22) this.malformed("no control character in a string")
    return new Uint8Array(buffer.subarray(start, at))
  }

  /** The rest of a string, from its first escape on. */
  private escapedBytes(start: number, text: boolean): Uint8Array {
    const found: Array<number> = Array.from(this.buffer.subarray(start, this.at))
    while (this.at < this.end) {
      const byte = this.buffer[this.at++]!
      if (byte === 0x22) return Uint8Array.from(found)
      if (byte === 0x5c) this.escape(found, text)
      else if (byte < 0x20 && text) this.malformed("no control character in a string")
      else found.push(byte)
    }
    return this.malformed("the end of the string")
  }

  /** One escape, its backslash taken. */
  private escape(found: Array<number>, text: boolean): void {
    if (this.at === this.end) this.malformed("an escape")
    const letter = this.buffer[this.at++]!
    if (letter === 0x75) return this.unicodeEscape(found, text)
    const byte = SIMPLE_ESCAPES.get(letter)
    if (byte === undefined) this.malformed("an escape")
    found.push(byte)
  }

  private unicodeEscape(found: Array<number>, text: boolean): void {
    let unit = this.hex4()
    if (text && isLow(unit)) this.malformed("no lone surrogate")
    while (isHigh(unit)) {
      const high = unit
      // Without another \u the surrogate is alone, which only raw bytes may be.
      if (!this.takesByte(0x5c, text)) return pushCodePoint(found, high)
      if (!this.takesByte(0x75, text)) {
        pushCodePoint(found, high)
        return this.escape(found, text)
      }
      unit = this.hex4()
      if (isLow(unit)) return pushCodePoint(found, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00))
      if (text) this.malformed("a low surrogate")
      pushCodePoint(found, high)
    }
    pushCodePoint(found, unit)
  }

  /** Takes the byte if it is next. In text it must be. */
  private takesByte(byte: number, text: boolean): boolean {
    if (this.at === this.end) this.malformed("the end of the string")
    const isNext = this.buffer[this.at] === byte
    if (isNext || text) this.at++
    if (!isNext && text) this.malformed("a low surrogate")
    return isNext
  }

  private hex4(): number {
    if (this.end - this.at < 4) {
      this.at = this.end
      this.malformed("four hex digits")
    }
    const digits = this.buffer.toString("latin1", this.at, this.at + 4)
    this.at += 4
    return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : this.malformed("four hex digits")
  }

  // -- skipping --

  /** Skips a value of any depth; what is skipped needs to be JSON, but its numbers and surrogates may be any. */
  protected skipValue(): void {
    /** The brackets open around the value that is next, the innermost last. A closing bracket is two above its opening. */
    let brackets = new Uint8Array(64)
    let depth = 0
    for (;;) {
      const token = this.peekToken()
      if (token === 0x5b || token === 0x7b) {
        this.at++
        if (depth === brackets.length) brackets = grow(brackets)
        brackets[depth++] = token
        if (this.peekToken() !== token + 2) {
          if (token === 0x7b) this.skipKey()
          continue
        }
      } else this.skipScalar(token)
      while (depth > 0 && this.peekToken() === brackets[depth - 1]! + 2) {
        this.at++
        depth--
      }
      if (depth === 0) return
      if (this.peekToken() !== 0x2c) this.malformed("a comma or a closing bracket")
      this.at++
      if (brackets[depth - 1] === 0x7b) this.skipKey()
    }
  }

  private skipKey(): void {
    if (this.peekToken() !== 0x22) this.malformed("a key")
    this.skipString()
    this.colon()
  }

  private skipScalar(token: number): void {
    switch (token) {
      case 0x6e:
        return this.word("null")
      case 0x74:
        return this.word("true")
      case 0x66:
        return this.word("false")
      case 0x22:
        return this.skipString()
      default:
        return this.skipNumber()
    }
  }

  private skipNumber(): void {
    if (this.peek() !== 0x2d && !isDigit(this.peek())) this.malformed("a value")
    if (this.peek() === 0x2d) this.at++
    this.integerPart()
    if (this.peek() === 0x2e) this.fraction()
    if (this.peek() === 0x65 || this.peek() === 0x45) this.exponent(true)
  }

  private skipString(): void {
    this.at++
    while (this.at < this.end) {
      const byte = this.buffer[this.at++]!
      if (byte === 0x22) return
      if (byte < 0x20) this.malformed("no control character in a string")
      if (byte !== 0x5c) continue
      const letter = this.at < this.end ? this.buffer[this.at++]! : -1
      if (letter === 0x75) this.hex4()
      else if (!SIMPLE_ESCAPES.has(letter)) this.malformed("an escape")
    }
    this.malformed("the end of the string")
  }
}

// --- internal ---

const MAX_I32 = 0x7fff_ffff

/** Fatal, and a byte order mark is a character like any other. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const SIMPLE_ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }).map(
    ([letter, character]) => [letter.charCodeAt(0), character.charCodeAt(0)]
  )
)

const grow = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
  const grown = new Uint8Array(bytes.length * 2)
  grown.set(bytes)
  return grown
}

/** Printable ASCII that needs no escape in a string. */
const isPlain = (byte: number): boolean => byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

/** UTF-8, surrogates included. */
const pushCodePoint = (found: Array<number>, point: number): void => {
  if (point < 0x80) found.push(point)
  else if (point < 0x800) found.push(0xc0 | (point >> 6), 0x80 | (point & 63))
  else if (point < 0x10000) found.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  else {
    found.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  }
}
