/**
 * From flags, environment and file to the configuration of a node, as one pure function.
 *
 * Flags win over the environment, the environment over the file, the file over the defaults, each setting by itself;
 * peers of all three are dialled. All that is wrong is reported at once.
 */
import * as Result from "effect/Result"
import * as Toml from "effect/encoding/Toml"
import { type Network, networks } from "../../protocol/Network.ts"
import { type PeerAddress, addressScope, formatPeerAddress, type PeerId } from "../../protocol/PeerId.ts"
import { defaults, type NodeConfigValues } from "../../services/NodeConfig.ts"
import { closest, ConfigError } from "./ConfigError.ts"
import { keyLines, lineOf } from "./ConfigText.ts"
import {
  knownKeys,
  type LogFormat,
  type LogLevelName,
  type Setting,
  type Settings,
  settings,
  unusedKeys
} from "./Settings.ts"

/** What flags say, by the name of the setting. */
export type FlagValues = { readonly [Name in keyof Settings]?: string | boolean | ReadonlyArray<string> }

export interface ConfigSources {
  readonly flags: FlagValues
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: { readonly path: string; readonly text: string } | null
  /** The operator's home directory, for the default data directory and a leading `~`. */
  readonly home: string
}

export interface ResolvedConfig {
  readonly node: NodeConfigValues
  readonly logging: { readonly level: LogLevelName; readonly format: LogFormat }
  /** What the operator should know, a line each. */
  readonly warnings: ReadonlyArray<string>
}

export const resolveConfig = (sources: ConfigSources): Result.Result<ResolvedConfig, ReadonlyArray<ConfigError>> => {
  const errors: Array<ConfigError> = []
  const file = readFile(sources.file, errors)

  /** The values of a setting with where they come from, the strongest first. */
  const found = <A>(
    name: keyof Settings,
    { env, flag, key, read }: Setting<A>,
    on: Network
  ): ReadonlyArray<Found<A>> => {
    const raw: Array<readonly [origin: string, value: unknown]> = []
    const fromFlag = sources.flags[name]
    if (flag !== null && fromFlag !== undefined) raw.push([`--${flag}`, fromFlag])
    const fromEnv = sources.env[env]
    if (fromEnv !== undefined && fromEnv !== "") raw.push([env, fromEnv])
    if (key !== null && file.values.has(key)) raw.push([`${file.origin(key)}: ${key}`, file.values.get(key)])
    return raw.flatMap(([origin, value]) => {
      const result = read(value, on)
      if (Result.isSuccess(result)) return [{ origin, value: result.success }]
      errors.push(new ConfigError({ origin, detail: result.failure }))
      return []
    })
  }

  const network = found("network", settings.network, networks.testnet)[0]?.value ?? defaults.network
  const values = <Name extends keyof Settings>(name: Name): ReadonlyArray<Found<ValueOf<Name>>> =>
    found(name, settings[name] as Setting<ValueOf<Name>>, network)
  const first = <Name extends keyof Settings>(name: Name): Found<ValueOf<Name>> | undefined => values(name)[0]

  const listen = first("listen")?.value ?? { host: defaults.listen.host as PeerId, port: network.p2pPort }
  const externalAddress = first("externalAddress")?.value ?? null
  const rpc = first("rpcListen")
  const rpcListen = rpc?.value ?? { host: "127.0.0.1" as PeerId, port: network.rpcPort }
  const rpcEnabled = first("rpcEnabled")?.value ?? true
  const masternode = first("masternodeEnabled")

  if (rpcEnabled && rpc !== undefined && addressScope(rpcListen.host) !== "loopback") {
    errors.push(new ConfigError({ origin: rpc.origin, detail: NO_TOKEN }))
  }
  if (masternode?.value === true && externalAddress === null) {
    errors.push(new ConfigError({ origin: masternode.origin, detail: NO_EXTERNAL_ADDRESS }))
  }

  const node: NodeConfigValues = {
    network,
    listen,
    localAddress: ALL_ADDRESSES.has(listen.host) ? null : listen.host,
    externalAddress,
    peers: distinct(values("peers").flatMap(({ value }) => value)),
    discovery: first("discovery")?.value ?? defaults.discovery,
    maxPeers: first("maxPeers")?.value ?? defaults.maxPeers,
    maxInbound: first("maxInbound")?.value ?? defaults.maxInbound,
    rpcListen: rpcEnabled ? rpcListen : null,
    dataDir:
      first("backend")?.value === "memory" ? null : dataDirectory(first("dataDir")?.value ?? "", network, sources.home),
    legacy: first("legacy")?.value ?? defaults.legacy,
    masternode: {
      enabled: masternode?.value ?? defaults.masternode.enabled,
      tier: first("masternodeTier")?.value ?? defaults.masternode.tier,
      rewardAddress: first("rewardAddress")?.value ?? defaults.masternode.rewardAddress
    }
  }
  const logging = { level: first("logLevel")?.value ?? "info", format: first("logFormat")?.value ?? "pretty" } as const
  return errors.length > 0
    ? Result.fail(errors)
    : Result.succeed({ node, logging, warnings: [...file.warnings, ...environmentWarnings(sources.env)] })
}

