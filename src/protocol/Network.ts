/**
 * The networks: names, ports, start of time. Two are public, and anybody can begin another.
 *
 * All use the magic "TIME" and protocol version 1; what separates them is the genesis block ({@link ./Genesis.ts}).
 */
import { height, type Height } from "./Height.ts"
import { type Satoshi, satoshi } from "./Satoshi.ts"

export type NetworkName = "testnet" | "mainnet" | "devnet"

export interface Network {
  readonly name: NetworkName
  /** The text in a Handshake. Nobody checks it, and a `timed` says "Testnet" on both networks. */
  readonly handshakeName: string
  readonly p2pPort: number
  readonly rpcPort: number
  /** Timestamp of block 0, in seconds; block h is due `blockSeconds` times h later. */
  readonly genesisTime: bigint
  readonly blockSeconds: bigint
  /** What the one output of block 0 is worth. */
  readonly genesisReward: Satoshi
  /** The digit after `TIME` in addresses. */
  readonly addressDigit: "0" | "1"
}

export const MAGIC = new TextEncoder().encode("TIME")
export const PROTOCOL_VERSION = 1

export const testnet: Network = {
  name: "testnet",
  handshakeName: "Testnet",
  p2pPort: 24100,
  rpcPort: 24101,
  genesisTime: 1_764_547_200n,
  blockSeconds: 600n,
  genesisReward: satoshi(10_000_000_000n),
  addressDigit: "0"
}

export const mainnet: Network = {
  name: "mainnet",
  handshakeName: "Mainnet",
  p2pPort: 24000,
  rpcPort: 24001,
  genesisTime: 1_767_225_600n,
  blockSeconds: 600n,
  genesisReward: satoshi(0n),
  addressDigit: "1"
}

/** The public networks. */
export const networks: Readonly<Record<"testnet" | "mainnet", Network>> = { testnet, mainnet }

/**
 * A network of its own to develop on, which begins when its maker says and makes blocks at the pace that suits him. Its
 * addresses look like those of the testnet.
 */
export const devnet = (pace: Pick<Network, "genesisTime" | "blockSeconds">): Network => ({
  ...testnet,
  ...pace,
  name: "devnet",
  p2pPort: 24200,
  rpcPort: 24201
})

/** The height whose block is due at `now` (seconds); 0 before genesis. */
export const expectedHeight = (network: Network, now: bigint): Height =>
  now < network.genesisTime ? height(0n) : height((now - network.genesisTime) / network.blockSeconds)

/** When the block of that height is due, in seconds. */
export const dueTime = (network: Network, at: Height): bigint => network.genesisTime + network.blockSeconds * at
