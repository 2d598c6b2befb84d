/**
 * A setting that cannot be used: where it was made, and what to write instead.
 */
import * as Schema from "effect/Schema"

/** The operator must change something; trying again does not help. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** `config.toml:12`, `--listen` or `TIME_LISTEN`. */
  origin: Schema.String,
  detail: Schema.String
}) {
  /** One line. */
  override get message(): string {
    return `${this.origin}: ${this.detail}`
  }
}

/** The candidate that was probably meant, if any is close. */
export const closest = (text: string, candidates: Iterable<string>): string | undefined => {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(text.length / 4)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

// --- internal ---

/** Letters to insert, delete or replace to make one text of the other. */
const editDistance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, replaced))
    }
    previous = row
  }
  return previous[b.length]!
}
