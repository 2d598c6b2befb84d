import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { mainnet, testnet } from "../../../src/protocol/Network.ts"
import { formatPeerAddress } from "../../../src/protocol/PeerId.ts"
import { type ConfigSources, type ResolvedConfig, resolveConfig } from "../../../src/cli/config/ResolveConfig.ts"
import { knownKeys, settings, unusedKeys } from "../../../src/cli/config/Settings.ts"

const sources = (given: Partial<Omit<ConfigSources, "file">> & { readonly toml?: string } = {}): ConfigSources => ({
  flags: given.flags ?? {},
  env: given.env ?? {},
  file: given.toml === undefined ? null : { path: "config.toml", text: given.toml },
  home: "/home/op"
})

const resolved = (given: Parameters<typeof sources>[0] = {}): ResolvedConfig =>
  Result.match(resolveConfig(sources(given)), {
    onFailure: (errors) => assert.fail(errors.map(({ message }) => message).join("\n")),
    onSuccess: (config) => config
  })

const errors = (given: Parameters<typeof sources>[0]): ReadonlyArray<string> =>
  Result.match(resolveConfig(sources(given)), {
    onFailure: (found) => found.map(({ message }) => message),
    onSuccess: () => []
  })

/** What `timed --generate-config` writes. */
const GENERATED = `
[node]
name = "TIME Coin Node"
version = "0.1.0"
network = "testnet"

[network]
listen_address = "0.0.0.0"
max_peers = 50
enable_upnp = false
enable_peer_discovery = true
bootstrap_peers = []

[rpc]
enabled = true
listen_address = "127.0.0.1"
allow_origins = ["http://localhost:3000"]

[storage]
backend = "sled"
data_dir = "/root/.timecoin/testnet"
cache_size_mb = 256

[consensus]
voting_timeout_ms = 3000
min_masternodes = 3
quorum_percentage = 67

[block]
block_time_seconds = 600
max_block_size_kb = 1024
max_transactions_per_block = 10000

[logging]
level = "info"
format = "pretty"
output = "stdout"
file_path = "./logs/node.log"

[masternode]
enabled = false
collateral_txid = ""
tier = "silver"

[security]
enable_rate_limiting = true
max_requests_per_second = 1000
enable_authentication = false
api_key = ""
enable_tls = true
enable_message_signing = true
message_max_age_seconds = 300

[metrics]
enabled = false
prometheus_port = 9090
`

describe("defaults", () => {
  it("are those of the test network", () => {
    const { logging, node, warnings } = resolved()
    assert.strictEqual(node.network, testnet)
    assert.deepStrictEqual(node.listen as unknown, { host: "0.0.0.0", port: 24100 })
    assert.deepStrictEqual(node.rpcListen as unknown, { host: "127.0.0.1", port: 24101 })
    assert.strictEqual(node.dataDir, "/home/op/.timecoin/timenode/testnet")
    assert.isNull(node.localAddress)
    assert.isTrue(node.discovery)
    assert.deepStrictEqual(logging, { level: "info", format: "pretty" })
    assert.deepStrictEqual(warnings, [])
  })

  it("follow the network", () => {
    const { node } = resolved({ flags: { network: "mainnet", peers: ["192.0.2.1"], listen: "192.0.2.9" } })
    assert.strictEqual(node.network, mainnet)
    assert.deepStrictEqual(node.listen as unknown, { host: "192.0.2.9", port: 24000 })
    assert.strictEqual(node.localAddress as string | null, "192.0.2.9")
    assert.deepStrictEqual(node.rpcListen as unknown, { host: "127.0.0.1", port: 24001 })
    assert.strictEqual(node.dataDir, "/home/op/.timecoin/timenode")
    assert.deepStrictEqual(node.peers.map(formatPeerAddress), ["192.0.2.1:24000"])
  })
})

describe("a file of timed", () => {
  it("is understood, and every key without effect is named", () => {
    const { node, warnings } = resolved({ toml: GENERATED })
    assert.strictEqual(node.dataDir, "/root/.timecoin/testnet")
    assert.strictEqual(node.masternode.tier, "Silver")
    assert.strictEqual(warnings.length, 1)
    for (const key of unusedKeys.flatMap(({ keys }) => keys)) assert.include(warnings[0], key)
    assert.notInclude(warnings[0], "node.network")
  })

  it("may leave out any key", () => {
    assert.strictEqual(resolved({ toml: '[rpc]\nlisten_address = "127.0.0.1:1"' }).node.rpcListen?.port, 1)
  })

  it("can switch things off", () => {
    const off = '[rpc]\nenabled = false\n[storage]\nbackend = "memory"\n[network]\nenable_peer_discovery = false'
    const { node } = resolved({ toml: off })
    assert.isNull(node.rpcListen)
    assert.isNull(node.dataDir)
    assert.isFalse(node.discovery)
  })
})

