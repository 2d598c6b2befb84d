/**
 * Every setting: its key in the file, its flag, its environment variable, and how its value is read.
 *
 * The keys are those of `timed`'s config.toml, and `network.max_inbound`. Those that `timed` has and timenode does not
 * use are listed too, so that a file made for `timed` works and the operator learns what it does not do.
 */
import * as Result from "effect/Result"
import { belongsTo, parseAddress } from "../../protocol/Address.ts"
import type { MasternodeTier } from "../../protocol/Masternode.ts"
import { type Network, networks } from "../../protocol/Network.ts"
import { type PeerAddress, peerAddress, type PeerId, peerId } from "../../protocol/PeerId.ts"

export interface ListenAddress {
  readonly host: PeerId
  readonly port: number
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "off"] as const
export type LogLevelName = (typeof logLevels)[number]

export const logFormats = ["pretty", "json", "logfmt"] as const
export type LogFormat = (typeof logFormats)[number]

/**
 * A setting. `read` gets text from flags and the environment, and whatever the file holds from the file; it fails with
 * what was expected.
 */
export interface Setting<A> {
  /** Dotted path in the file; null for what only flags and the environment set. */
  readonly key: string | null
  readonly flag: string | null
  readonly env: string
  readonly read: (value: unknown, network: Network) => Result.Result<A, string>
}

const setting = <A>(
  key: string | null,
  flag: string | null,
  env: string,
  read: (value: unknown, network: Network) => A | undefined,
  expected: string
): Setting<A> => ({
  key,
  flag,
  env,
  read: (value, network) => {
    const result = read(value, network)
    return result === undefined ? Result.fail(`expected ${expected}, got ${shown(value)}`) : Result.succeed(result)
  }
})

/** The settings, by the names under which {@link ./ResolveConfig.ts} uses them. */
export const settings = {
  network: setting(
    "node.network",
    "network",
    "TIME_NETWORK",
    (value) => (typeof value === "string" ? entry(networks, value.toLowerCase()) : undefined),
    "testnet or mainnet"
  ),
  dataDir: setting("storage.data_dir", "data-dir", "TIME_DATA_DIR", text, "a directory"),
  backend: setting(
    "storage.backend",
    null,
    "TIME_STORAGE_BACKEND",
    oneOf(["sqlite", "sled", "memory"]),
    "sqlite or memory"
  ),
  listen: setting(
    "network.listen_address",
    "listen",
    "TIME_LISTEN",
    (value, { p2pPort }) => listenAddress(value, p2pPort),
    "IP or IP:PORT"
  ),
  externalAddress: setting(
    "network.external_address",
    "external-address",
    "TIME_EXTERNAL_ADDRESS",
    (value, { p2pPort }): PeerId | null | undefined => (value === "" ? null : listenAddress(value, p2pPort)?.host),
    "an IP address"
  ),
  peers: setting(
    "network.bootstrap_peers",
    "peer",
    "TIME_PEERS",
    (value, { p2pPort }) => all(list(value), (each) => peerOf(each, p2pPort)),
    "IP or IP:PORT of each peer (host names are not looked up)"
  ),
  maxPeers: setting("network.max_peers", "max-peers", "TIME_MAX_PEERS", integer(0, 10_000), "a number from 0 to 10000"),
  maxInbound: setting(
    "network.max_inbound",
    "max-inbound",
    "TIME_MAX_INBOUND",
    integer(0, 10_000),
    "a number from 0 to 10000"
  ),
  discovery: setting("network.enable_peer_discovery", "no-discovery", "TIME_DISCOVERY", truth, "true or false"),
  rpcEnabled: setting("rpc.enabled", null, "TIME_RPC_ENABLED", truth, "true or false"),
  rpcListen: setting(
    "rpc.listen_address",
    "rpc-listen",
    "TIME_RPC_LISTEN",
    (value, { rpcPort }) => listenAddress(value, rpcPort),
    "IP or IP:PORT"
  ),
  legacy: setting("consensus.legacy", null, "TIME_CONSENSUS_LEGACY", truth, "true or false"),
  logLevel: setting("logging.level", "log-level", "TIME_LOG_LEVEL", oneOf(logLevels), oneOfText(logLevels)),
  logFormat: setting("logging.format", "log-format", "TIME_LOG_FORMAT", oneOf(logFormats), oneOfText(logFormats)),
  masternodeEnabled: setting("masternode.enabled", null, "TIME_MASTERNODE_ENABLED", truth, "true or false"),
  masternodeTier: setting(
    "masternode.tier",
    null,
    "TIME_MASTERNODE_TIER",
    (value) => (typeof value === "string" ? entry(tiers, value.toLowerCase()) : undefined),
    "free, bronze, silver or gold"
  ),
  rewardAddress: setting(
    "masternode.wallet_address",
    null,
    "TIME_MASTERNODE_WALLET_ADDRESS",
    (value, network) => (value === "" || isAddress(value, network) ? (value as string) : undefined),
    "an address of the network"
  )
} as const

