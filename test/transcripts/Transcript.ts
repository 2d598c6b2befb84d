/**
 * Recorded traffic of the real node, as data: who sent which line when.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Message } from "../../src/protocol/Message.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"

export interface Entry {
  /** Milliseconds since the start of the recording. */
  readonly at: number
  /** `note`, the node itself, or the name of the peer that talked to it. */
  readonly from: string
  readonly line: string
  /** The line was cut when it was recorded. */
  readonly abridged: boolean
  /** How the line was sent, where that is special. */
  readonly remark: string | undefined
  /** What ended the line; the empty string where nothing did. */
  readonly terminator: string
}

export const transcript = (file: string): ReadonlyArray<Entry> =>
  readFileSync(join(import.meta.dirname, "../vectors/transcripts", file), "utf8")
    .trimEnd()
    .split("\n")
    .map((text) => {
      const { from, line, note, t_ms, terminator } = JSON.parse(text)
      return { at: t_ms, from, line, abridged: note === "abridged", remark: note, terminator: terminator ?? "\n" }
    })

/** What a line says; undefined for one that is no message. */
export const message = (line: string): Message | undefined => {
  const bytes = new TextEncoder().encode(line)
  const decoded = Wire.decode(bytes, 0, bytes.length)
  return decoded._tag === "WireError" ? undefined : decoded
}
