/**
 * The command line: all commands, and how each of them ends.
 */
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VERSION } from "../layers/LocalNodeIdentity.ts"
import { type CommandFailure, failure, lastWords } from "./CommandFailure.ts"
import { chain } from "./commands/Chain.ts"
import { paragraph } from "./commands/HelpText.ts"
import { StatusLine } from "./programs/StatusLine.ts"
import { devnet } from "./commands/Devnet.ts"
import { start } from "./commands/Start.ts"
import { wallet } from "./commands/Wallet.ts"
import { wire } from "./commands/Wire.ts"

/** Runs the command that the arguments spell. Whatever went wrong has been said on standard error when it fails. */
export const run = (args: ReadonlyArray<string>): Effect.Effect<void, CommandFailure, Command.Environment> =>
  Command.runWith(timenode, { version: VERSION })(args).pipe(
    Effect.catchTag(PARSE_ERRORS, (error) => Effect.fail(usageFailure(error))),
    Effect.tapCause((cause) => {
      const words = lastWords(cause)
      return words === undefined ? Effect.void : Console.error(words)
    }),
    Effect.provide(surface)
  )

// --- internal ---

const timenode = Command.make("timenode").pipe(
  Command.withDescription(
    paragraph(
      "A node of the TIME Coin network.",
      "Results go to standard output, logs and errors to standard error.",
      "Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 node unreachable, 4 RPC error,",
      "5 data directory in use or damaged."
    )
  ),
  Command.withSubcommands([start, devnet, wallet, wire, chain]),
  Command.withExamples([
    { command: "timenode start", description: "Run a node on the test network" },
    { command: "timenode start --network mainnet --peer 203.0.113.7", description: "Run a node that knows one peer" },
    { command: "timenode chain export | gzip > chain.jsonl.gz", description: "Copy the chain of a stopped node" }
  ])
)

/** Help that was asked for is a result; help that was not is part of an error. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.void
      : event._tag === "Help" && event.reason === "Implicit"
        ? Console.error(CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc))
        : CliOutput.defaultPresenter.present(event)
}

const surface = Layer.mergeAll(
  StatusLine.layer,
  CliOutput.layerPresenter(presenter),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
)

const PARSE_ERRORS = [
  "ShowHelp",
  "UnrecognizedOption",
  "DuplicateOption",
  "MissingOption",
  "MissingArgument",
  "UnexpectedArgument",
  "InvalidValue",
  "UnknownSubcommand",
  "ValidationError",
  "UserError"
] as const

const usageFailure = (error: CliError.CliError): CommandFailure => {
  if (error._tag !== "ShowHelp") return failure("usage", oneLine(error.message))
  const command = error.commandPath.join(" ")
  const first = error.errors[0]
  const what = first === undefined ? `${command} needs a command` : oneLine(first.message)
  return failure("usage", `${what}; see ${command} --help`)
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, " ")
