/**
 * `timenode wire`: what this node makes of lines of the peer protocol.
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { paragraph } from "./HelpText.ts"
import { load } from "./Load.ts"

export const wire = Command.make("wire", {}, () =>
  Effect.flatMap(
    load(() => import("../programs/CheckLines.ts")),
    ({ checkLines }) => checkLines
  )
).pipe(
  Command.withDescription(
    paragraph(
      "Read lines of the peer protocol on standard input, as bytes split at LF, and print for each what this",
      "node makes of it: the line in canonical form, or `error: …`. The exit code is 1 if any was refused."
    )
  ),
  Command.withShortDescription("Check lines of the peer protocol"),
  Command.withExamples([
    { command: `echo '{"Ping":{"nonce":1,"timestamp":2}}' | timenode wire`, description: "Check one message" }
  ])
)
