/**
 * `timenode devnet`: a whole network in one process, to see blocks, payments and finality at once.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { paragraph } from "./HelpText.ts"
import { load } from "./Load.ts"

const integer = (name: string, minimum: number, maximum: number, byDefault: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum }))),
    Flag.withDescription(`${description}, ${minimum} to ${maximum} (default: ${byDefault})`),
    Flag.withDefault(byDefault)
  )

const flags = {
  nodes: integer("nodes", 3, 16, 4, "How many nodes, all of them masternodes"),
  blockTime: integer("block-time", 2, 600, 10, "Seconds from block to block"),
  rpcPort: integer("rpc-port", 1_024, 65_000, 24_201, "JSON-RPC of the first node; the others have the next ports")
}

export const devnet = Command.make("devnet", flags, (options) =>
  Effect.flatMap(
    load(() => import("../programs/RunDevnet.ts")),
    ({ runDevnet }) => runDevnet(options)
  )
).pipe(
  Command.withDescription(
    paragraph(
      "Run a network of masternodes in this process until it is stopped. It begins now, with an empty chain in",
      "memory. Every node has a wallet that blocks pay to, and JSON-RPC on 127.0.0.1, so that any of them serves",
      "as a faucet: call sendtoaddress."
    )
  ),
  Command.withShortDescription("Run a whole network in one process"),
  Command.withExamples([
    { command: "timenode devnet", description: "Four masternodes and a block every ten seconds" },
    { command: "timenode devnet --nodes 7 --block-time 3", description: "More of both" }
  ])
)