// --- internal ---

const ALL_ADDRESSES: ReadonlySet<string> = new Set(["0.0.0.0", "::"])

const NO_TOKEN =
  "JSON-RPC on an address that is not loopback needs a token, which cannot be set yet; use 127.0.0.1:PORT"
const NO_EXTERNAL_ADDRESS = "a masternode needs the address others reach it by; set network.external_address"

interface Found<A> {
  readonly origin: string
  readonly value: A
}

type ValueOf<Name extends keyof Settings> = Settings[Name] extends Setting<infer A> ? A : never

interface FileValues {
  readonly values: ReadonlyMap<string, unknown>
  readonly origin: (key: string) => string
  readonly warnings: ReadonlyArray<string>
}

/** Takes the file apart, and refuses keys that nobody knows. */
const readFile = (file: ConfigSources["file"], errors: Array<ConfigError>): FileValues => {
  if (file === null) return { values: new Map(), origin: () => "", warnings: [] }
  const { path, text } = file
  const toml = Toml.parse(text)
  if (Result.isFailure(toml)) {
    const [, detail, line] = /^(.*?)(?: at line (\d+), column \d+)?$/s.exec(toml.failure.message) ?? []
    errors.push(
      new ConfigError({ origin: line === undefined ? path : `${path}:${line}`, detail: `not TOML: ${detail}` })
    )
    return { values: new Map(), origin: () => path, warnings: [] }
  }
  const lines = keyLines(text)
  const origin = (key: string): string => {
    const line = lineOf(lines, key)
    return line === undefined ? path : `${path}:${line}`
  }
  const values = new Map(leaves(toml.success, ""))
  for (const key of values.keys()) {
    if (knownKeys.includes(key)) continue
    const suggestion = closest(key, knownKeys)
    const detail = `unknown key ${key}${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`
    errors.push(new ConfigError({ origin: origin(key), detail }))
  }
  const unused = unusedKeys.flatMap(({ keys, why }) => {
    const set = keys.filter((key) => values.has(key))
    return set.length === 0 ? [] : [`${set.join(", ")} (${why})`]
  })
  const warnings = unused.length === 0 ? [] : [`${path}: keys without effect: ${unused.join("; ")}`]
  return { values, origin, warnings }
}

/** Keys with their values, tables taken apart. An empty table where a value belongs stays one. */
const leaves = (table: object, prefix: string): ReadonlyArray<readonly [key: string, value: unknown]> =>
  Object.entries(table).flatMap(([name, value]) => {
    const key = prefix + name
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
    return isTable && !knownKeys.includes(key) ? leaves(value, `${key}.`) : [[key, value] as const]
  })

/** A variable that is nearly one of ours was meant to be one. */
const environmentWarnings = (env: ConfigSources["env"]): ReadonlyArray<string> => {
  const names = ["TIME_CONFIG", ...Object.values(settings).map(({ env }) => env)]
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith("TIME_") || names.includes(name)) return []
    const suggestion = closest(name, names)
    return suggestion === undefined ? [] : [`${name} has no effect; did you mean ${suggestion}?`]
  })
}

const distinct = (peers: ReadonlyArray<PeerAddress>): ReadonlyArray<PeerAddress> => [
  ...new Map(peers.map((peer) => [formatPeerAddress(peer), peer])).values()
]

const dataDirectory = (configured: string, network: Network, home: string): string => {
  if (configured === "") return `${home}/.timecoin/timenode${network.name === "testnet" ? "/testnet" : ""}`
  return configured === "~" || configured.startsWith("~/") ? home + configured.slice(1) : configured
}
