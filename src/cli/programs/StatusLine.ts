/**
 * A last line on a terminal that is drawn again and again, as long as what is printed meanwhile erases it first.
 *
 * There is one such line, because there is one standard error.
 */

/** Whether standard error is a terminal that can erase a line. */
export const isDrawn = (): boolean => process.stderr.isTTY === true && process.env["TERM"] !== "dumb"

/** Puts the line in the place of the one before. */
export const draw = (line: string): void => {
  process.stderr.write(`${ERASE}${line}`)
  isShown = true
}

/** Takes the line away, so that something else can be printed. */
export const erase = (): void => {
  if (isShown) process.stderr.write(ERASE)
  isShown = false
}

/** Columns for a line; the last is left free, because some terminals wrap when it is filled. */
export const columns = (): number => (process.stderr.columns || 80) - 1

/** Whether the operator wants no colours. */
export const isPlain = (): boolean => (process.env["NO_COLOR"] ?? "") !== ""

// --- internal ---

let isShown = false
const ERASE = "\r\u001b[K"
