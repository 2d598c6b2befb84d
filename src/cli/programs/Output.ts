/**
 * Standard output for results that come as a stream.
 */
import * as Effect from "effect/Effect"
import { isPlatformError, type PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { type CommandFailure, failure } from "../CommandFailure.ts"

/** Prints the parts as fast as they are taken. A reader that goes away has what it wanted, which is no failure. */
export const printAll = <E, R>(
  parts: Stream.Stream<string | Uint8Array, E, R>
): Effect.Effect<void, Exclude<E, PlatformError> | CommandFailure, R | Stdio.Stdio> =>
  Stdio.Stdio.pipe(
    Effect.flatMap((stdio) => Stream.run(parts, stdio.stdout())),
    Effect.catchIf(isPlatformError, (error) =>
      isClosedPipe(error)
        ? Effect.void
        : Effect.fail(failure("failed", `standard input or output broke: ${error.message}`))
    )
  )

// --- internal ---

const isClosedPipe = ({ reason }: PlatformError): boolean =>
  "cause" in reason && reason.cause instanceof Error && "code" in reason.cause && reason.cause.code === "EPIPE"
