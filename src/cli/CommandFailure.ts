/**
 * How a command ends when it fails: an exit code that scripts rely on, and lines that say what to do next.
 */
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

export const exitCodes = {
  failed: 1,
  /** Wrong flags, arguments or configuration. */
  usage: 2,
  nodeUnreachable: 3,
  rpcError: 4,
  /** The data directory is in use, damaged, or of another network. */
  dataDirectory: 5
} as const

export type ExitReason = keyof typeof exitCodes

/** Ends the program with the exit code of the reason. `detail` is for people, one thing to know a line. */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  reason: Schema.Literals(Object.keys(exitCodes) as ReadonlyArray<ExitReason>),
  detail: Schema.String
}) {
  override readonly [Runtime.errorExitCode]: number = exitCodes[this.reason]

  override get message(): string {
    return this.detail
  }
}

export const failure = (reason: ExitReason, detail: string): CommandFailure => new CommandFailure({ reason, detail })

/** What standard error says of the end of the program; nothing when it was interrupted. */
export const lastWords = (cause: Cause.Cause<unknown>): string | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return undefined
  const error = Cause.squash(cause)
  if (!(error instanceof CommandFailure)) return `timenode: internal error: ${Cause.pretty(cause)}`
  return error.detail
    .split("\n")
    .map((line) => `timenode: ${line}`)
    .join("\n")
}
