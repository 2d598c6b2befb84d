/**
 * Why a line is not a message.
 *
 * A value, not an `Error`: a peer can send bad lines as fast as good ones, and capturing a stack costs more than
 * reading most lines. Reading the same line again can never help.
 */

/**
 * What is wrong: bytes that are not UTF-8 (which ends a connection), text that is not JSON, an enum case that does not
 * exist, a value of the wrong type, range or length, or a list over its bound.
 */
export type WireErrorReason = "InvalidUtf8" | "Malformed" | "UnknownVariant" | "InvalidValue" | "TooManyItems"

export class WireError {
  readonly _tag = "WireError"
  readonly reason: WireErrorReason
  /** Where in the value: `BlocksResponse[3].header.height`; empty for the message itself. */
  readonly path: string
  /** Where in the line, in bytes from its start. */
  readonly offset: number
  /** What should have been there. */
  readonly expected: string

  constructor(reason: WireErrorReason, path: string, offset: number, expected: string) {
    this.reason = reason
    this.path = path
    this.offset = offset
    this.expected = expected
  }

  /** One line for logs: `InvalidValue at byte 17 in Ping.nonce: expected an integer from 0 to 18446744073709551615`. */
  get message(): string {
    const where = this.path === "" ? "" : ` in ${this.path}`
    return `${this.reason} at byte ${this.offset}${where}: expected ${this.expected}`
  }

  toString(): string {
    return `WireError: ${this.message}`
  }
}
