/**
 * `timenode start`: a node, until somebody stops it.
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { nodeFlags } from "../config/Flags.ts"
import { paragraph } from "./HelpText.ts"
import { load } from "./Load.ts"

export const start = Command.make("start", nodeFlags, (flags) =>
  Effect.flatMap(
    load(() => import("../programs/RunNode.ts")),
    ({ runNode }) => runNode(flags)
  )
).pipe(
  Command.withDescription(
    paragraph(
      "Run a node until it is stopped by SIGTERM, SIGINT or the JSON-RPC method stop.",
      "When it is ready it prints one line: ready, with network, height, P2P and RPC addresses.",
      "",
      "Settings can also be made in the environment (TIME_DATA_DIR for --data-dir, and so on; TIME_PEERS",
      "for all of --peer, separated by commas; TIME_DISCOVERY=false for --no-discovery) and in the file of",
      "--config. Flags win over the environment, and that over the file."
    )
  ),
  Command.withShortDescription("Run a node"),
  Command.withExamples([
    { command: "timenode start", description: "A node on the test network" },
    {
      command: "timenode start --listen 127.0.0.2 --peer 127.0.0.3 --no-discovery --data-dir /tmp/a",
      description: "One of several nodes on a machine"
    }
  ])
)