describe("errors", () => {
  const cases: ReadonlyArray<readonly [toml: string, ...expected: Array<string>]> = [
    ['[node]\nnetwork = "manet"', 'config.toml:2: node.network: expected testnet or mainnet, got "manet"'],
    [
      "# one\n\n[network]\n  max_peers = '7'\nmax_peer = 7",
      "config.toml:5: unknown key network.max_peer; did you mean network.max_peers?"
    ],
    [
      "network.listen_adress = '0.0.0.0'",
      "config.toml:1: unknown key network.listen_adress; did you mean network.listen_address?"
    ],
    ["[nothing.like]\nit = 1", "config.toml:2: unknown key nothing.like.it"],
    ["[node]\nnetwork = ", "config.toml:2: not TOML: Expected a value"],
    ["node = 5", "config.toml:1: unknown key node"],
    ["[rpc]\nenabled = 'yes'", 'config.toml:2: rpc.enabled: expected true or false, got "yes"'],
    [
      "[logging]\nlevel = 'info,timed=debug'",
      'config.toml:2: logging.level: expected trace, debug, info, warn, error or off, got "info,timed=debug"'
    ],
    [
      "[masternode]\ntier = 'wood'",
      'config.toml:2: masternode.tier: expected free, bronze, silver or gold, got "wood"'
    ],
    [
      "[masternode]\nenabled = true",
      "config.toml:2: masternode.enabled: a masternode needs the address others reach it by; set network.external_address"
    ]
  ]
  for (const [toml, ...expected] of cases) {
    it(expected.join(" "), () => assert.deepStrictEqual(errors({ toml }), expected))
  }

  it("are all reported at once, each with where it comes from", () => {
    const found = errors({
      flags: { maxPeers: "many" },
      env: { TIME_LISTEN: "localhost" },
      toml: "[network]\nexternal_address = 'me'\n[x]\ny = 1"
    })
    assert.deepStrictEqual(
      found.map((line) => line.split(" ")[0]),
      ["config.toml:4:", "TIME_LISTEN:", "config.toml:2:", "--max-peers:"]
    )
  })

  for (const address of ["0.0.0.0:24101", "192.0.2.1", "[::]:1"]) {
    it(`JSON-RPC on ${address} needs a token`, () => {
      assert.match(errors({ flags: { rpcListen: address } })[0]!, /^--rpc-listen: .*token/)
    })
  }

  it("JSON-RPC that is off needs none", () => {
    resolved({ flags: { rpcListen: "0.0.0.0:1" }, env: { TIME_RPC_ENABLED: "false" } })
  })

  it("a host name is no address", () => {
    assert.match(errors({ flags: { peers: ["seed1.time-coin.io:24000"] } })[0]!, /^--peer: .*host names/)
  })

  it("an address of the other network cannot be paid", () => {
    const address = "TIME1aFGJdZeTiKGqxZZZuTiUPzzCcdSz6qrh5R"
    assert.match(errors({ env: { TIME_MASTERNODE_WALLET_ADDRESS: address } })[0]!, /an address of the network/)
  })
})

describe("the environment", () => {
  it("warns of names that were probably meant", () => {
    assert.deepStrictEqual(resolved({ env: { TIME_NETWRK: "mainnet", TIME_STYLE: "long-iso" } }).warnings, [
      "TIME_NETWRK has no effect; did you mean TIME_NETWORK?"
    ])
  })

  it("treats an empty variable as none", () => {
    assert.strictEqual(resolved({ env: { TIME_NETWORK: "" } }).node.network, testnet)
  })
})