export type Settings = typeof settings

/** Keys of `timed` that have no effect here, with why. Most have none in `timed` either. */
export const unusedKeys: ReadonlyArray<{ readonly why: string; readonly keys: ReadonlyArray<string> }> = [
  { why: "not said on the network", keys: ["node.name", "node.version"] },
  { why: "ports are forwarded by hand", keys: ["network.enable_upnp"] },
  { why: "web pages are never answered", keys: ["rpc.allow_origins"] },
  { why: "sized by SQLite", keys: ["storage.cache_size_mb"] },
  {
    why: "fixed by the network",
    keys: [
      "consensus.voting_timeout_ms",
      "consensus.min_masternodes",
      "consensus.quorum_percentage",
      "block.block_time_seconds",
      "block.max_block_size_kb",
      "block.max_transactions_per_block"
    ]
  },
  { why: "logs go to standard error", keys: ["logging.output", "logging.file_path"] },
  { why: "not checked on the network", keys: ["masternode.collateral_txid"] },
  { why: "limits are built in", keys: ["security.enable_rate_limiting", "security.max_requests_per_second"] },
  { why: "JSON-RPC is on loopback only", keys: ["security.enable_authentication", "security.api_key"] },
  {
    why: "not part of the peer protocol",
    keys: ["security.enable_tls", "security.enable_message_signing", "security.message_max_age_seconds"]
  },
  { why: "there is no metrics port", keys: ["metrics.enabled", "metrics.prometheus_port"] }
]

/** Every key that a file may contain. */
export const knownKeys: ReadonlyArray<string> = [
  ...Object.values(settings).flatMap(({ key }) => (key === null ? [] : [key])),
  ...unusedKeys.flatMap(({ keys }) => keys)
]

// --- internal ---

const tiers: Readonly<Record<string, MasternodeTier>> = {
  free: "Free",
  bronze: "Bronze",
  silver: "Silver",
  gold: "Gold"
}

function entry<A>(table: Readonly<Record<string, A>>, name: string): A | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

function oneOf<const Name extends string>(names: ReadonlyArray<Name>): (value: unknown) => Name | undefined {
  return (value) => names.find((name) => typeof value === "string" && name === value.toLowerCase())
}

function oneOfText(names: ReadonlyArray<string>): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`
}

function truth(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : value === "true" ? true : value === "false" ? false : undefined
}

function integer(minimum: number, maximum: number): (value: unknown) => number | undefined {
  return (value) => {
    const number = typeof value === "string" && /^[0-9]{1,9}$/.test(value) ? Number(value) : value
    return typeof number === "number" && Number.isInteger(number) && number >= minimum && number <= maximum
      ? number
      : undefined
  }
}

/** Text is a list separated by commas. */
function list(value: unknown): ReadonlyArray<unknown> | undefined {
  if (typeof value !== "string") return Array.isArray(value) ? value : undefined
  return value
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "")
}

function all<A>(
  values: ReadonlyArray<unknown> | undefined,
  read: (value: unknown) => A | undefined
): ReadonlyArray<A> | undefined {
  const read_ = values?.map(read)
  return read_?.every((value) => value !== undefined) === true ? (read_ as ReadonlyArray<A>) : undefined
}

function peerOf(value: unknown, defaultPort: number): PeerAddress | undefined {
  return typeof value === "string" ? peerAddress(value, defaultPort) : undefined
}

/** As {@link peerAddress}, but port 0 is allowed: the system chooses. */
function listenAddress(value: unknown, defaultPort: number): ListenAddress | undefined {
  if (typeof value !== "string") return undefined
  const address = peerAddress(value, defaultPort)
  if (address !== undefined) return { host: address.peer, port: address.port }
  const host = value.endsWith(":0") && !/^[^[]*:.*:0$/.test(value) ? peerId(value.slice(0, -2)) : undefined
  return host === undefined ? undefined : { host, port: 0 }
}

function isAddress(value: unknown, network: Network): boolean {
  if (typeof value !== "string") return false
  const parsed = parseAddress(value)
  return Result.isSuccess(parsed) && belongsTo(parsed.success, network)
}

function shown(value: unknown): string {
  const json =
    JSON.stringify(value, (_key, each: unknown) => (typeof each === "bigint" ? Number(each) : each)) ?? "nothing"
  return json.length <= 80 ? json : `${json.slice(0, 77)}...`
}
