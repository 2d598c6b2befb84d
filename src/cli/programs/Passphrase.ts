/**
 * Where the passphrase of a wallet comes from: a file, the environment, or whoever sits at the terminal; never a flag,
 * which every user of the machine can read in the list of processes.
 */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { WALLET_TEXT } from "../../protocol/Limits.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import { ask, canAsk } from "./HiddenInput.ts"

export interface PassphraseSource {
  /** The file that a flag names. */
  readonly file: Option.Option<string>
  readonly flag: string
  readonly env: string
  /** What is asked at the terminal. */
  readonly question: string
}

/** A passphrase that opens something. */
export const current = (source: PassphraseSource): Effect.Effect<Redacted.Redacted, CommandFailure> =>
  Effect.flatMap(given(source), (text) =>
    text === undefined ? Effect.map(ask(`${source.question}: `), Redacted.make) : Effect.succeed(Redacted.make(text))
  )

/** A passphrase to seal with: not empty, and typed twice at a terminal. Null where none is wanted. */
export const chosen = Effect.fnUntraced(function* (
  source: PassphraseSource,
  unencrypted: boolean
): Effect.fn.Return<Redacted.Redacted | null, CommandFailure> {
  if (unencrypted && Option.isSome(source.file)) {
    return yield* failure("usage", `--${source.flag} and --unencrypted exclude each other`)
  }
  if (unencrypted) return null
  const text = (yield* given(source)) ?? (yield* askTwice(source.question))
  if (text === "") {
    return yield* failure("usage", "an empty passphrase protects nothing; --unencrypted keeps the key in the clear")
  }
  if (text.length > WALLET_TEXT) return yield* failure("usage", `a passphrase has at most ${WALLET_TEXT} characters`)
  return Redacted.make(text)
})

// --- internal ---

/** What a file or the environment says; undefined if somebody can be asked. */
const given = ({ env, file, flag }: PassphraseSource): Effect.Effect<string | undefined, CommandFailure> => {
  if (Option.isSome(file)) return firstLine(file.value, flag)
  const value = process.env[env]
  if (value !== undefined) return Effect.succeed(value)
  if (canAsk()) return Effect.succeed(undefined)
  return Effect.fail(failure("usage", `a passphrase is needed: set ${env}, use --${flag}, or run it at a terminal`))
}

const firstLine = (file: string, flag: string): Effect.Effect<string, CommandFailure> =>
  Effect.try({
    try: () => readFileSync(file, "utf8").split(/\r?\n/, 1)[0]!,
    catch: (error) => failure("usage", `--${flag}: ${(error as Error).message}`)
  })

const askTwice = Effect.fnUntraced(function* (question: string) {
  const text = yield* ask(`${question}: `)
  if (text === "" || text === (yield* ask("The same again: "))) return text
  return yield* failure("failed", "the two are not the same; nothing was changed")
})
