/**
 * What the operator decided: plain values, read once at start.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { MasternodeTier } from "../protocol/Masternode.ts"
import { testnet, type Network } from "../protocol/Network.ts"
import type { PeerAddress, PeerId } from "../protocol/PeerId.ts"
import * as Limits from "../protocol/Limits.ts"

export interface NodeConfigValues {
  readonly network: Network
  /** Where peers may reach this node, `0.0.0.0` for all addresses; port 0 lets the system choose. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Outgoing connections leave from this address; null lets the system choose. */
  readonly localAddress: PeerId | null
  /** The address others know this node by. */
  readonly externalAddress: PeerId | null
  /** Dialled for as long as the node runs; never banned. */
  readonly peers: ReadonlyArray<PeerAddress>
  /** Dial addresses that peers name, and take such addresses at all. */
  readonly discovery: boolean
  /** Peers dialled at most. */
  readonly maxPeers: number
  /** Connections accepted at most. Beyond them, the one that is worth least may be closed for a newcomer. */
  readonly maxInbound: number
  readonly rpcListen: { readonly host: string; readonly port: number } | null
  /** Null keeps everything in memory. */
  readonly dataDir: string | null
  /** What only old blocks may do is accepted: unsigned spends, and a merkle root of the coinbase alone. */
  readonly legacy: boolean
  readonly masternode: { readonly enabled: boolean; readonly tier: MasternodeTier; readonly rewardAddress: string }
}

export const defaults: NodeConfigValues = {
  network: testnet,
  listen: { host: "0.0.0.0", port: testnet.p2pPort },
  localAddress: null,
  externalAddress: null,
  peers: [],
  discovery: true,
  maxPeers: Limits.OUTBOUND_SLOTS,
  maxInbound: Limits.INBOUND_SLOTS,
  rpcListen: { host: "127.0.0.1", port: testnet.rpcPort },
  dataDir: null,
  legacy: true,
  masternode: { enabled: false, tier: "Free", rewardAddress: "" }
}

export class NodeConfig extends Context.Service<NodeConfig, NodeConfigValues>()("timenode/services/NodeConfig") {
  /** The given values over the defaults. */
  static readonly layer = (values: Partial<NodeConfigValues> = {}): Layer.Layer<NodeConfig> =>
    Layer.succeed(NodeConfig, { ...defaults, ...values })

  /** A node that listens nowhere fixed, knows nobody and keeps nothing on disk, except as overridden. */
  static readonly layerTest = (values: Partial<NodeConfigValues> = {}): Layer.Layer<NodeConfig> =>
    NodeConfig.layer({ listen: { host: "127.0.0.1", port: 0 }, rpcListen: null, discovery: false, ...values })
}
