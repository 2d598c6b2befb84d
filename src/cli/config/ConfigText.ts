/**
 * Where keys stand in a TOML text, so that an error about one can name its line. The parser does not tell.
 */

/** Line numbers, from 1, of keys by their dotted path. Tables count as keys. */
export const keyLines = (text: string): ReadonlyMap<string, number> => {
  const lines = new Map<string, number>()
  let table = ""
  for (const [index, line] of text.split("\n").entries()) {
    const header = TABLE.exec(line)?.[1]
    const key = KEY.exec(line)?.[1]
    if (header !== undefined) table = dotted(header)
    else if (key === undefined) continue
    const path = header !== undefined ? table : table === "" ? dotted(key!) : `${table}.${dotted(key!)}`
    if (!lines.has(path)) lines.set(path, index + 1)
  }
  return lines
}

/** The line of a key, or of the closest table around it; `undefined` when neither is found. */
export const lineOf = (lines: ReadonlyMap<string, number>, path: string): number | undefined => {
  for (let rest = path; rest !== ""; rest = rest.slice(0, Math.max(0, rest.lastIndexOf(".")))) {
    const line = lines.get(rest)
    if (line !== undefined) return line
  }
  return undefined
}

// --- internal ---

const TABLE = /^\s*\[\s*([^[\]]+?)\s*\]/
const KEY = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/

const dotted = (key: string): string => key.replace(/["']/g, "").replace(/\s*\.\s*/g, ".")