describe("values", () => {
  const listens = {
    "127.0.0.1:0": ["127.0.0.1", 0],
    "[::1]:7": ["::1", 7],
    "::1": ["::1", 24100],
    "::ffff:192.0.2.1": ["192.0.2.1", 24100]
  }
  for (const [text, [host, port]] of Object.entries(listens)) {
    it(`--listen ${text}`, () =>
      assert.deepStrictEqual(resolved({ flags: { listen: text } }).node.listen as unknown, { host, port }))
  }

  for (const text of ["127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3", "::1:0:0:0:0:0:0:0:0", ""]) {
    it(`--listen ${JSON.stringify(text)} is refused`, () =>
      assert.strictEqual(errors({ flags: { listen: text } }).length, 1))
  }

  it("an external address may carry a port, as timed allows, or be empty", () => {
    const address = (text: string) => resolved({ toml: `[network]\nexternal_address = "${text}"` }).node.externalAddress
    assert.strictEqual(address("192.0.2.7:24100") as string | null, "192.0.2.7")
    assert.isNull(address(""))
  })

  it("a data directory may begin with the home directory", () => {
    assert.strictEqual(resolved({ env: { TIME_DATA_DIR: "~/x" } }).node.dataDir, "/home/op/x")
    assert.strictEqual(resolved({ env: { TIME_DATA_DIR: "x~/y" } }).node.dataDir, "x~/y")
  })

  it("say what only blocks of old are allowed", () => {
    assert.isTrue(resolved({}).node.legacy)
    assert.isFalse(resolved({ toml: "[consensus]\nlegacy = false" }).node.legacy)
    assert.isTrue(resolved({ toml: "[consensus]\nlegacy = false", env: { TIME_CONSENSUS_LEGACY: "true" } }).node.legacy)
  })

  it("slots are set for each direction", () => {
    const slots = ({ node }: ReturnType<typeof resolved>) => [node.maxPeers, node.maxInbound]
    assert.deepStrictEqual(slots(resolved()), [50, 1_024])
    const toml = "[network]\nmax_peers = 7\nmax_inbound = 9"
    assert.deepStrictEqual(slots(resolved({ toml })), [7, 9])
    assert.deepStrictEqual(slots(resolved({ toml, env: { TIME_MAX_INBOUND: "0" } })), [7, 0])
    assert.deepStrictEqual(
      slots(resolved({ toml, env: { TIME_MAX_INBOUND: "0" }, flags: { maxInbound: "8" } })),
      [7, 8]
    )
    assert.match(errors({ flags: { maxInbound: "10001" } })[0]!, /^--max-inbound: expected a number from 0 to 10000/)
  })

  it("peers of all sources are dialled, each once", () => {
    const { peers } = resolved({
      flags: { peers: ["192.0.2.1", "192.0.2.2:5"] },
      env: { TIME_PEERS: "192.0.2.3, 192.0.2.1:24100" },
      toml: '[network]\nbootstrap_peers = ["192.0.2.4",\n "192.0.2.2:5"]'
    }).node
    assert.deepStrictEqual(peers.map(formatPeerAddress), [
      "192.0.2.1:24100",
      "192.0.2.2:5",
      "192.0.2.3:24100",
      "192.0.2.4:24100"
    ])
  })
})

describe("precedence", () => {
  const port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))
  const Choice = Schema.Struct({ flag: Schema.NullOr(port), env: Schema.NullOr(port), file: Schema.NullOr(port) })

  it.effect.prop("is flag, environment, file, default, for each setting by itself", [Choice, Choice], ([listen, rpc]) =>
    Effect.sync(() => {
      const { node } = resolved({
        flags: {
          ...(listen.flag === null ? {} : { listen: `127.0.0.1:${listen.flag}` }),
          ...(rpc.flag === null ? {} : { rpcListen: `127.0.0.1:${rpc.flag}` })
        },
        env: {
          TIME_LISTEN: listen.env === null ? undefined : `127.0.0.1:${listen.env}`,
          TIME_RPC_LISTEN: rpc.env === null ? undefined : `127.0.0.1:${rpc.env}`
        },
        toml:
          (listen.file === null ? "" : `network.listen_address = "127.0.0.1:${listen.file}"\n`) +
          (rpc.file === null ? "" : `rpc.listen_address = "127.0.0.1:${rpc.file}"\n`)
      })
      assert.strictEqual(node.listen.port, listen.flag ?? listen.env ?? listen.file ?? 24_100)
      assert.strictEqual(node.rpcListen?.port, rpc.flag ?? rpc.env ?? rpc.file ?? 24_101)
    })
  )

  it.effect.prop("text in any place is an error or a value, never a crash", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const everything = Object.fromEntries(Object.keys(settings).map((name) => [name, text]))
      resolveConfig(sources({ flags: everything, toml: text }))
      resolveConfig(sources({ toml: knownKeys.map((key) => `${key} = ${JSON.stringify(text)}`).join("\n") }))
    })
  )
})
