/**
 * `timenode chain`: the chain of a node that is not running.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hashFromHex } from "../../protocol/Hash.ts"
import { height } from "../../protocol/Height.ts"
import { storageFlags } from "../config/Flags.ts"
import { paragraph } from "./HelpText.ts"
import { load } from "./Load.ts"

const info = Command.make("info", storageFlags, (flags) =>
  Effect.flatMap(
    load(() => import("../programs/ChainInfo.ts")),
    ({ printInfo }) => printInfo(flags)
  )
).pipe(
  Command.withDescription("Print height and tip of the chain, and size and hash of its set of unspent outputs."),
  Command.withShortDescription("Print where the chain ends")
)

const verify = Command.make(
  "verify",
  {
    ...storageFlags,
    repair: Flag.Boolean("repair").pipe(
      Flag.withDescription("Rebuild a damaged chain from its sound blocks; the old file is kept as chain.db.damaged-N"),
      Flag.withDefault(false)
    )
  },
  ({ repair, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/VerifyChain.ts")),
      ({ verifyChain }) => verifyChain(flags, repair)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Check the whole chain again from genesis: the links between blocks, every rule, and that the stored",
      "unspent outputs are those that the blocks leave. Nothing is changed; room for a copy is needed.",
      "Progress is on standard error. The exit code is 5 if anything is wrong. With --repair a damaged chain is",
      "rebuilt beside the old file from all blocks before the first that is not sound, and takes its place."
    )
  ),
  Command.withShortDescription("Check the whole chain again")
)

const heightFlag = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (text) => (/^[0-9]{1,18}$/.test(text) ? Option.some(height(BigInt(text))) : Option.none()),
      () => "a height"
    ),
    Flag.withMetavar("HEIGHT"),
    Flag.withDescription(description),
    Flag.optional
  )

const exportCommand = Command.make(
  "export",
  {
    ...storageFlags,
    from: heightFlag("from", "First block (default: 0)"),
    to: heightFlag("to", "Last block (default: the tip)")
  },
  ({ from, to, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/ExportChain.ts")),
      ({ exportChain }) => exportChain(flags, from, to)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Write blocks to standard output as peers see them, one JSON object a line, in the order of their",
      "heights."
    )
  ),
  Command.withShortDescription("Write blocks to standard output")
)

const importCommand = Command.make(
  "import",
  {
    ...storageFlags,
    file: Argument.String("FILE").pipe(
      Argument.withDescription("Blocks as export writes them, compressed if the name ends in .gz; - is standard input")
    )
  },
  ({ file, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/ImportChain.ts")),
      ({ importChain }) => importChain(flags, file)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Put blocks on the chain, each checked as one that a peer sent. Blocks that are there already are passed",
      "over. Progress is on standard error. The first block that breaks a rule ends the import with exit code 1,",
      "and what came before it stays."
    )
  ),
  Command.withShortDescription("Put blocks from a file on the chain")
)

const hashFlag = Flag.String("hash").pipe(
  Flag.filterMap(
    (text) => Option.fromUndefinedOr(hashFromHex(text)),
    () => "a hash of 64 hexadecimal digits"
  ),
  Flag.withMetavar("HEX"),
  Flag.withDescription("The snapshot-hash that it must have, as you know it from elsewhere"),
  Flag.optional
)

const saveCommand = Command.make(
  "save",
  {
    ...storageFlags,
    height: heightFlag("height", "Block after which the outputs are unspent (default: 100 blocks below the tip)"),
    file: Argument.String("FILE").pipe(Argument.withDescription("Where it is written; - is standard output"))
  },
  ({ file, height, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/SaveSnapshot.ts")),
      ({ saveSnapshot }) => saveSnapshot(flags, file, height)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Write a snapshot: all unspent outputs after a block, the hashes of the blocks up to it, and the 100 blocks after",
      "it. The same block makes the same bytes on every node, so that their snapshot-hash can be compared."
    )
  ),
  Command.withShortDescription("Write the unspent outputs at a block")
)

const loadCommand = Command.make(
  "load",
  {
    ...storageFlags,
    hash: hashFlag,
    file: Argument.String("FILE").pipe(
      Argument.withDescription("A snapshot, compressed if the name ends in .gz; - is standard input")
    )
  },
  ({ file, hash, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/LoadSnapshot.ts")),
      ({ loadSnapshotFile }) => loadSnapshotFile(flags, file, hash)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Begin a chain with a snapshot, in a data directory that has none. It is checked as far as it can be without the",
      "blocks before it, and loaded whole or not at all. Until timenode start has fetched and checked these, what it says",
      "is trusted: give --hash."
    )
  ),
  Command.withShortDescription("Begin a chain with a snapshot")
)

const snapshot = Command.make("snapshot").pipe(
  Command.withDescription("Write a snapshot of a stopped node's chain, or begin a chain with one."),
  Command.withShortDescription("Write a snapshot, or begin with one"),
  Command.withSubcommands([saveCommand, loadCommand])
)

export const chain = Command.make("chain").pipe(
  Command.withDescription("Work on the chain in a data directory. The node must not be running."),
  Command.withShortDescription("Inspect, check, copy or fill the chain of a stopped node"),
  Command.withSubcommands([info, verify, exportCommand, importCommand, snapshot])
)
