/**
 * The flags that settings have on the command line. Their values stay text here: they are read together with the
 * environment and the file, so that an error looks the same wherever a value came from.
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type { FlagValues } from "./ResolveConfig.ts"
import { logFormats, logLevels } from "./Settings.ts"

const optionalText = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

/** Flags of every command that works on a data directory. */
export const storageFlags = {
  config: optionalText("config", "FILE", "TOML file to read settings from; the keys are those of timed's config.toml"),
  network: optionalText("network", "testnet|mainnet", "Network to be part of (default: testnet)"),
  dataDir: optionalText(
    "data-dir",
    "DIR",
    "Where the chain is kept (default: ~/.timecoin/timenode/testnet or ~/.timecoin/timenode)"
  )
}

/** Flags of `timenode start`. */
export const nodeFlags = {
  ...storageFlags,
  listen: optionalText(
    "listen",
    "IP[:PORT]",
    "Where peers reach this node, and where its own connections leave from (default: 0.0.0.0, port 24100 or 24000)"
  ),
  externalAddress: optionalText("external-address", "IP", "Address that others know this node by"),
  peers: Flag.String("peer").pipe(
    Flag.withMetavar("IP[:PORT]"),
    Flag.withDescription("Peer to stay connected to, beside bootstrap_peers of the file; may be repeated"),
    Flag.atLeast(0)
  ),
  rpcListen: optionalText(
    "rpc-listen",
    "IP:PORT",
    "Where JSON-RPC is served (default: 127.0.0.1, port 24101 or 24001)"
  ),
  maxPeers: optionalText("max-peers", "N", "Most peers to dial (default: 50)"),
  maxInbound: optionalText("max-inbound", "N", "Most connections to accept (default: 1024)"),
  noDiscovery: Flag.Boolean("no-discovery").pipe(
    Flag.withDescription("Dial only --peer and bootstrap_peers, and take no addresses from peers"),
    Flag.withDefault(false)
  ),
  logLevel: optionalText("log-level", logLevels.join("|"), "Least important log lines to write (default: info)"),
  logFormat: optionalText("log-format", logFormats.join("|"), "How log lines look on standard error (default: pretty)")
}

export interface StorageFlagValues {
  readonly config: Option.Option<string>
  readonly network: Option.Option<string>
  readonly dataDir: Option.Option<string>
}

export interface NodeFlagValues extends StorageFlagValues {
  readonly listen: Option.Option<string>
  readonly externalAddress: Option.Option<string>
  readonly peers: ReadonlyArray<string>
  readonly rpcListen: Option.Option<string>
  readonly maxPeers: Option.Option<string>
  readonly maxInbound: Option.Option<string>
  readonly noDiscovery: boolean
  readonly logLevel: Option.Option<string>
  readonly logFormat: Option.Option<string>
}

/** The settings that were made by flags. */
export const flagValues = ({
  config: _config,
  noDiscovery,
  peers,
  ...rest
}: StorageFlagValues & Partial<NodeFlagValues>): FlagValues => ({
  ...Object.fromEntries(
    Object.entries(rest).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  ),
  ...(peers === undefined || peers.length === 0 ? {} : { peers }),
  ...(noDiscovery === true ? { discovery: false } : {})
})
