/**
 * A line typed at the terminal that does not show: for passphrases. The prompt is on standard error.
 */
import * as Effect from "effect/Effect"
import { type CommandFailure, failure } from "../CommandFailure.ts"

/** What the keys of a terminal in raw mode spell. */
export class HiddenLine {
  readonly #characters: Array<string> = []

  /** Takes what was typed, up to the key that ends the line; `rest` is what came after that. */
  push(typed: string): { readonly end: "none" | "entered" | "cancelled"; readonly rest: string } {
    const keys = [...typed]
    for (const [index, key] of keys.entries()) {
      const rest = () => keys.slice(index + 1).join("")
      if (key === "\r" || key === "\n") return { end: "entered", rest: rest() }
      if (key === CONTROL_C || (key === CONTROL_D && this.#characters.length === 0)) {
        return { end: "cancelled", rest: rest() }
      }
      if (key === BACKSPACE || key === "\b") this.#characters.pop()
      else if (key === CONTROL_U) this.#characters.length = 0
      else if (key >= " ") this.#characters.push(key)
    }
    return { end: "none", rest: "" }
  }

  get text(): string {
    return this.#characters.join("")
  }
}

/** True if somebody can be asked. */
export const canAsk = (): boolean => process.stdin.isTTY === true

/** Asks at the terminal and waits for the line. */
export const ask = (prompt: string): Effect.Effect<string, CommandFailure> =>
  Effect.callback((resume) => {
    const { stdin } = process
    const line = new HiddenLine()
    const decoder = new TextDecoder()
    const stop = (): void => {
      stdin.off("data", onData)
      stdin.pause()
      stdin.setRawMode(false)
      process.stderr.write("\n")
    }
    const onData = (data: Buffer): void => {
      const { end, rest } = line.push(decoder.decode(data, { stream: true }))
      if (end === "none") return
      stop()
      // The answer to the next question may have been pasted with this one.
      if (rest !== "") stdin.unshift(Buffer.from(rest))
      resume(end === "entered" ? Effect.succeed(line.text) : Effect.fail(failure("failed", "cancelled")))
    }
    process.stderr.write(prompt)
    stdin.setRawMode(true)
    stdin.on("data", onData)
    stdin.resume()
    return Effect.sync(stop)
  })

// --- internal ---

const BACKSPACE = "\u007f"
const CONTROL_C = "\u0003"
const CONTROL_D = "\u0004"
const CONTROL_U = "\u0015"
