/**
 * `timenode wallet`: the key in a data directory. Balances and payments are for a running node, over JSON-RPC.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { storageFlags } from "../config/Flags.ts"
import { paragraph } from "./HelpText.ts"
import { load } from "./Load.ts"

const fileFlag = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("FILE"), Flag.withDescription(description), Flag.optional)

const sealFlags = {
  ...storageFlags,
  passphraseFile: fileFlag("passphrase-file", "File whose first line is the passphrase (default: ask)"),
  unencrypted: Flag.Boolean("unencrypted").pipe(
    Flag.withDescription("Keep the key in the clear, for whoever can read the file"),
    Flag.withDefault(false)
  )
}

const PASSPHRASE = [
  "The passphrase is that of TIME_WALLET_PASSPHRASE or --passphrase-file; otherwise it is asked for at the",
  "terminal, where it does not show."
] as const

const create = Command.make(
  "create",
  {
    ...sealFlags,
    label: Flag.String("label").pipe(Flag.withMetavar("TEXT"), Flag.withDescription("What to call it"), Flag.optional)
  },
  ({ label, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/CreateWallet.ts")),
      ({ createWallet }) => createWallet(flags, label)
    )
).pipe(
  Command.withDescription(
    paragraph("Make a wallet of a new key, wallet.json in the data directory, and print its address.", ...PASSPHRASE)
  ),
  Command.withShortDescription("Make a wallet of a new key")
)

const info = Command.make("info", storageFlags, (flags) =>
  Effect.flatMap(
    load(() => import("../programs/WalletInfo.ts")),
    ({ printWalletInfo }) => printWalletInfo(flags)
  )
).pipe(
  Command.withDescription("Print what the wallet says of itself without its passphrase."),
  Command.withShortDescription("Print address, network and age of the wallet")
)

const address = Command.make("address", storageFlags, (flags) =>
  Effect.flatMap(
    load(() => import("../programs/WalletInfo.ts")),
    ({ printAddress }) => printAddress(flags)
  )
).pipe(Command.withDescription("Print the address of the wallet."))

const importCommand = Command.make(
  "import",
  { ...sealFlags, file: Argument.String("FILE").pipe(Argument.withDescription("time-wallet.dat of a timed")) },
  ({ file, ...flags }) =>
    Effect.flatMap(
      load(() => import("../programs/CreateWallet.ts")),
      ({ importWallet }) => importWallet(flags, file)
    )
).pipe(
  Command.withDescription(
    paragraph("Make a wallet of the key in a wallet of timed, which is left as it is.", ...PASSPHRASE)
  ),
  Command.withShortDescription("Make a wallet of the key of a timed")
)

const changePassphrase = Command.make(
  "change-passphrase",
  {
    ...sealFlags,
    newPassphraseFile: fileFlag("new-passphrase-file", "File whose first line is the new passphrase (default: ask)")
  },
  (flags) =>
    Effect.flatMap(
      load(() => import("../programs/ChangePassphrase.ts")),
      ({ changePassphrase }) => changePassphrase(flags)
    )
).pipe(
  Command.withDescription(
    paragraph(
      "Seal the wallet under another passphrase, or with --unencrypted under none.",
      ...PASSPHRASE,
      "The new one is that of TIME_WALLET_NEW_PASSPHRASE or --new-passphrase-file, or asked for."
    )
  ),
  Command.withShortDescription("Seal the wallet under another passphrase")
)

export const wallet = Command.make("wallet").pipe(
  Command.withDescription(
    paragraph(
      "The key that receives and pays, in wallet.json of the data directory. The node may be running: it uses a",
      "wallet as soon as it is there. Balances and payments are JSON-RPC methods of the running node."
    )
  ),
  Command.withShortDescription("Make, import or re-seal the node's wallet"),
  Command.withSubcommands([create, info, address, importCommand, changePassphrase])
)
